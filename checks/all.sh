#!/usr/bin/env bash
# Runs all tests: the command of the README, and those that need more than Rust and a C compiler. As root on
# Debian it installs missing tools (prepare.sh). Otherwise it names each missing tool and skips its check; with
# TCP_CHAT_TEST_ALL=1 that is a failure.
#
# It builds the distributed programs once, and all later checks use those. Checks that mostly wait run in the
# background. slow.sh has the long forms of the short ones here. `.ci/run` sources this file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source checks/sections.sh
debug=${CARGO_TARGET_DIR:-target}/debug
programs=$(packaging/programs.sh --where)

root_on_debian() {
    [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null
}

compile() {
    cargo test --workspace --locked --no-run --quiet
}

readme() {
    if command -v npm >/dev/null; then
        # Public collections of hostile input, which the tests use if this is set.
        TCP_CHAT_HOSTILE_DATA=$(checks/hostile-data.sh)
        export TCP_CHAT_HOSTILE_DATA
    fi
    # Without one, the tests of the cluster fail in the gate, and say elsewhere that they are skipped.
    NATS_SERVER=$(checks/nats-server.sh || true)
    export NATS_SERVER
    # They take a few minutes. A test that hangs must not take the time of all that follows: it is the one that
    # "has been running for over 60 seconds" in the output.
    timeout --foreground 20m cargo test --workspace --locked
    command -v npm >/dev/null || missing "the public collections of hostile input need npm"
}

page() {
    local tool
    for tool in npm chromium certutil openssl script; do
        command -v "$tool" >/dev/null || missing "that needs npm, chromium, certutil (libnss3-tools), openssl and script"
    done
    checks/web.sh "$debug/tcp-chatd"
}

tree() {
    nice -n 19 packaging/tool.sh cargo-deny
    cargo deny --locked check bans licenses sources
}

fuzzing() {
    command -v c++ >/dev/null || missing "that needs a C++ compiler"
    fuzz/run "${TCP_CHAT_FUZZ_SECONDS:-15}" --quick
}

vanish() {
    root_on_debian && command -v ip >/dev/null || missing "that needs root and ip (iproute2)"
    python3 checks/vanish.py "$debug/tcp-chatd"
}

distributed() {
    command -v make >/dev/null && command -v dpkg-shlibdeps >/dev/null || missing "that needs make and dpkg-dev"
    # Low priority: the background check of the vanishing host measures time.
    nice -n 19 packaging/build.sh --no-rpm
}

measuring() {
    distributed_is_there
    nice -n 19 packaging/programs.sh --bench
}

distributed_is_there() {
    [[ -x $programs/tcp-chatd ]] || missing "the distributed programs were not built"
    command -v python3 >/dev/null || missing "that needs python3"
}

instructions() {
    distributed_is_there
    command -v valgrind >/dev/null || missing "that needs valgrind"
    bench/guard
}

compare() {
    distributed_is_there
    root_on_debian && (($(nproc) > 1)) || missing "that needs root on Debian, and two processors"
    bench/compare --short
}

soak() {
    distributed_is_there
    python3 checks/soak.py "$programs/tcp-chatd" --minutes "${TCP_CHAT_SOAK_MINUTES:-2}"
}

fair() {
    distributed_is_there
    python3 checks/fair.py --short "$programs/tcp-chatd"
}

cluster() {
    distributed_is_there
    local nats
    nats=$(checks/nats-server.sh) || missing "that needs nats-server 2.11 or later"
    python3 checks/cluster.py "$programs/tcp-chatd" "$nats" --rounds 8
}

tls() {
    distributed_is_there
    checks/tls.sh --short "$programs/tcp-chatd"
}

monitoring() {
    distributed_is_there
    root_on_debian || missing "that needs root on Debian"
    checks/monitoring.sh "$programs"
}

portable() {
    command -v rustup >/dev/null || missing "that needs rustup"
    nice -n 19 checks/portable.sh x86_64-pc-windows-gnu
}

booted() {
    root_on_debian || missing "that needs root on Debian"
    packaging/test/run --no-build
}

if root_on_debian; then
    background "what the checks need" checks/prepare.sh
fi
section "tests are compiled" compile
wait_background
background "bans, licences, sources" tree
background "the client for Windows" portable
section "tests: the command of the README" readme
wait_background
section "the page, in Chromium" page
section "fuzzing, short" fuzzing
background "a peer whose host vanishes" vanish
section "the distributed programs and packages" distributed
wait_background
background "the packages on a booted system" booted
section "the program that measures" measuring
section "instructions of a message" instructions
section "monitoring with Prometheus" monitoring
section "a cluster, with kills" cluster
section "TLS, short" tls
section "churn, short" soak
wait_background
section "other servers, short" compare
section "fairness, short" fair
