"""Owns what docs/OPERATIONS.md tells an operator to do, done as it stands there.

Called with a machine on which the packages are installed and the service runs. Each part leaves the
machine as it was.
"""

import hashlib
import json

from checks import check, wait_for
from install import CONFIG, STATE, UNIT, set_key
from wire import Closed, Peer, Refused

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


def _json(machine, command):
    """What `tcp-chatd COMMAND --json` prints, one value a line; None if it failed or printed something else."""
    done = machine.run(f"tcp-chatd {command} --json")
    try:
        return [json.loads(line) for line in done.text.splitlines()] if done.ok else None
    except ValueError:
        return None


def _refusal(attempt):
    """By which kind it was refused; None: it was not."""
    try:
        attempt()
    except Refused as refused:
        return refused.kind
    return None


def _is_cut(peer):
    try:
        while True:
            peer.read()
    except Closed:
        return True


def keeping_order(machine):
    """Each command of the control socket, for people and as JSON, with its exit code."""
    ana, mallory = Peer(machine, "ana"), Peer(machine, "mallory", rooms=["lobby", "board"])
    for command, rows in (("who", {"ana", "mallory"}), ("rooms", {"lobby", "board"})):
        shown, found = machine.run(f"tcp-chatd {command}"), _json(machine, command)
        there = {row.get("user", row.get("room")) for row in found or ()}
        check(f"{command}: a table, and as JSON", shown.ok and all(row in shown.text for row in rows) and rows <= there, f"{shown}\n{found}")
    nobody = machine.run("tcp-chatd kick nobody-here")
    check("kick of nobody: exit 70, and why", nobody.code == 70 and "nobody-here" in nobody.text, nobody)
    wrong = machine.run("tcp-chatd ban mallory --for soon")
    check("a wrong command line: exit 64", wrong.code == 64, wrong)

    _mute_and_ban(machine, ana, mallory)
    _rooms_and_roles(machine, ana)
    _users_and_certificates(machine)
    _level_of_the_log(machine, ana)
    _drain(machine, ana)


def _mute_and_ban(machine, ana, mallory):
    muted = _json(machine, "mute mallory --for 1h --reason caps")
    check("mute --json: says until when", muted and muted[0].get("until"), muted)
    check("mute: what the muted says is refused", _refusal(lambda: mallory.say("AAA")) == "FORBIDDEN")
    listed = machine.run("tcp-chatd mute list")
    check("mute list: has it, for people and as JSON", "mallory" in listed.text and _json(machine, "mute list"), listed)
    unmuted = machine.run("tcp-chatd unmute mallory")
    check("unmute: may speak again", unmuted.ok and mallory.say("aaa"), unmuted)
    twice = machine.run("tcp-chatd unmute mallory")
    check("unmute once more: exit 70, and why", twice.code == 70 and "not muted" in twice.text, twice)

    banned = machine.run("tcp-chatd ban mallory --for 7d --reason spam")
    check("ban: cut at once, and told", banned.ok and _is_cut(mallory) and "KICKED" in mallory.notices, f"{banned} {mallory.notices}")
    machine.run(f"systemctl restart {UNIT}")
    ana.back()
    check("ban: holds over a restart", _refusal(lambda: Peer(machine, "mallory")) == "FORBIDDEN")
    listed, found = machine.run("tcp-chatd ban list"), _json(machine, "ban list")
    check("ban list: has it with its reason", "mallory" in listed.text and found and found[0].get("reason") == "spam", f"{listed}\n{found}")
    unbanned = _json(machine, "unban mallory")
    check("unban --json: done", unbanned and _json(machine, "ban list") == [], unbanned)
    Peer(machine, "mallory").quit()

    by_address = machine.run("tcp-chatd ban 127.0.0.1 --for 1h")
    check("ban of an address: who is there is cut", by_address.ok and _is_cut(ana), by_address)
    try:
        Peer(machine, "late")
        let_in = True
    except OSError:
        let_in = False
    check("ban of an address: nobody from there is let in", not let_in)
    machine.run("tcp-chatd unban 127.0.0.1")
    ana.session = None  # the ban ended it
    ana.login()


def _rooms_and_roles(machine, ana):
    hidden = machine.run("tcp-chatd room set board private")
    refused = _refusal(lambda: ana.ask("JOIN", {"room": "board"}))
    check("room set private: who is granted nothing does not come in", hidden.ok and refused == "NO_SUCH_ROOM", f"{hidden} {refused}")
    granted = machine.run("tcp-chatd grant ana owner --room board")
    listed, found = machine.run("tcp-chatd grant list"), _json(machine, "grant list")
    is_listed = "owner" in listed.text and found and found[0] == found[0] | {"user": "ana", "role": "owner", "room": "board"}
    check("grant: stands in the list, for people and as JSON", granted.ok and is_listed, f"{granted}\n{listed}\n{found}")
    taken = _json(machine, "grant ana none --room board")
    check("grant none --json: it is gone", taken and _json(machine, "grant list") == [], taken)
    public = _json(machine, "room set board public")
    check("room set public --json: everyone comes in again", public and not _refusal(lambda: ana.ask("JOIN", {"room": "board"})), public)

    shown, lines = machine.run("tcp-chatd audit"), _json(machine, "audit --limit 200")
    did = {line.get("did") for line in lines or ()}
    check("audit: has all of that, by whom", {"mute", "ban", "unban", "grant"} <= did and all(line.get("uid") == 0 for line in lines), f"{did} {lines}")
    check("audit: a table for people", shown.ok and "operator (uid 0)" in shown.text, shown)


