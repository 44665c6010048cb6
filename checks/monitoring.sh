#!/usr/bin/env bash
# Checks metrics and webhook with Prometheus and Alertmanager from Debian: the rules by promtool, a scrape, every
# query of the rules and of the dashboard, and an alert that arrives in a room. Unpacks both into a temporary
# folder, without an installation or a service. Needs Debian's apt and python3, and root unless Alertmanager is
# installed. checks/monitoring.py runs the checks.
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
