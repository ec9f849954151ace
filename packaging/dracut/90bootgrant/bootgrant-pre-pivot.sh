#!/bin/sh
# The root file system is mounted and not in use yet: get the configuration and write it there.

bootgrant_pre_pivot() {
    /usr/lib/bootgrant/acquire-into --wanted "$NEWROOT" || return 0

    # systemd-networkd runs in parallel and writes the name servers only to its leases, because there is no resolver here.
    if [ -x /usr/lib/systemd/systemd-networkd-wait-online ] && [ -d /run/systemd/netif ]; then
        /usr/lib/systemd/systemd-networkd-wait-online --any --timeout=120 2>/dev/null
        sed -n 's/^DNS=//p' /run/systemd/netif/leases/* 2>/dev/null | while read -r servers; do
            for server in $servers; do echo "nameserver $server"; done
        done >>/etc/resolv.conf
    fi

    # The root is usually still read-only; restore that afterwards.
    was=rw
    while read -r _ at _ options _; do
        case $at,$options, in "$NEWROOT",ro,* | "$NEWROOT",*,ro,*) was=ro ;; esac
    done </proc/mounts
    [ $was = rw ] || mount -o remount,rw "$NEWROOT"
    /usr/lib/bootgrant/acquire-into "$NEWROOT" </dev/null >/dev/console 2>&1 ||
        warn "bootgrant: continuing without a configuration"
    sync
    [ $was = rw ] || mount -o remount,ro "$NEWROOT"
}

bootgrant_pre_pivot
