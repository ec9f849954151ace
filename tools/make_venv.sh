#!/bin/sh
# make_venv.sh PYTHON DIR LOCKFILE [--with-project]: a virtual environment with exactly the packages of the lock file.
# The project itself is added to its path (nothing is built), together with the `bootgrant` command.
set -eu
python=$1 dir=$2 lock=$3 project=${4:-}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "bootgrant needs Python 3.11 or newer, and '$python' is not. Name one: make PYTHON=python3.12 …" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
    else
        echo "'$python' cannot make virtual environments. On Debian: apt-get install python3-venv; then again." >&2
        exit 1
    fi
fi
echo "making $dir from $lock …"
rm -rf "$dir"
"$python" -m venv "$dir"
"$dir/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r "$lock"
if [ "$project" = --with-project ]; then
    site=$("$dir/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    echo "$PWD/src" >"$site/bootgrant.pth"
    printf '#!%s\nimport sys\nfrom bootgrant.cli import main\nsys.exit(main())\n' "$PWD/$dir/bin/python" >"$dir/bin/bootgrant"
    chmod +x "$dir/bin/bootgrant"
fi
