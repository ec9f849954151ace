#!/bin/sh
# servicemonitors.sh VENV FILE: writes the definition of ServiceMonitor, from the Go module of the Prometheus operator.
set -eu
go=$(realpath "$1")/bin/go
file=$2
module=github.com/prometheus-operator/prometheus-operator@v0.85.0
sum=h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=
unset GOROOT GOFLAGS
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && GOTOOLCHAIN=local "$go" mod download -json "$module") >"$folder/answer"
if ! grep -qF "\"Sum\": \"$sum\"" "$folder/answer"; then
    echo "servicemonitors.sh: $module is not what was examined: its sum is not $sum" >&2
    exit 1
fi
unpacked=$(sed -n 's/^\t"Dir": "\(.*\)",$/\1/p' "$folder/answer")
cp "$unpacked/example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml" "$file"
chmod 644 "$file"
