"""Owns the first half of an operator's story: install, chat, what others may read, reload, a bad file.

Called with a fresh machine; leaves the packages installed and the service running.
"""

import json
import re
import stat

from checks import check, wait_for
from wire import Peer, Refused

CONFIG = "/etc/tcp-chatd/config.toml"
STATE = "/var/lib/tcp-chatd"
UNIT = "tcp-chatd.service"


def install(machine, debs):
    """Installs both packages by apt; everything that they need is there, so no network is used."""
    for deb in debs:
        target = machine.path(f"/root/{deb.name}")
        target.write_bytes(deb.read_bytes())
    names = " ".join(f"/root/{deb.name}" for deb in debs)
    return machine.run(
        f"DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold {names}"
    )


def fresh(machine, debs):
    """A first installation: works at once, and opens nothing to the network."""
    done = install(machine, debs)
    check("apt installs both packages", done.ok, done)
    check("no maintainer script complained", not re.search(r"(?i)\b(warning|error|failed)\b", done.text), done)
    state = machine.run(f"systemctl is-active {UNIT}; systemctl is-enabled {UNIT}; systemctl is-enabled tcp-chatd.socket")
    check("the service is active and enabled, the socket unit is not", state.text.split() == ["active", "enabled", "disabled"], state)
    check("READY came by notify, from the main process", (machine.show("Type"), machine.show("NotifyAccess")) == ("notify", "main"))

    listening = machine.run("ss -Hltn").text
    addresses = {line.split()[3] for line in listening.splitlines()}
    check("it listens on loopback and nowhere else", addresses == {"127.0.0.1:3000"}, listening)

    version = machine.run("tcp-chatd --version; tcp-chat-cli --version")
    check("both programs say their version", version.ok and version.text.count("0.1.0") >= 2, version)
    checked = machine.run(f"tcp-chatd --config {CONFIG} check")
    check("`tcp-chatd check` finds nothing wrong", checked.ok, checked)
    effective = machine.run(f"tcp-chatd --config {CONFIG} config")
    paths = (f"{STATE}/certs", f"{STATE}/chat.db", "/run/tcp-chatd/control.sock")
    check("the settings name the installed system's paths", effective.ok and all(path in effective.text for path in paths), effective)
    strangers = machine.run(f"find {STATE} ! -user tcp-chatd")
    check("`check`, run by root beside the daemon, left nothing of root's in the state", strangers.ok and not strangers.text.strip(), strangers)
    first = machine.run("tcp-chatd config")
    check("without --config the installed file is found", first.text == effective.text, first)


def ready_means_ready(machine):
    """READY is said only when a connection is served."""
    refused = 0
    for _ in range(5):
        machine.run(f"systemctl stop {UNIT}")
        started = machine.run(f"systemctl start {UNIT}")
        try:
            Peer(machine, "early").quit()
        except OSError:
            refused += 1
        refused += not started.ok
    check("five times: served the moment that `systemctl start` returns", refused == 0, refused)


def status_and_journal(machine):
    """What an operator sees."""
    before = machine.show("StatusText")
    with_one = Peer(machine, "counted")
    text = wait_for("STATUS to count a connection", lambda: (t := machine.show("StatusText")) != before and t, 15)
    check("STATUS says something, with live counts", before and text and re.search(r"\d", text), f"{before!r} {text!r}")
    with_one.quit()
    entries = machine.journal()
    own = [e for e in entries if e.get("_COMM") == "tcp-chatd" and e["_TRANSPORT"] == "journal"]
    fields = {name for entry in own for name in entry if name.startswith("CHAT_")}
    check("the journal has fields of its own", own and fields, entries[-3:])
    check("each entry has a priority and a target", all("PRIORITY" in e and "TARGET" in e for e in own), own[:3])
    print(f"        STATUS: {text}\n        journal fields: {' '.join(sorted(fields))}")
    status = machine.run("tcp-chatd status --json")
    try:
        counts = json.loads(status.text)
    except ValueError:
        counts = None
    check("`tcp-chatd status --json` answers root", status.ok and counts, status)


