#!/usr/bin/env bash
# Type-checks the crates `client` and `cli` for Windows and macOS, on any machine with rustup:
#
#   checks/portable.sh [TARGET...]
#
# Uses its own target folder, so that no other build waits for it. A system whose standard library rustup cannot
# fetch is skipped, in the gate too, because not every machine can download it. Nothing is linked or run. The
# crypto library calls a C compiler of those systems: this script takes its place and writes empty files.
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
targets=("$@")
((${#targets[@]})) || targets=(x86_64-pc-windows-gnu aarch64-apple-darwin)
for target in "${targets[@]}"; do
    echo "--- $target"
    if ! timeout --foreground 120 rustup target add "$target"; then
        echo "skipped: rustup cannot fetch $target here"
        continue
    fi
    under=${target//-/_}
    env TCP_CHAT_STANDS_IN=1 "CC_$under=$self" "CXX_$under=$self" "AR_$under=$self" RUSTFLAGS=-Dwarnings \
        CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/portable" \
        cargo check --locked --target "$target" -p tcp-chat-client -p tcp-chat-cli
done
