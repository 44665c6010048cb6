#!/usr/bin/env bash
# Installs and fetches the tools of all.sh and slow.sh, as root on Debian: other servers, tools, a browser, a Debian to boot,
# the public collections of hostile input. It mostly waits for the network, so `.ci/run` runs it while it
# compiles. SIGTERM does not stop it: dpkg must not be stopped halfway.
set -euo pipefail
trap '' TERM
cd "$(dirname "$0")/.."
packages=()
need() { # COMMAND PACKAGE
    command -v "$1" >/dev/null || packages+=("$2")
}
need make make
need g++ g++
need openssl openssl
need python3 python3
need npm npm
need chromium chromium
need certutil libnss3-tools
need prlimit util-linux
need ip iproute2
need nft nftables
need valgrind valgrind
need dpkg-shlibdeps dpkg-dev
need rpm rpm
need git git
python3 -c "import ensurepip" 2>/dev/null || packages+=(python3-venv)
apt-get update -q || echo "the lists of packages are the old ones"
if ((${#packages[@]})); then
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}"
fi
checks/hostile-data.sh
checks/nats-server.sh --prepare
bench/compare --prepare
checks/tls.sh --prepare
packaging/test/run --prepare
