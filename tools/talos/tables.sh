#!/bin/sh
# tables.sh VENV VERSION [CHECKOUT]: writes the tables of a version of Talos, from the module that VERSION.mod names, or
# from a checkout of Talos's repository (for a commit that the module cannot be had for).
set -eu
venv=$1 version=$2 checkout=${3:-}
tools=$(dirname "$0")
folder=$tools/../../src/bootgrant/machines/talos/versions/$version
module=github.com/siderolabs/talos/pkg/machinery
program=$(realpath "$venv")/tables-$version
mod=$version.mod
from=$(awk -v module=$module '$1 == module { print $2 } $2 == module && $1 == "require" { print $3 }' "$tools/$mod")
if [ -n "$checkout" ]; then
    mod=$(realpath "$venv")/checkout.mod
    cp "$tools/$version.mod" "$mod"
    cp "$tools/$version.sum" "${mod%.mod}.sum"
    "$tools/go.sh" "$venv" mod edit -replace "$module=$(realpath "$checkout")/pkg/machinery" "$mod"
    # The checkout may need other versions of its libraries.
    "$tools/go.sh" "$venv" mod tidy -modfile="$mod"
    from=$(git -C "$checkout" rev-parse HEAD)
fi
"$tools/go.sh" "$venv" build -trimpath -tags "talos$version" -modfile="$mod" -o "$program" .
mkdir -p "$folder"
"$program" tables "$(realpath "$folder")" "$from"
"$program" expressions > "$tools/../../src/bootgrant/machines/talos/cel/releases/$version.json"
echo "wrote $folder from $from: review the difference (git diff --stat; docs/talos-versions.md says what to look at)"
