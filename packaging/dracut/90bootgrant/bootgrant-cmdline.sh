#!/bin/sh
# Before dracut decides about the network: talos.config needs one, whatever the root is on. (systemd-networkd does not
# read this; zzzz-bootgrant.network is for it.)
if getarg talos.config >/dev/null; then
    echo "rd.neednet=1" >/etc/cmdline.d/20-bootgrant.conf
    getarg ip= >/dev/null || echo "ip=dhcp" >>/etc/cmdline.d/20-bootgrant.conf
fi
