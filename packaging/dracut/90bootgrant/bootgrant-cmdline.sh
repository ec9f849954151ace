#!/bin/sh
# Runs before dracut decides whether to start the network, which talos.config needs wherever the root is.
# systemd-networkd does not read this; it has zzzz-bootgrant.network.
if getarg talos.config >/dev/null; then
    echo "rd.neednet=1" >/etc/cmdline.d/20-bootgrant.conf
    getarg ip= >/dev/null || echo "ip=dhcp" >>/etc/cmdline.d/20-bootgrant.conf
fi
