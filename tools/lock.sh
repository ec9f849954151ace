#!/bin/sh
# Writes the hashed lock files. `make lock` calls it with the `uv` of its own environment. No lock file names a host.
set -eu
uv=$1
compile() {
    "$uv" pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
        --no-header --quiet "$@"
}
# Not keyring: the environment of `make demo` has no desktop.
served="--extra server --extra postgres --extra rehearse --extra acme"
# shellcheck disable=SC2086
compile -o requirements/run.txt $served pyproject.toml
compile -o requirements/dev.txt -c requirements/run.txt --all-extras pyproject.toml requirements/dev.in
compile -o requirements/mutation.txt -c requirements/dev.txt --all-extras pyproject.toml requirements/dev.in requirements/mutation.in
# shellcheck disable=SC2086
compile -o requirements/bench.txt -c requirements/dev.txt $served pyproject.toml requirements/bench.in
compile -o requirements/build.txt -c requirements/dev.txt requirements/build.in
compile -o requirements/lock.txt requirements/lock.in
compile -o requirements/oracle.txt requirements/oracle.in
compile -o requirements/kubernetes.txt requirements/kubernetes.in
compile -o requirements/docs.txt requirements/docs.in
