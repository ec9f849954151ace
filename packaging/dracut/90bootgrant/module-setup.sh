#!/bin/bash
# dracut module: puts Python, the zipapp and their dependencies into the initramfs. It is included only on request:
# dracut --force --add bootgrant, or add_dracutmodules+=" bootgrant " in /etc/dracut.conf.d/bootgrant.conf
# BOOTGRANT_LIB and BOOTGRANT_CONF override the installed paths, to build without an installation.
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
        dfatal "bootgrant: cannot put Python into the initramfs (see the line above)"
        exit 1
    fi
    for file in $files; do
        inst "$file"
    done
    # glibc loads its DNS resolver by name; newer versions have it built in.
    inst_libdir_file "libnss_dns.so.*"
    inst_multiple cat sleep mount sync sed
    inst_script "$lib/acquire-into" /usr/lib/bootgrant/acquire-into
    if [[ -e $conf ]]; then
        inst_simple "$conf" /etc/bootgrant/acquire.conf
        # Include a private certificate authority that FLAGS names.
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
