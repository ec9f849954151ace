#!/bin/sh
# packaging/install.sh initramfs-tools|dracut|systemd: installs the machine's half where the system's tools find it.
# Run `make zipapp` first. DESTDIR is a folder to install below, for packagers.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
pyz=$here/../dist/bootgrant-acquire.pyz
kind=${1:-}
to=${DESTDIR:-}

put() { # MODE FILE FOLDER
    install -D -m "$1" "$2" "$to$3/$(basename "$2")"
}

case $kind in initramfs-tools | dracut | systemd) ;; *)
    echo "usage: packaging/install.sh initramfs-tools|dracut|systemd" >&2
    exit 2
    ;;
esac
if [ ! -e "$pyz" ]; then
    echo "install.sh: dist/bootgrant-acquire.pyz does not exist: run make zipapp first" >&2
    exit 1
fi

put 644 "$pyz" /usr/lib/bootgrant
put 755 "$here/initramfs/acquire-into" /usr/lib/bootgrant
put 644 "$here/initramfs/stage_python.py" /usr/lib/bootgrant
if [ ! -e "$to/etc/bootgrant/acquire.conf" ]; then
    put 644 "$here/acquire.conf" /etc/bootgrant
fi
case $kind in
initramfs-tools)
    put 755 "$here/initramfs-tools/hooks/bootgrant" /etc/initramfs-tools/hooks
    put 755 "$here/initramfs-tools/scripts/local-bottom/bootgrant" /etc/initramfs-tools/scripts/local-bottom
    next="update-initramfs -u"
    ;;
dracut)
    for file in "$here"/dracut/90bootgrant/*; do
        case $file in *.sh) mode=755 ;; *) mode=644 ;; esac
        put $mode "$file" /usr/lib/dracut/modules.d/90bootgrant
    done
    next="dracut --force --add bootgrant"
    ;;
systemd)
    put 755 "$here/systemd/early-network" /usr/lib/bootgrant
    put 644 "$here/systemd/bootgrant-acquire.service" /etc/systemd/system
    next="systemctl enable bootgrant-acquire.service"
    ;;
esac
echo "Installed. Check ${to}/etc/bootgrant/acquire.conf, then run: $next"
