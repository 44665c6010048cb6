#!/usr/bin/env bash
# Checks the daemon's TLS with other tools: testssl.sh, with TLS 1.2 allowed, so that every possible handshake is
# checked, and tlsfuzzer's scripts for TLS 1.3.
#
#   checks/tls.sh [--short] DAEMON
#   checks/tls.sh --prepare
#
# It fails on a finding of testssl.sh that is rated LOW or worse and is not listed below. It also fails if the
# daemon answers tlsfuzzer with neither the expected reply nor a refusal. About three minutes. --short leaves out
# tlsfuzzer, and testssl.sh's tests of cipher lists, forward secrecy and known attacks. Every call installs
# testssl.sh if it is missing (as root, with apt-get); --prepare does only that. tlsfuzzer comes from the folder
# that TLSFUZZER names, or from its repository by git. A half without its tool is skipped; with
# TCP_CHAT_TEST_ALL=1 that is a failure. Servers run on loopback and end with the script.
set -euo pipefail
short=
case ${1:-} in
--short) short=yes; shift ;;
esac
[[ ${1:-} == --prepare ]] || daemon=$(realpath "${1:?the daemon}")
cd "$(dirname "$0")/.."
work=$(mktemp -d)
pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; rm -rf "$work"' EXIT

missing() {
    echo "skipped: $*"
    [[ -z ${TCP_CHAT_TEST_ALL:-} ]] || exit 1
}

# Starts the daemon with settings from standard input, in the folder $1; its port is then in $port.
serve() {
    mkdir -p "$1"
    { cat; printf '%s\n' 'listen.address = "127.0.0.1:0"' 'history.path = ":memory:"' 'log.format = "json"' \
        'limits.handshakes_per_second = 0'; } >"$1/config.toml"
    (cd "$1" && exec "$daemon" >/dev/null 2>log) &
    pids+=($!)
    for _ in $(seq 100); do
        grep -q '"event":"ready"' "$1/log" 2>/dev/null && break
        sleep 0.1
    done
    port=$(sed -n 's/.*"address":"127\.0\.0\.1:\([0-9]*\)".*/\1/p' "$1/log" | head -n 1)
}

