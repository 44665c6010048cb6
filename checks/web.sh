#!/usr/bin/env bash
# Checks the page: its types and unit tests, that web/dist equals the build of the sources, and the page in Chromium
# with a running daemon: over the bridge (which can lose lines), with `tcp-chat-cli web`, and with the daemon's own host
# over HTTPS. The CA is in an NSS database of a throwaway home folder.
#
#   checks/web.sh DAEMON
#
# The client, `tcp-chat-cli`, must be beside the daemon's program: it is one of the page's two hosts.
# Needs npm (Node 20 or newer; 18 works), chromium, certutil (libnss3-tools), openssl and script. Takes four minutes.
set -euo pipefail
daemon=$(realpath "$1")
cd "$(dirname "$0")/../web"
npm ci --ignore-scripts --no-audit --no-fund
npm run check
npm test
npm run verify
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
export TCP_CHATD=$daemon CHROMIUM=$chromium
npm run test:browser
HOST=daemon npm run test:browser
