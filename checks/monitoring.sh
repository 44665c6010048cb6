#!/usr/bin/env bash
# Metrics and the way in for machines, with a real Prometheus and a real Alertmanager from Debian: the rules by promtool, a scrape, every
# query of the rules and of the dashboard, and an alert that arrives in a room. They are unpacked into a folder that is removed again,
# not installed: nothing of them is left, and no service is started. Needs Debian's apt and python3, and root unless Alertmanager is
# installed. checks/monitoring.py does it.
#
#     checks/monitoring.sh [FOLDER WITH tcp-chatd AND tcp-chat-cli]
set -euo pipefail
cd "$(dirname "$0")/.."
binaries=${1:-}
if [[ -z $binaries ]]; then
    packaging/programs.sh
    binaries=$(packaging/programs.sh --where)
fi
binaries=$(realpath "$binaries")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fetched=$work/fetched
mkdir "$fetched"
for package in prometheus prometheus-alertmanager; do
    (cd "$fetched" && apt-get -o APT::Sandbox::User=root download -q "$package" >/dev/null) || {
        echo "$package cannot be downloaded; apt-get update may help" >&2
        exit 1
    }
done
for package in "$fetched"/*.deb; do
    dpkg-deb --extract "$package" "$work/root"
done
# Debian's Alertmanager reads its templates from there and nowhere else.
templates=/usr/share/prometheus/alertmanager
if [[ ! -e $templates ]]; then
    trap 'rm -f "$templates"; rmdir --ignore-fail-on-non-empty "${templates%/*}"; rm -rf "$work"' EXIT
    mkdir -p "${templates%/*}"
    ln -s "$work/root$templates" "$templates"
fi
timeout --foreground --kill-after=10 300 python3 checks/monitoring.py "$binaries" "$work/root/usr/bin" "$work"
