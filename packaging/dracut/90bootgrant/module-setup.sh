#!/bin/bash
# dracut module: Python, the zipapp and what both need go into the initramfs. Not part of it unless it is asked for:
# dracut --force --add bootgrant, or add_dracutmodules+=" bootgrant " in /etc/dracut.conf.d/bootgrant.conf
# BOOTGRANT_LIB and BOOTGRANT_CONF name other places than the installed ones (a build without an installation).
# shellcheck disable=SC2154  # dracut sets moddir and initdir

check() {
    require_binaries python3 cat sleep mount sync sed || return 1
    return 255
}

depends() {
    echo network
}

install() {
    local lib=${BOOTGRANT_LIB:-/usr/lib/bootgrant} conf=${BOOTGRANT_CONF:-/etc/bootgrant/acquire.conf}
    local files file word

    if ! files=$(python3 -I -S "$lib/stage_python.py" "$lib/bootgrant-acquire.pyz" "$initdir"); then
        dfatal "bootgrant: Python could not be put into the initramfs (the line above says why)"
        exit 1
    fi
    for file in $files; do
        inst "$file"
    done
    # The C library looks names up with a part that it opens by name. Newer ones have it inside.
    inst_libdir_file "libnss_dns.so.*"
    inst_multiple cat sleep mount sync sed
    inst_script "$lib/acquire-into" /usr/lib/bootgrant/acquire-into
    if [[ -e $conf ]]; then
        inst_simple "$conf" /etc/bootgrant/acquire.conf
        # A private authority that the configuration names has to come along.
        for word in $(sed -n 's/^FLAGS=//p' "$conf" | tr -d "\"'"); do
            word=${word#--ca=}
            if [[ $word == /* && -f $word ]]; then inst_simple "$word"; fi
        done
    fi
    if dracut_module_included systemd-networkd; then
        inst_simple "$moddir/zzzz-bootgrant.network" /usr/lib/systemd/network/zzzz-bootgrant.network
    fi
    inst_hook cmdline 20 "$moddir/bootgrant-cmdline.sh"
    inst_hook pre-pivot 50 "$moddir/bootgrant-pre-pivot.sh"
}