def who_may_what(machine):
    """Its user, its bounds, and what other users may read."""
    pid = machine.main_pid()
    status = machine.run(f"cat /proc/{pid}/status").text
    user = machine.run(f"ps -o user:20=,group:20= -p {pid}").text.split()
    check("runs as its own user", user == ["tcp-chatd", "tcp-chatd"], user)
    bounds = dict(re.findall(r"^(NoNewPrivs|Seccomp|CapEff|CapBnd):\s*(\S+)", status, re.M))
    zero = "0" * 16
    check("no new privileges, a filter on system calls, no capabilities",
          bounds == {"NoNewPrivs": "1", "Seccomp": "2", "CapEff": zero, "CapBnd": zero}, bounds)
    limits = machine.run(f"cat /proc/{pid}/limits").text
    check("no core files", re.search(r"core file size\s+0\s+0", limits), limits)
    denied = machine.run(f"systemctl show {UNIT} -p MemoryDenyWriteExecute --value").text
    check("no memory that is written and run", denied.strip() == "yes", denied)
    check("it has an empty root of its own, without a shell", not machine.run(f"ls /proc/{pid}/root/bin/sh").ok)

    for secret in ("certs/ca.key", "certs/server.key", "chat.db"):
        mode = stat.S_IMODE(machine.path(f"{STATE}/{secret}").stat().st_mode)
        refused = machine.run(f"cat {STATE}/{secret}", user="ben")
        check(f"{secret}: for the daemon alone (mode {mode:o})", mode & 0o077 == 0 and "Permission denied" in refused.text, refused)
    check("ca.pem: everybody may read it", machine.run(f"cat {STATE}/certs/ca.pem", user="ben").ok)
    check("others cannot list the state folder", not machine.run(f"ls {STATE}", user="ben").ok)
    check("others cannot use the control socket", not machine.run("tcp-chatd status", user="ben").ok)

    score = machine.run(f"systemd-analyze security --no-pager {UNIT}").text
    found = re.search(r"exposure level for \S+: ([\d.]+)", score)
    check("systemd-analyze security: at most 1.0", found and float(found[1]) <= 1.0, score[-400:])
    print(f"        exposure: {found and found[1]}")
    verified = machine.run(f"systemd-analyze verify {UNIT} tcp-chatd.socket tcp-chatd-web.socket")
    check("systemd-analyze verify has nothing to say", verified.ok and not verified.text.strip(), verified)


def chat(machine):
    """Two unprivileged users with no flags at all, and a peer that shares no code."""
    peer = Peer(machine, "python")
    waiting = machine.start("tcp-chat-cli wait --match 'good morning' --timeout 30s", "ben")
    # Ben is in the room before anyone speaks.
    members = wait_for("ben to be in the lobby", lambda: "ben" in _members(peer), 15)
    sent = machine.run("tcp-chat-cli send 'good morning, desk 7'", user="ana")
    check("an unprivileged user sends with `tcp-chat-cli send` and no flags", sent.ok, sent)
    text, _ = waiting.communicate(timeout=40)
    check("another one, waiting, sees it", members and waiting.returncode == 0 and "desk 7" in text, text)
    peer.until("good morning, desk 7")
    peer.say("hello from a script")
    told = machine.run("tcp-chat-cli history --limit 5", user="ana")
    check("history has both", told.ok and "desk 7" in told.text and "hello from a script" in told.text, told)
    piped = machine.run("printf 'one line\\nand another\\n' | tcp-chat-cli", user="ana")
    check("lines from a pipe are sent", piped.ok, piped)
    peer.until("and another")
    peer.quit()
    texts = [str(entry) for entry in machine.journal() if "desk 7" in str(entry)]
    check("no text of a message is in the journal", not texts, texts)


def _members(peer):
    return [member["user"] for member in peer.ask("WHO", {"room": "lobby"})["members"]]


def set_key(machine, section, key, value):
    """Sets one key in the installed config.toml, as an operator's editor would."""
    path = machine.path(CONFIG)
    lines = []
    inside = False
    done = False
    for line in path.read_text().splitlines():
        if line.startswith("["):
            inside = line.strip() == f"[{section}]"
        if inside and not done and re.match(rf"#? *{key}\s*=", line):
            line, done = f"{key} = {value}", True
        lines.append(line)
    if not done:
        raise RuntimeError(f"{CONFIG} has no {key} in [{section}]")
    path.write_text("\n".join(lines) + "\n")


