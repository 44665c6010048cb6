"""Owns the second half of an operator's story: hangs, kills, own certificates, restarts under load.

Called with a machine on which the packages are installed and the service runs.
"""

import hashlib
import re
import ssl
import threading
import time

from checks import check, wait_for
from install import CONFIG, UNIT, set_key
from wire import Closed, Peer

HOOK = "/usr/share/doc/tcp-chatd/examples/certbot-deploy-hook"


def _restarted(machine, pid, limit):
    return wait_for("another process to be ready",
                    lambda: machine.main_pid() not in (0, pid) and machine.show("ActiveState") == "active", limit)


def _comes_back(machine, cause, strike, limit):
    """Strikes the daemon; the service manager restarts it, and what was said before and after is all there."""
    ana, ben = Peer(machine, "ana"), Peer(machine, "ben")
    ana.say(f"before the {cause}")
    ben.until(f"before the {cause}")
    pid = machine.main_pid()
    strike(pid)
    check(f"{cause}: restarted", _restarted(machine, pid, limit), machine.run(f"systemctl status {UNIT}"))
    token = ana.session
    ana.back()
    check(f"{cause}: the session is resumed", ana.session == token)
    ana.say(f"after the {cause}")
    ben.back()
    ben.until(f"after the {cause}")
    check(f"{cause}: nothing is lost and nothing doubled",
          ben.seen == [f"before the {cause}", f"after the {cause}"], ben.seen)
    ana.quit()
    ben.quit()


def hang(machine):
    """A daemon that hangs is noticed by the watchdog."""
    after = machine.cursor()
    _comes_back(machine, "hang", lambda pid: machine.run(f"kill -STOP {pid}"), 60)
    told = machine.run(f"journalctl --no-pager -o cat --after-cursor '{after}' -u {UNIT}").text
    check("hang: it was the watchdog that noticed", "Watchdog timeout" in told, told)


def kill(machine):
    """SIGKILL."""
    _comes_back(machine, "kill", lambda pid: machine.run(f"kill -KILL {pid}"), 30)


def stop_in_order(machine):
    """SIGTERM tells everyone, and ends well."""
    peer = Peer(machine, "told")
    done = machine.run(f"systemctl stop {UNIT}")
    peer.read_to_the_end()
    check("stop: those who are connected get a SHUTDOWN notice", "SHUTDOWN" in peer.notices, peer.notices)
    result = [machine.show(name) for name in ("Result", "ExecMainStatus", "ActiveState")]
    check("stop: exit 0, in order", done.ok and result == ["success", "0", "inactive"], result)
    machine.run(f"systemctl start {UNIT}")
    peer.back()
    peer.quit()


def own_certificates(machine):
    """A pair as certbot leaves it, handed over by the hook; a broken one changes nothing."""
    good = machine.path(CONFIG).read_text()
    made = machine.run("""set -e
        mkdir -p -m 700 /etc/letsencrypt/live /etc/letsencrypt/live/chat
        cd /etc/letsencrypt/live/chat
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
            -addext subjectAltName=DNS:localhost -keyout privkey.pem -out fullchain.pem 2>/dev/null
        install -m 755 -D """ + HOOK + """ /etc/letsencrypt/renewal-hooks/deploy/tcp-chatd
        RENEWED_LINEAGE=$PWD /etc/letsencrypt/renewal-hooks/deploy/tcp-chatd""")
    set_key(machine, "tls", "certificate", '"/etc/tcp-chatd/tls/fullchain.pem"')
    set_key(machine, "tls", "key", '"/etc/tcp-chatd/tls/privkey.pem"')
    stays = Peer(machine, "stays")
    done = machine.run(f"systemctl reload {UNIT}")
    check("own certificate: the hook hands it over, a reload takes it", made.ok and done.ok, f"{made} {done}")
    check("own certificate: it is what the daemon shows", _shown(machine) == _file(machine), "another one")

    renewed = machine.run("""set -e
        cd /etc/letsencrypt/live/chat
        openssl req -x509 -key privkey.pem -days 60 -subj /CN=localhost -addext subjectAltName=DNS:localhost -out fullchain.pem
        RENEWED_LINEAGE=$PWD /etc/letsencrypt/renewal-hooks/deploy/tcp-chatd""")
    check("own certificate renewed: the hook brings the new one in", renewed.ok and _shown(machine) == _file(machine), renewed)
    shown = _shown(machine)
    machine.run("echo broken > /etc/tcp-chatd/tls/fullchain.pem")
    broken = machine.run(f"systemctl reload {UNIT}")
    check("own certificate broken: the reload fails, and the old one is kept", not broken.ok and _shown(machine) == shown, broken)
    stays.say("and nobody was disconnected")
    check("own certificate: STATUS says what is wrong", re.search(r"(?i)refused|rejected|failed|certificate", machine.show("StatusText")), machine.show("StatusText"))

    # Another one, without a word to the daemon, which looks at the files by itself.
    after = machine.cursor()
    machine.run("""set -e
        cd /etc/letsencrypt/live/chat
        openssl req -x509 -key privkey.pem -days 90 -subj /CN=localhost -addext subjectAltName=DNS:localhost -out fullchain.pem
        install -m 640 -g tcp-chatd fullchain.pem /etc/tcp-chatd/tls/new
        mv /etc/tcp-chatd/tls/new /etc/tcp-chatd/tls/fullchain.pem""")
    replaced = wait_for("the daemon to notice", lambda: any(entry.get("CHAT_EVENT") == "certificate_replaced" for entry in machine.journal("--after-cursor", after)), 150)
    check("own certificate repaired: noticed by itself", replaced and _shown(machine) == _file(machine), machine.show("StatusText"))
    print(f"        STATUS: {machine.show('StatusText')}")
    stays.quit()
    machine.path(CONFIG).write_text(good)
    machine.run(f"rm -r /etc/letsencrypt /etc/tcp-chatd/tls; systemctl restart {UNIT}")


