#!/bin/sh
# packaging/install.sh KIND: `bootgrant install KIND` in a clone, after `make zipapp`. DESTDIR is a folder to install below.
set -eu
program=$(cd "$(dirname "$0")/.." && pwd)/.venv/run/bin/bootgrant
if [ ! -x "$program" ]; then
    echo "install.sh: $program does not exist: run make zipapp first" >&2
    exit 1
fi
exec "$program" install "$@" --dest "${DESTDIR:-/}"