def _users_and_certificates(machine):
    good = machine.path(CONFIG).read_text()
    added = machine.run("tcp-chatd user add gil --room board 2>/dev/null")
    check("user add: prints a line to join by", added.ok and added.text.startswith("tcps://gil:") and "/board#" in added.text, added)
    again = machine.run("tcp-chatd user add gil")
    check("user add of one who is there: exit 70, and why", again.code == 70 and "gil" in again.text, again)
    listed, found = machine.run("tcp-chatd user list"), _json(machine, "user list")
    gil = [user for user in (found or [{}])[0].get("users", ()) if user["user"] == "gil"]
    check("user list: for people and as JSON", listed.ok and "gil" in listed.text and gil and gil[0]["join_until"], f"{listed}\n{found}")
    other = machine.run("tcp-chatd user password gil 2>/dev/null")
    check("user password: prints another line", other.ok and "tcps://gil:" in other.text and other.text != added.text, other)

    set_key(machine, "tls", "client_auth", '"optional"')
    done = machine.run(f"systemctl reload {UNIT} && tcp-chatd cert issue gil --out /root")
    shown = machine.run("openssl verify -CAfile " + f"{STATE}/certs/ca.pem /root/gil.pem && stat -c %a /root/gil.key")
    check("cert issue: a pair of the own authority, its key for root alone", done.ok and shown.ok and shown.text.split()[-1] == "600", f"{done} {shown}")
    revoked = machine.run("tcp-chatd cert revoke /root/gil.pem")
    check("cert revoke: done", revoked.ok and "revoked: 1" in revoked.text, revoked)
    again = machine.run("tcp-chatd cert issue gil --out /root")
    check("cert issue over files that are there: refused", again.code == 74 and "not overwritten" in again.text, again)
    show = machine.run("tcp-chatd cert show")
    pin = machine.run(f"openssl x509 -in {STATE}/certs/ca.pem -outform DER | sha256sum").text.split()[0]
    check("cert show: names, end and pin", show.ok and "localhost" in show.text and "until" in show.text and pin in show.text, show)
    removed = machine.run("tcp-chatd user remove gil")
    check("user remove: gone", removed.ok and "gil" not in machine.run("tcp-chatd user list").text, removed)
    check("user remove of nobody: exit 70", machine.run("tcp-chatd user remove gil").code == 70)
    machine.path(CONFIG).write_text(good)
    machine.run(f"rm /root/gil.*; systemctl reload {UNIT}")


def _level_of_the_log(machine, ana):
    def debug(after):
        return [entry for entry in machine.journal("--after-cursor", after) if entry["PRIORITY"] == "7"]

    after = machine.cursor()
    _refusal(lambda: ana.ask("JOIN", {"room": "no room"}, "quiet"))
    check("at the usual level the journal has nothing of what peers do", not debug(after), debug(after))
    more = machine.run("tcp-chatd log info,tcp_chatd::refused=debug")
    _refusal(lambda: ana.ask("JOIN", {"room": "no room"}, "waltz-7"))
    found = wait_for("the line", lambda: machine.run("journalctl -u tcp-chatd CHAT_EVENT=refused CHAT_ID=waltz-7 -o cat -q").text, 10)
    check("log: the id of a client's error finds its line in the journal", more.ok and found and "NAME_INVALID" in found, f"{more} {found}")
    machine.run("tcp-chatd log debug")
    Peer(machine, "debugged").quit()
    check("log debug: the journal has it", wait_for("debug lines", lambda: any("debugged" in str(e) for e in debug(after)), 10), debug(after)[-3:])
    bad = machine.run("tcp-chatd log loud")
    check("log with no level: exit 70, and which there are", bad.code == 70 and "debug" in bad.text, bad)
    machine.run(f"systemctl reload {UNIT}")
    after = machine.cursor()
    Peer(machine, "unseen").quit()
    check("the next reload ends it", not debug(after), debug(after))


def _drain(machine, ana):
    restarts = machine.show("NRestarts")
    drained = machine.run("tcp-chatd drain")
    check("drain: everyone is told, and cut in order", drained.ok and _is_cut(ana) and "SHUTDOWN" in ana.notices, f"{drained} {ana.notices}")
    ended = wait_for("its end", lambda: machine.show("ActiveState") == "inactive", 30)
    result = [machine.show(name) for name in ("Result", "ExecMainStatus", "NRestarts")]
    check("drain: ended well, and not started again", ended and result == ["success", "0", restarts], result)
    for command in ("who", "kick ana", "drain", "log debug", "user list"):
        absent = machine.run(f"tcp-chatd {command}")
        check(f"{command} with no daemon: exit 69", absent.code == 69, absent)
    started = machine.run(f"systemctl start {UNIT}")
    ana.back()
    check("started again, the session goes on", started.ok and ana.say("here again"), started)
    ana.quit()
