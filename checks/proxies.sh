#!/usr/bin/env bash
# The examples of docs/OPERATIONS.md for nginx and Caddy in front of the page, run as they are written: the page and its
# headers, the WebSocket, Host and Origin, kill -9 in between, and what happens to the limits per address.
#
#   checks/proxies.sh DAEMON
#
# As root on Debian it installs what is missing. Otherwise it needs npm, chromium, nginx and caddy. Takes one minute.
set -euo pipefail
daemon=$(realpath "$1")
cd "$(dirname "$0")/../web"
packages=()
need() { # COMMAND PACKAGE
    [[ -x /usr/sbin/$1 ]] || command -v "$1" >/dev/null || packages+=("$2")
}
need npm npm
need chromium chromium
need nginx nginx-light
need caddy caddy
if ((${#packages[@]})); then
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
        echo "proxies.sh: missing: ${packages[*]}" >&2
        exit 1
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}"
fi
npm ci --ignore-scripts --no-audit --no-fund
PATH=$PATH:/usr/sbin TCP_CHATD=$daemon CHROMIUM=$(command -v chromium) node --test-reporter=spec test/browser/proxies.mjs
