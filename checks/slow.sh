#!/usr/bin/env bash
# The checks that take too long for every change; CONTRIBUTING.md says when to run them.
#
#   checks/slow.sh [NAME...]
#
# Runs the named ones, or all of them: about five hours on two otherwise idle processors.
# As root on Debian: it installs what is missing (prepare.sh). A check that cannot run is a failure. The gate runs
# a short form of each, except for `browsers`, `proxies` and `advisories`; of `rpm` it compares only the lists of files.
#
#   soak        churn for an hour: memory, descriptors, order             TCP_CHAT_SOAK_MINUTES=60
#   fuzz        an hour of fuzzing on each target                         TCP_CHAT_FUZZ_SECONDS=3600
#   tls         testssl.sh in full, and tlsfuzzer
#   fair        one client at full speed, and the delay of the others
#   cluster     the life of a cluster, kills and pauses, partitions, faults, containers   TCP_CHAT_CLUSTER_ROUNDS=30
#               a rolling upgrade, also from an older daemon                  TCP_CHAT_PACKAGE_BEFORE=FILE
#               an hour of all clients                                        TCP_CHAT_CLUSTER_MINUTES=60
#   compare     beside the other servers, three rounds; writes docs/BENCHMARKS.md
#   rpm         the RPM packages, and their contents
#   portable    the client, type-checked for Windows and macOS
#   browsers    the page in Firefox ESR and WebKitGTK
#   proxies     the page behind nginx and Caddy, with the examples of docs/OPERATIONS.md
#   advisories  known vulnerabilities of the dependencies; needs the network, so the gate leaves it out
set -euo pipefail
cd "$(dirname "$0")/.."
source checks/sections.sh
export TCP_CHAT_TEST_ALL=1

soak() {
    python3 checks/soak.py "$programs/tcp-chatd" --minutes "${TCP_CHAT_SOAK_MINUTES:-60}"
}

fuzz() {
    fuzz/run "${TCP_CHAT_FUZZ_SECONDS:-3600}"
}

tls() {
    checks/tls.sh "$programs/tcp-chatd"
}

fair() {
    python3 checks/fair.py "$programs/tcp-chatd"
}

cluster() {
    local nats
    nats=$(checks/nats-server.sh)
    python3 checks/cluster_life.py "$programs/tcp-chatd" "$nats"
    python3 checks/cluster.py "$programs/tcp-chatd" "$nats" --rounds "${TCP_CHAT_CLUSTER_ROUNDS:-30}"
    python3 checks/cluster_people.py "$programs/tcp-chatd" "$programs/tcp-chat-cli" "$nats"
    python3 checks/cluster_net.py "$programs/tcp-chatd" "$nats"
    python3 checks/cluster_faults.py "$programs/tcp-chatd" "$nats"
    cargo build --locked -p tcp-chatd --features cluster,next-behaviour --target-dir target/next
    for old in "$programs/tcp-chatd" ${TCP_CHAT_PACKAGE_BEFORE:+"$TCP_CHAT_PACKAGE_BEFORE"}; do
        python3 checks/cluster_upgrade.py "$old" target/next/debug/tcp-chatd "$nats"
    done
    python3 checks/cluster_soak.py "$programs/tcp-chatd" "$nats" --minutes "${TCP_CHAT_CLUSTER_MINUTES:-60}"
    packaging/build.sh --no-rpm
    packaging/test/run --cluster
}

compare() {
    bench/compare
}

rpm() {
    packaging/build.sh
    python3 packaging/test/rpm.py target/rpm
}

portable() {
    checks/portable.sh
}

browsers() {
    checks/browsers.sh "$programs/tcp-chatd"
}

proxies() {
    checks/proxies.sh "$programs/tcp-chatd"
}

advisories() {
    packaging/tool.sh cargo-deny
    if timeout 120 cargo deny --locked fetch db; then
        cargo deny --locked --offline check advisories
    else
        missing "the advisory database cannot be fetched"
    fi
}

names=("$@")
((${#names[@]})) || names=(soak fuzz tls fair cluster compare rpm portable browsers proxies advisories)
for name in "${names[@]}"; do
    case $name in
    soak | fuzz | tls | fair | cluster | compare | rpm | portable | browsers | proxies | advisories) ;;
    *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 64 ;;
    esac
done
programs=$(packaging/programs.sh --where)
section "what the checks need" checks/prepare.sh
for name in "${names[@]}"; do
    case $name in
    soak | tls | fair | cluster | compare | browsers | proxies)
        section "the distributed programs" packaging/programs.sh --bench
        break
        ;;
    esac
done
for name in "${names[@]}"; do
    section "$name" "$name"
done
