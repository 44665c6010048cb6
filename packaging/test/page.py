"""Owns the operator's story of the page: certbot's hook, `[web]`, the socket unit on port 443, a renewal.

Called with a machine on which the packages are installed and the service runs.
"""

import hashlib
import ssl

from checks import check, wait_for
from install import CONFIG, UNIT, set_key
from life import HOOK
from wire import Peer

SOCKET = "tcp-chatd-web.socket"
LIVE = "/etc/letsencrypt/live/chat"
UPGRADE = ("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: tcp-chat.1\r\n")


def _visit(machine, path="/", host="localhost", more="", limit=30):
    """The status line and the rest of an answer of the page, and the SHA-256 of the certificate."""
    anyone = ssl.create_default_context()
    anyone.check_hostname = False
    anyone.verify_mode = ssl.CERT_NONE  # only to look at what is shown
    with anyone.wrap_socket(machine.connect(443, limit=limit), server_hostname="localhost") as tls:
        tls.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode())
        answer = tls.recv(65536).decode()
        shown = hashlib.sha256(tls.getpeercert(binary_form=True)).hexdigest()
    first, _, rest = answer.partition("\r\n")
    return first, rest, shown


def _issue(machine, days):
    """What certbot does at an issue and at each renewal: new files, then the hook."""
    done = machine.run(f"""set -e
        mkdir -p -m 700 /etc/letsencrypt/live {LIVE}
        cd {LIVE}
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days {days} -subj /CN=localhost \
            -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:localhost -keyout privkey.pem -out fullchain.pem 2>/dev/null
        install -m 755 -D {HOOK} /etc/letsencrypt/renewal-hooks/deploy/tcp-chatd
        RENEWED_LINEAGE=$PWD /etc/letsencrypt/renewal-hooks/deploy/tcp-chatd""")
    file = machine.run(f"openssl x509 -in {LIVE}/fullchain.pem -outform DER | sha256sum").text.split()[0]
    return done, file


def page(machine):
    """The page as docs/OPERATIONS.md sets it up, on port 443."""
    good = machine.path(CONFIG).read_text()
    done, file = _issue(machine, 30)
    check("page: the hook hands the pair over", done.ok, done)
    set_key(machine, "web", "certificate", '"/etc/tcp-chatd/tls/fullchain.pem"')
    set_key(machine, "web", "key", '"/etc/tcp-chatd/tls/privkey.pem"')
    after = machine.cursor()
    moved = machine.run(f"""set -e
        mkdir -p /etc/systemd/system/{SOCKET}.d
        printf '[Socket]\\nListenStream=\\nListenStream=443\\n' >/etc/systemd/system/{SOCKET}.d/override.conf
        systemctl daemon-reload
        systemctl stop {UNIT}
        systemctl enable --now {SOCKET}
        systemctl start {UNIT}""")
    check("page: the daemon takes the socket of the page", moved.ok and machine.show("ActiveState") == "active",
          f"{moved} {machine.run(f'systemctl status {UNIT}')}")
    told = [entry.get("CHAT_ORIGIN") for entry in machine.journal("--after-cursor", after) if entry.get("CHAT_EVENT") == "web_listening"]
    check("page: the log has the address to open", told == ["https://localhost"], told)
    first, rest, shown = _visit(machine)
    check("page: it is there, with the certificate of the hook", " 200 " in first and "app.js" in rest and shown == file, f"{first} {rest}")
    first, _, _ = _visit(machine, host="evil.example")
    check("page: not under another name", " 421 " in first, first)
    first, _, _ = _visit(machine, "/ws", more="Origin: https://localhost\r\n" + UPGRADE)
    check("page: it gets its WebSocket", " 101 " in first, first)
    first, _, _ = _visit(machine, "/ws", more="Origin: https://evil.example\r\n" + UPGRADE)
    check("page: another site does not", " 403 " in first, first)
    peer = Peer(machine, "line")
    peer.say("the chat has a socket of its own, which the daemon opened itself")

    renewed, file = _issue(machine, 60)
    _, _, shown = _visit(machine)
    check("page: a renewal by the hook is in use at once", renewed.ok and shown == file, renewed)
    peer.say("and nobody was disconnected")
    peer.quit()

    stopped = machine.run(f"systemctl stop {UNIT}")
    first, _, _ = _visit(machine)
    check("page: a visit while the daemon is stopped starts it and is served", stopped.ok and " 200 " in first, f"{stopped} {first}")

    machine.path(CONFIG).write_text(good)
    machine.run("rm -r /etc/letsencrypt")
    refused = machine.run(f"systemctl restart {UNIT}")
    check("page: with the socket and without a certificate the start says what to do",
          not refused.ok and wait_for("the reason", lambda: "web.certificate" in machine.run(f"journalctl -o cat -n 20 -u {UNIT}").text, 30), refused)
    back = machine.run(f"systemctl disable --now {SOCKET}; rm -r /etc/systemd/system/{SOCKET}.d /etc/tcp-chatd/tls; systemctl daemon-reload; "
                       f"systemctl reset-failed {UNIT}; systemctl restart {UNIT}")
    check("page: and off again", back.ok, back)
