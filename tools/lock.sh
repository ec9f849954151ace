#!/bin/sh
# Writes the hashed lock files. `make lock` calls it with the `uv` of its own environment. No lock file names a host.
set -eu
uv=$1
compile() {
    "$uv" pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
        --no-header --quiet "$@"
}
compile -o requirements/run.txt pyproject.toml
compile -o requirements/dev.txt -c requirements/run.txt pyproject.toml requirements/dev.in
compile -o requirements/mutation.txt -c requirements/dev.txt pyproject.toml requirements/dev.in requirements/mutation.in
compile -o requirements/bench.txt -c requirements/dev.txt pyproject.toml requirements/bench.in
compile -o requirements/lock.txt requirements/lock.in
compile -o requirements/oracle.txt requirements/oracle.in
compile -o requirements/docs.txt requirements/docs.in
