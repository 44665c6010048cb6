"""Owns what docs/OPERATIONS.md tells an operator to do, done as it stands there.

Called with a machine on which the packages are installed and the service runs. Each part leaves the
machine as it was.
"""

import hashlib

from checks import check
from install import CONFIG, STATE, UNIT, set_key
from wire import Closed, Peer

_PAIR = """
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -keyout privkey.pem -out fullchain.pem 2>/dev/null
"""


def _pin(machine):
    return hashlib.sha256(machine.path(f"{STATE}/certs/ca.pem").read_bytes()).hexdigest()


def backup_and_restore(machine):
    """A copy of the running store, and the whole of it lost."""
    peer = Peer(machine, "archivist")
    peer.say("worth keeping")
    done = machine.run(f"""set -e
        mkdir -p /srv/backup
        tcp-chatd backup {STATE}/backup.db
        install -m 600 {STATE}/backup.db /srv/backup/chat.db
        rm {STATE}/backup.db
        tar -C / -czf /srv/backup/settings.tar.gz etc/tcp-chatd var/lib/tcp-chatd/certs""")
    check("backup: the running store is copied", done.ok, done)
    refused = machine.run("tcp-chatd backup /srv/backup/direct.db")
    check("backup: where the daemon may not write, it fails and says so", not refused.ok and "/srv/backup" in refused.text, refused)
    pin = _pin(machine)
    peer.quit()
    lost = machine.run(f"""set -e
        systemctl stop {UNIT}
        rm -rf {STATE}/* {CONFIG}
        install -m 600 -o tcp-chatd -g tcp-chatd /srv/backup/chat.db {STATE}/chat.db
        tar -C / -xzf /srv/backup/settings.tar.gz
        chown -R tcp-chatd:tcp-chatd {STATE}
        tcp-chatd check
        systemctl start {UNIT}""")
    check("restore: everything was lost, and it starts again", lost.ok, lost)
    told = machine.run("tcp-chat-cli history --limit 5", user="ana")
    check("restore: the same authority, the message is there", _pin(machine) == pin and "worth keeping" in told.text, told)
    machine.run("rm -r /srv/backup")


def moving_the_authority(machine):
    """The authority's two files alone, on a machine that had another one."""
    pin = _pin(machine)
    moved = machine.run(f"""set -e
        systemctl stop {UNIT}
        tar -C {STATE} -cf /root/ca.tar certs/ca.pem certs/ca.key
        rm -f {STATE}/certs/*
        systemctl start {UNIT}
        systemctl stop {UNIT}""")
    check("a new machine has an authority of its own", moved.ok and _pin(machine) != pin, moved)
    moved = machine.run(f"""set -e
        rm -f {STATE}/certs/*
        tar -C {STATE} -xf /root/ca.tar
        rm /root/ca.tar
        chown tcp-chatd:tcp-chatd {STATE}/certs/*
        chmod 644 {STATE}/certs/ca.pem
        chmod 600 {STATE}/certs/ca.key
        systemctl start {UNIT}""")
    check("the moved authority's two files are enough to start", moved.ok and _pin(machine) == pin, moved)
    peer = Peer(machine, "trusting")
    peer.say("verified by the authority that moved")
    peer.quit()

    machine.run(f"systemctl stop {UNIT}; mv {STATE}/certs/ca.key /root/")
    started = machine.run(f"systemctl start {UNIT}")
    told = machine.run(f"journalctl -u {UNIT} -n 20 --no-pager -o cat").text
    check("with its key missing, the daemon refuses to start and names the file", not started.ok and "ca.key" in told and _pin(machine) == pin, told)
    back = machine.run(f"mv /root/ca.key {STATE}/certs/ && systemctl start {UNIT}")
    check("with the key back it starts", back.ok, back)


def by_hand(machine):
    """Commands that root runs beside the daemon."""
    peer = Peer(machine, "listener")
    said = machine.run("tcp-chatd say 'back in five minutes'")
    while not peer.notices:
        peer.read()
    check("say: reaches everyone", said.ok, said)

    line = machine.run("tcp-chatd invite --room lobby 2>/dev/null").text.strip()
    # The host's name of this machine is in no name service: the address stands in for it.
    host = line.partition("tcps://")[2].partition(":")[0].partition("/")[0]
    machine.run(f"grep -qw '{host}' /etc/hosts || echo '127.0.0.1 {host}' >> /etc/hosts")
    joined = machine.run(f"{line.partition(' ')[0]} '{line.partition(' ')[2]}' send 'by invitation'", user="ben")
    check("invite: the line joins, as it stands", line.startswith("tcp-chat-cli tcps://") and joined.ok, f"{line}\n{joined}")
    peer.until("by invitation")

    renewed = machine.run("tcp-chatd cert renew")
    strangers = machine.run(f"find {STATE} ! -user tcp-chatd").text.strip()
    check("cert renew by root: done, and the files are still the daemon's", renewed.ok and not strangers, f"{renewed}\n{strangers}")
    reloaded = machine.run(f"systemctl reload {UNIT}")
    peer.say("nobody was disconnected")
    check("and a reload takes it", reloaded.ok, reloaded)

    kicked = machine.run("tcp-chatd kick listener")
    try:
        while True:
            peer.read()
    except Closed:
        pass
    check("kick: ends the session", kicked.ok and "KICKED" in peer.notices, f"{kicked} {peer.notices}")
    stopped = machine.run(f"systemctl stop {UNIT}; tcp-chatd status")
    check("status with no daemon: exit 69, and says so", stopped.code == 69 and "no daemon" in stopped.text, stopped)
    as_daemon = machine.run("runuser -u tcp-chatd -- tcp-chatd check")
    check("check as the daemon's user opens the store, too", as_daemon.ok and as_daemon.text.count("fine") >= 2, as_daemon)
    machine.run(f"systemctl start {UNIT}")


def credentials(machine):
    """A pair that only root may read, handed over by systemd."""
    good = machine.path(CONFIG).read_text()
    drop_in = machine.path(f"/etc/systemd/system/{UNIT}.d/override.conf")
    made = machine.run("mkdir -m 700 /root/pair && cd /root/pair && " + _PAIR.strip() + f" && mkdir -p /etc/systemd/system/{UNIT}.d")
    drop_in.write_text("[Service]\nLoadCredential=server.pem:/root/pair/fullchain.pem\nLoadCredential=server.key:/root/pair/privkey.pem\n")
    set_key(machine, "tls", "certificate", '"$CREDENTIALS_DIRECTORY/server.pem"')
    set_key(machine, "tls", "key", '"$CREDENTIALS_DIRECTORY/server.key"')
    done = machine.run(f"systemctl daemon-reload && systemctl restart {UNIT}")
    shown = machine.run("openssl s_client -connect 127.0.0.1:3000 -CAfile /root/pair/fullchain.pem -verify_return_error -brief </dev/null")
    check("LoadCredential: a pair for root alone is handed over", made.ok and done.ok and "Verification: OK" in shown.text, f"{made} {done} {shown}")
    reloaded = machine.run(f"systemctl reload {UNIT}")
    check("LoadCredential: a reload finds it, too", reloaded.ok, reloaded)
    machine.path(CONFIG).write_text(good)
    machine.run(f"rm -r /root/pair /etc/systemd/system/{UNIT}.d; systemctl daemon-reload; systemctl restart {UNIT}")
