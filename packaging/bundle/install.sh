#!/bin/sh
# install.sh [--to DIR] [--python PROGRAM]: installs bootgrant from this folder, without a network (docs/air-gap.md).
# DIR (default /opt/bootgrant) becomes a virtual environment; run it again from a newer bundle to upgrade.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
to=/opt/bootgrant python=python3

usage() {
    echo "usage: install.sh [--to DIR] [--python PROGRAM]" >&2
    exit 2
}
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage
    case $1 in
    --to) to=$2 ;;
    --python) python=$2 ;;
    *) usage ;;
    esac
    shift 2
done

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || {
    echo "install.sh: $python does not run. Install Python 3.11 or newer, or name one: --python PROGRAM" >&2
    exit 1
}
if ! grep -qx "$version" "$here/wheels/PYTHONS"; then
    echo "install.sh: this bundle is for Python $(tr '\n' ' ' <"$here/wheels/PYTHONS")and $python is $version." \
        "Name another with --python, or make a bundle with PYTHONS=$version." >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "install.sh: $python cannot make virtual environments. On Debian, install the package python3-venv." >&2
    exit 1
fi
(cd "$here/release" && sha256sum --check --quiet SHA256SUMS) || {
    echo "install.sh: files of this bundle are damaged or changed; copy it again and verify it (docs/verify.md)" >&2
    exit 1
}

[ -x "$to/bin/python" ] || "$python" -m venv "$to"
pip() {
    "$to/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --only-binary :all: "$@"
}
# The file with the hashes is in SHA256SUMS, so each wheel is compared too.
pip --require-hashes --find-links "$here/wheels" --requirement "$(echo "$here"/release/bootgrant-*-requirements.txt)"
pip --force-reinstall "$(echo "$here"/release/bootgrant-*.whl)"
"$to/bin/bootgrant" --version
echo "Next: $to/bin/bootgrant init site --public-url https://boot.example.org --listen 127.0.0.1:8080"
