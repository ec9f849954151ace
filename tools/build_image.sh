#!/bin/sh
# build_image.sh FILE BASE [ROOT.tar]: builds packaging/container/Containerfile on BASE, and writes FILE, an OCI archive.
#
# With ROOT.tar, BASE is made from that archive of a root file system, in a store of its own below .cache, so that
# neither a registry nor a daemon is needed. The same sources on the same base are the same bytes (SOURCE_DATE_EPOCH).
# PACKAGES is more packages of Debian in the image.
set -eu
file=$1 base=$2 root=${3:-}
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' src/bootgrant/__init__.py)
revision=$(git rev-parse --verify --quiet HEAD || echo unknown)
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || echo 1577836800)}"
image=localhost/bootgrant:$version
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() {
    if [ -n "$root" ]; then
        BUILDAH_ISOLATION=chroot buildah --log-level error --storage-driver "${STORAGE_DRIVER:-overlay}" --root "$PWD/.cache/images/store" \
            --runroot "$PWD/.cache/images/run" "$@"
    else
        buildah --log-level error "$@"
    fi
}

# One build at a time in the store.
mkdir -p .cache/images
exec 9>.cache/images/lock
flock 9

# A new file of the root means a new base; `make` decides whether the file is old.
if [ -n "$root" ] && ! [ .cache/images/"$(basename "$base")" -nt "$root" ]; then
    container=$(build from scratch)
    build add --quiet "$container" "$root" / >/dev/null
    build config --env PATH=/usr/local/bin:/usr/bin:/bin "$container"
    build commit --quiet --timestamp 0 --rm "$container" "$base" >/dev/null
    touch .cache/images/"$(basename "$base")"
fi

# The settings of pip and the authorities of this computer reach the commands that fetch packages, not the image.
set --
for secret in pip:/etc/pip.conf ca:/etc/ssl/certs/ca-certificates.crt; do
    if [ -r "${secret#*:}" ]; then
        set -- "$@" --secret "id=${secret%%:*},src=${secret#*:}"
    fi
done
build bud --quiet --format oci --timestamp "$SOURCE_DATE_EPOCH" "$@" --file packaging/container/Containerfile \
    --build-arg "BASE=$base" --build-arg "PACKAGES=${PACKAGES:-}" \
    --build-arg "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH" --build-arg "VERSION=$version" --build-arg "REVISION=$revision" --tag "$image" . >/dev/null
build push --quiet "$image" "oci:$work/image:$version"
mkdir -p "$(dirname "$file")"
tar --create --file "$file.part" --directory "$work/image" --sort=name --mtime="@$SOURCE_DATE_EPOCH" \
    --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX blobs index.json oci-layout
mv "$file.part" "$file"