def _shown(machine):
    anyone = ssl.create_default_context()
    anyone.check_hostname = False
    anyone.verify_mode = ssl.CERT_NONE  # only to look at what is shown
    with anyone.wrap_socket(machine.connect()) as tls:
        return hashlib.sha256(tls.getpeercert(binary_form=True)).hexdigest()


def _file(machine):
    first = machine.path("/etc/tcp-chatd/tls/fullchain.pem").read_text()
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first.split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----")).hexdigest()


MESSAGES = 150
RESTARTS = 3


def restart_under_load(machine):
    """With the socket unit, three restarts under load: no connection refused, nothing lost, nothing doubled."""
    moved = machine.run(f"systemctl stop {UNIT} && systemctl enable --now tcp-chatd.socket && systemctl start {UNIT}")
    check("socket unit: enabled, and the daemon takes its socket", moved.ok and machine.show("ActiveState") == "active",
          f"{moved} {machine.run(f'systemctl status {UNIT}')}")
    over = threading.Event()
    faults, connected = [], [0]

    def knock():
        while not over.is_set():
            try:
                machine.connect(limit=30).close()
                connected[0] += 1
            except OSError as error:
                faults.append(error)
            over.wait(0.01)

    def talk(peer):
        try:
            for number in range(MESSAGES):
                peer.say_through(f"{peer.name} {number}")
                over.wait(0.03)
        except Exception as error:  # noqa: BLE001: told by the check
            faults.append(error)

    reader = Peer(machine, "reader")
    talkers = [Peer(machine, f"talker{n}") for n in (1, 2)]
    expected = MESSAGES * len(talkers)

    def listen():
        end = time.monotonic() + 120
        while len(reader.seen) < expected and time.monotonic() < end:
            try:
                reader.read()
            except (Closed, TimeoutError):
                reader.back()

    threads = [threading.Thread(target=knock), threading.Thread(target=listen)]
    threads += [threading.Thread(target=talk, args=(peer,)) for peer in talkers]
    for thread in threads:
        thread.start()
    restarts = []
    for _ in range(RESTARTS):
        time.sleep(1)  # the load runs between two restarts
        restarts.append(machine.run(f"systemctl restart {UNIT}").ok)
    for thread in threads[1:]:
        thread.join(150)
    over.set()
    threads[0].join(60)

    check(f"under load: {RESTARTS} restarts went well", all(restarts), restarts)
    check(f"under load: none of {connected[0]} connections was refused", connected[0] > 50 and not faults, faults[:5])
    each = [[t for t in reader.seen if t.startswith(peer.name + " ")] for peer in talkers]
    whole = [[f"{peer.name} {n}" for n in range(MESSAGES)] for peer in talkers]
    check(f"under load: a reader saw each of {expected} messages once and in order", each == whole, f"{len(reader.seen)} seen")
    check("under load: the reader was told of each restart", reader.notices.count("SHUTDOWN") >= 1, reader.notices)
    for peer in [reader, *talkers]:
        peer.quit()
    back = machine.run(f"systemctl disable --now tcp-chatd.socket; systemctl restart {UNIT}")
    check("and back to its own socket", back.ok, back)
