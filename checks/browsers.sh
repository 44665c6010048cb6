#!/usr/bin/env bash
# The smoke test of the page in Firefox ESR and WebKitGTK, with both hosts: open, enter, send, tick, hear, reload and
# resume, send while the daemon is dead. The gate tests the page in Chromium (web.sh).
#
#   checks/browsers.sh DAEMON
#
# The client, `tcp-chat-cli`, must be beside the daemon's program. As root on Debian it installs what is missing.
# Otherwise it needs npm, firefox-esr, WebKitWebDriver (webkit2gtk-driver), certutil (libnss3-tools) and Xvfb.
# Takes one minute.
set -euo pipefail
daemon=$(realpath "$1")
cd "$(dirname "$0")/../web"
packages=()
need() { # COMMAND PACKAGE
    command -v "$1" >/dev/null || packages+=("$2")
}
need npm npm
need firefox-esr firefox-esr
need WebKitWebDriver webkit2gtk-driver
need certutil libnss3-tools
need Xvfb xvfb
if ((${#packages[@]})); then
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
        echo "browsers.sh: missing: ${packages[*]}" >&2
        exit 1
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}"
fi
npm ci --ignore-scripts --no-audit --no-fund

# A display of its own. It writes its number once it is there.
number=$(mktemp)
Xvfb -displayfd 3 -screen 0 1200x900x24 -nolisten tcp 3>"$number" 2>/dev/null &
display=$!
trap 'kill "$display" 2>/dev/null || true; rm -f "$number"' EXIT
for ((tries = 0; tries < 300; tries++)); do
    [[ ! -s $number ]] || break
    sleep 0.1
done
DISPLAY=:$(cat "$number") TCP_CHATD=$daemon node --test-reporter=spec test/browser/smoke.mjs
