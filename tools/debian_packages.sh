#!/bin/sh
# debian_packages.sh LIST: installs the missing Debian packages of LIST (one per line, # for comments).
# Without root, or on another system, it lists them; tests that need them are then skipped, or fail with CI=true.
set -eu
wanted=$(sed 's/#.*//' "$1")
if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "not Debian: the tests look for what these packages bring, and skip without it:" $wanted >&2
    exit 0
fi
missing=
for package in $wanted; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "missing Debian packages (the tests that need them are skipped): apt-get install$missing" >&2
    exit 0
fi
echo "installing:$missing" >&2
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