testssl=$(command -v testssl || command -v testssl.sh || true)
if [[ -z $testssl && $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    apt-get install -q -y --no-install-recommends testssl.sh bind9-host >/dev/null || true
    testssl=$(command -v testssl || true)
fi
[[ ${1:-} != --prepare ]] || exit 0
if [[ -n $testssl ]]; then
    serve "$work/old" <<<'tls.min_version = "1.2"'
    # Protocols, server's preferences, certificate; in full also ciphers, forward secrecy and known attacks.
    looks=(-p -P -S)
    [[ -n $short ]] || looks+=(-s -f -U)
    timeout --foreground 900 "$testssl" --quiet --warnings off --color 0 --add-ca "$work/old/certs/ca.pem" \
        "${looks[@]}" --jsonfile "$work/old.json" "localhost:$port" >"$work/old.txt" 2>&1 || true
    serve "$work/new" </dev/null
    timeout --foreground 300 "$testssl" --quiet --warnings off --color 0 -p --jsonfile "$work/new.json" \
        "localhost:$port" >"$work/new.txt" 2>&1 || true
    python3 - "$work" <<'END'
import json, sys
folder = sys.argv[1]
# Findings that are no fault here, with the reason.
FINE = {
    "cert_revocation": "a private CA has neither CRL nor OCSP; its leaf lives 90 days, and clients pin the CA",
    "DNS_CAArecord": "the name is localhost",
}
rated = {"LOW", "MEDIUM", "HIGH", "CRITICAL", "FATAL"}
found = {f["id"]: f for f in json.loads(open(folder + "/old.json").read(), strict=False)}
assert found["scanTime"]["severity"] == "INFO", found["scanTime"]  # a scan that was interrupted says WARN
bad = [f for f in found.values() if f["severity"] in rated and f["id"] not in FINE]
for f in found.values():
    if f["severity"] in rated:
        print(f["severity"], f["id"], f["finding"], "(" + FINE.get(f["id"], "A FAULT") + ")")
for version, offered in [("SSLv2", 0), ("SSLv3", 0), ("TLS1", 0), ("TLS1_1", 0), ("TLS1_2", 1), ("TLS1_3", 1)]:
    said = found[version]["finding"]
    assert said.startswith("offered") == bool(offered), (version, said)
fresh = {f["id"]: f["finding"] for f in json.loads(open(folder + "/new.json").read(), strict=False)}
assert fresh["scanTime"].isdigit(), fresh["scanTime"]
assert fresh["TLS1_3"].startswith("offered") and not fresh["TLS1_2"].startswith("offered"), fresh
for wanted in ("secure_renego", "secure_client_renego", "CRIME_TLS", "heartbleed", "robot", "ticketbleed"):
    if wanted in found:
        print(found[wanted]["severity"], wanted, found[wanted]["finding"])
print("testssl.sh: %d findings, %d at fault" % (len(found), len(bad)))
sys.exit(bool(bad))
END
else
    missing "testssl.sh is not installed, and cannot be without root and apt-get"
fi

if [[ -n $short ]]; then
    echo "passed"
    exit 0
fi
fuzzer=${TLSFUZZER:-}
if [[ -z $fuzzer ]]; then
    GIT_TERMINAL_PROMPT=0 timeout 60 git clone -q --depth 1 https://github.com/tlsfuzzer/tlsfuzzer "$work/tlsfuzzer" 2>/dev/null && fuzzer=$work/tlsfuzzer
fi
if [[ -n $fuzzer ]] && python3 -m venv "$work/venv" && "$work/venv/bin/pip" install -q "tlslite-ng==0.9.0b2"; then
    # Its scripts offer RSA alone.
    mkdir "$work/rsa"
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/rsa/key.pem" -out "$work/rsa/cert.pem" -days 60 \
        -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null
    serve "$work/rsa" <<<$'tls.certificate = "cert.pem"\ntls.key = "key.pem"'
    failed=0
    # Why not the other 30: docs/SECURITY-MODEL.md. ccs: ChangeCipherSpec where it may and may not be; 0rtt-garbage: early data; hrr: a second hello; and so on.
    for script in ccs conversation count-tickets hrr invalid-ciphers keyupdate large-number-of-extensions nociphers \
        record-padding unencrypted-alert finished finished-plaintext 0rtt-garbage empty-alert zero-content-type \
        zero-length-data keyshare-omitted crfg-curves ecdhe-curves ecdhe-brainpool-curves ffdhe-groups ffdhe-sanity \
        psk_ke psk_dhe_ke symetric-ciphers unrecognised-groups version-negotiation; do
        (cd "$fuzzer" && PYTHONPATH=. timeout 60 "$work/venv/bin/python" "scripts/test-tls13-$script.py" \
            -h localhost -p "$port") >"$work/$script.out" 2>&1 || true
        # Any alert counts as a refusal: rustls and OpenSSL sometimes choose different ones.
        python3 - "$script" "$work/$script.out" <<'END' || failed=1
import re, sys
script, text = sys.argv[1], open(sys.argv[2]).read()
total, passed = (re.search(r"^%s: *(\d+)" % word, text, re.M) for word in ("TOTAL", "PASS"))
if not total:
    sys.exit(f"{script}: it did not run to its end: {text[-300:]}")
faults = re.findall(r"^\w*Error: .*", text, re.M)
other = [f for f in faults if not re.search(
    r"Expected alert description|Unexpected closure|Alert\(fatal|reset by peer|Broken pipe|timed out|Timeout when waiting", f)]
waits = [f for f in faults if "Timeout when waiting" in f]
if script == "keyupdate":
    # A KeyUpdate is answered before the next data (RFC 8446, 4.6.3); one conversation has none, and waits for it.
    waits = waits[1:]
    # Messages before the fault may be answered before the alert comes.
    other = [f for f in other if "ApplicationData" not in f]
print(f"tlsfuzzer {script}: {total[1]} conversations, {passed[1]} as expected, "
      f"{int(total[1]) - int(passed[1])} refused by another alert or a close")
sys.exit("\n".join(other + waits) if other or waits else 0)
END
    done
    [[ $failed == 0 ]] || { echo "tlsfuzzer found something"; exit 1; }
else
    missing "tlsfuzzer cannot be had; set TLSFUZZER to its folder"
fi
echo "passed"