def reload(machine):
    """A good file takes effect and a bad one is refused, aloud, and changes nothing."""
    good = machine.path(CONFIG).read_text()
    peer = Peer(machine, "stays")
    pid = machine.main_pid()
    set_key(machine, "limits", "msg_bytes", "1000")
    done = machine.run(f"systemctl reload {UNIT}")
    other = Peer(machine, "fresh")
    check("reload with a good file: succeeds, and the new limit is in force",
          done.ok and other.reply["limits"]["msg_bytes"] == 1000, f"{done} {other.reply}")
    other.quit()

    after = machine.cursor()
    set_key(machine, "limits", "msg_bytes", '"lots"')
    done = machine.run(f"systemctl reload {UNIT}")
    told = machine.run("journalctl --no-pager -o cat --after-cursor '" + after + "' -u tcp-chatd").text
    check("reload with a bad file: fails", not done.ok, done)
    check("and the journal names the file and the key", "msg_bytes" in told and CONFIG in told, told)
    check("STATUS says that the new settings were refused", re.search(r"(?i)refused|rejected|failed", machine.show("StatusText")), machine.show("StatusText"))
    peer.say("still here")
    other = Peer(machine, "fresh")
    check("and the daemon goes on with the old settings, nobody disconnected",
          machine.main_pid() == pid and other.reply["limits"]["msg_bytes"] == 1000 and machine.show("ActiveState") == "active")
    other.quit()

    stopped = machine.run(f"systemctl restart {UNIT}")
    check("a start with the bad file: refused with exit code 78, and not tried again",
          not stopped.ok and machine.show("ExecMainStatus") == "78" and machine.show("NRestarts") == "0", machine.run(f"systemctl status {UNIT}"))
    machine.path(CONFIG).write_text(good)
    started = machine.run(f"systemctl start {UNIT}")
    check("with the file repaired it starts, and STATUS is well again",
          started.ok and not re.search(r"(?i)refused|rejected|failed", machine.show("StatusText")), machine.run(f"systemctl status {UNIT}"))
    peer.back()
    peer.quit()


def documents(machine):
    """Man pages and completions."""
    for page in ("8 tcp-chatd", "5 tcp-chatd.toml", "1 tcp-chat-cli"):
        shown = machine.run(f"MANWIDTH=100 man --warnings -P cat {page}")
        check(f"man {page}: there, and without a warning", shown.ok and "warning" not in shown.text and "NAME" in shown.text, shown)
    for program in ("tcp-chatd", "tcp-chat-cli"):
        done = machine.run(f"bash -c '. /usr/share/bash-completion/completions/{program} && complete -p {program}'")
        check(f"{program}: the completion loads in bash", done.ok, done)


def failed_logins(machine):
    """A wrong password is one line of the journal, and the fail2ban filter reads the address from it."""
    good = machine.path(CONFIG).read_text()
    made = machine.run("tcp-chatd password | install -m 640 -g tcp-chatd /dev/stdin /etc/tcp-chatd/password", stdin="a secret of the house\n")
    set_key(machine, "auth", "mode", '"password"')
    set_key(machine, "auth", "password_file", '"/etc/tcp-chatd/password"')
    done = machine.run(f"systemctl reload {UNIT}")
    check("a shared password by `tcp-chatd password` and a reload", made.ok and done.ok, f"{made} {done}")
    after = machine.cursor()
    try:
        Peer(machine, "eve", password="guess")
        kind = None
    except Refused as refused:
        kind = refused.kind
    check("a wrong password is refused", kind == "AUTH_FAILED", kind)
    Peer(machine, "ana", password="a secret of the house").quit()
    lines = wait_for("the line", lambda: [e for e in machine.journal("--after-cursor", after) if "login refused" in str(e.get("MESSAGE"))], 10) or []
    check("it is one line of the journal", len(lines) == 1, lines)
    check("with neither password in it", "guess" not in str(lines) and "secret of" not in str(lines), lines)
    matched = machine.run("fail2ban-regex -v systemd-journal tcp-chatd")
    check("the fail2ban filter finds it, with the address", re.search(r"\b1 matched", matched.text) and "127.0.0.1" in matched.text, matched)
    machine.path(CONFIG).write_text(good)
    machine.run(f"rm /etc/tcp-chatd/password; systemctl restart {UNIT}")
