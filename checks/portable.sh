#!/usr/bin/env bash
# Type-checks the crates `client` and `cli` for Windows and macOS on any machine with rustup. Nothing is linked and nothing runs:
# in place of a C compiler for those systems (the crypto wants one) this script stands in for itself, and leaves empty files.
set -euo pipefail

if [[ ${TCP_CHAT_STANDS_IN:-} ]]; then
    while (($#)); do
        case $1 in
            -o) : >"$2" ;;
            -o?*) : >"${1#-o}" ;;
            *.a | *.lib) : >"$1" ;;
        esac
        shift
    done
    exit 0
fi

cd "$(dirname "$0")/.."
self=$PWD/checks/portable.sh
for target in x86_64-pc-windows-gnu aarch64-apple-darwin; do
    echo "--- $target"
    # Not every machine reaches the place that has the standard library of other systems.
    if ! timeout 120 rustup target add "$target" >/dev/null 2>&1; then
        echo "skipped: rustup cannot fetch $target here"
        continue
    fi
    under=${target//-/_}
    env TCP_CHAT_STANDS_IN=1 "CC_$under=$self" "CXX_$under=$self" "AR_$under=$self" RUSTFLAGS=-Dwarnings \
        CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/portable" \
        cargo check --locked --target "$target" -p tcp-chat-client -p tcp-chat-cli
done
