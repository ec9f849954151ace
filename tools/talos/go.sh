#!/bin/sh
# go.sh VENV ARGUMENTS…: runs Go from the virtual environment in tools/talos. It needs no C compiler, no git, and no other Go.
set -eu
go=$(realpath "$1")/bin/go
shift
cd "$(dirname "$0")"
unset GOROOT GOFLAGS
CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off GOFLAGS="-mod=readonly -modcacherw -buildvcs=false" exec "$go" "$@"
