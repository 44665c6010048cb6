"""Owns the story of docs/CLUSTER.md: three booted systems, each with a NATS server and the installed package, set up by the
commands and files that stand there, and then used as an operator does.

Called by the run with the package and the program of a NATS server. The unit is used as it is shipped. Only what the document
leaves to the reader is done otherwise: how a file comes from one host to another, and the names of the hosts.
"""

import json
import re
import shutil
import sqlite3
import subprocess

from checks import check, part, wait_for
from install import CONFIG, STATE, UNIT, install, set_key
from site_of_three import Document, Site, all_of
from wire import Peer

PATIENCE = 40


def story(root, debs, nats, document):
    """`debs`: both packages; `nats`: the program; `document`: docs/CLUSTER.md."""
    told = Document(document.read_text())
    with Site(root, nats) as site:
        for work in (_installed, _nats, _section, _begins, _joins, _rolls, _copies, _server_away, _credentials, _leaves):
            part(f"a cluster: {work.__doc__.splitlines()[0]}")
            work(site, told, debs)


def _installed(site, _told, debs):
    """a daemon with a history, two without"""
    done = all_of(lambda machine: install(machine, debs), site.machines)
    check("the package is installed on three systems", all(one.ok for one in done), done)
    first = site.machines[0]
    _open(first, 1)
    first.run(f"systemctl restart {UNIT}")
    peer = Peer(first, "ana")
    for number in range(20):
        peer.say(f"before the cluster {number}")
    peer.quit()


def _open(machine, number):
    set_key(machine, "listen", "address", '"0.0.0.0:3000"')
    set_key(machine, "tls", "names", f'["chat{number}.example.org"]')


def _nats(site, told, _debs):
    """NATS, as the document says it"""
    first = site.machines[0]
    made = first.run("mkdir /root/nats && cd /root/nats\n" + told.block("openssl req -x509", "sh"))
    check("the certificates are made", made.ok, made)
    folder = first.path("/root/nats")
    done = []
    for number, machine in enumerate(site.machines, 1):
        for name in ("nats-ca.pem", f"nats{number}.pem", f"nats{number}.key"):
            shutil.copy(folder / name, machine.path(f"/root/{name}"))
        done.append(machine.run("set -e; cd /root\n" + told.block("useradd", "sh").replace("nats1", f"nats{number}")))
        if not check(f"nats{number}: its files are there", done[-1].ok, done[-1]):
            return
        conf = told.block("server_name: nats1")
        conf = conf.replace("server_name: nats1", f"server_name: nats{number}")
        conf = conf.replace('advertise: "nats1', f'advertise: "nats{number}')
        # The machine that tests has not so much room.
        conf = conf.replace("20GB", "2GB")
        machine.path("/etc/nats/nats.conf").write_text(conf)
        machine.path("/etc/nats/rights.conf").write_text(told.rights)
        machine.path("/etc/systemd/system/nats.service").write_text(told.block("[Unit]", "ini"))
    done += all_of(lambda machine: machine.run("systemctl enable --now nats"), site.machines)
    check("three NATS servers start", all(one.ok for one in done), "\n".join(map(str, done)))
    ready = wait_for("a leader of NATS", lambda: any("JetStream cluster new metadata leader" in _log(m, "nats") for m in site.machines), PATIENCE)
    check("they find each other, and log what the document says", ready and all("Server is ready" in _log(m, "nats") for m in site.machines), _log(first, "nats"))
    mode = first.run("ls -ld /var/lib/nats /etc/nats/rights.conf /etc/nats/server.key").text
    check("its store, key and passwords are for NATS alone", "drwx------" in mode and mode.count("-rw-r-----") == 2, mode)


def _log(machine, unit):
    return machine.run(f"journalctl --no-pager -o cat -u {unit}").text


def _configured(machine, told, number):
    """The section, in the place of the one of the installed file that has only comments; and the files of the login."""
    text = machine.path(CONFIG).read_text()
    section = told.block("[cluster]", "toml").replace('"chat1"', f'"chat{number}"').replace("chat1.example.org", f"chat{number}.example.org")
    # As 1 GiB: the machine that tests has not so much room.
    machine.path(CONFIG).write_text(re.sub(r"^\[cluster\]\n", lambda _: section + 'log_bytes = "1 GiB"\n', text, count=1, flags=re.M))
    return machine.run("set -e; cd /root\n" + told.block("nats.password", "sh"))


def _section(site, told, _debs):
    """the section of the first node"""
    first = site.machines[0]
    done = _configured(first, told, 1)
    check("the files of the login are there", done.ok, done)
    (command, lines), = told.told("cluster check")
    found = first.run(command).text.splitlines()
    wanted = [re.sub(r"\d+\.\d+\.\d+$", "", line) for line in lines]
    # The last line sums it up.
    check("`cluster check` says what the document says", [re.sub(r"\d+\.\d+\.\d+$", "", line) for line in found][:len(wanted)] == wanted, "\n".join(found))


def _begins(site, told, _debs):
    """the first node"""
    first = site.machines[0]
    commands = told.told("systemctl stop tcp-chatd")
    for command, lines in commands:
        done = first.run(command)
        if "cluster init" in command:
            check("`cluster init` says what the document says", done.ok and done.text.splitlines() == lines, done)
        elif "cluster status" in command:
            fields = [line.split("  ")[0] for line in lines]
            shown = [line.split("  ")[0] for line in done.text.splitlines()]
            check("`cluster status` shows what the document shows", done.ok and shown == fields, done)
        else:
            check(f"`{command.split('|')[-1].strip()}`", done.ok, done)
    first.run("rm /etc/tcp-chatd/init.password")
    check("the unit is as it was shipped", first.show("DropInPaths") == "" and first.show("FragmentPath") == f"/usr/lib/systemd/system/{UNIT}" or
          first.show("FragmentPath") == f"/lib/systemd/system/{UNIT}", first.show("FragmentPath"))
    mode = first.run(f"stat -c '%a %U' {STATE}/cluster.key").text.split()
    check("the key is for the daemon alone", mode == ["600", "tcp-chatd"], mode)
    _serving(first, "the first node")
    peer = Peer(first, "reader")
    texts = [message["msg"] for message in peer.ask("HISTORY", {"room": "lobby", "limit": 100})["messages"]]
    check("its history is as it was", texts == [f"before the cluster {n}" for n in range(20)], texts)
    peer.quit()


def _serving(machine, who, limit=PATIENCE):
    def serves():
        done = machine.run("tcp-chatd cluster status --json")
        return done.ok and json.loads(done.text).get("state") == "serving"
    return check(f"{who} serves", wait_for(f"{who} to serve", serves, limit), f"{machine.run('tcp-chatd cluster status')} {_log(machine, UNIT)}")


def _given(site, told, number):
    """What step 5 does on the next host. `ssh` is not there: it would print what the first node packs."""
    first, machine = site.machines[0], site.machines[number - 1]
    block = told.block("ssh root@chat1.example.org", "sh")
    packed = re.search(r"ssh root@chat1\.example\.org (.*?) \|", block)[1]
    subprocess.run(first.command("sh", "-c", packed), stdout=open(machine.path("/root/packed"), "wb"), check=True)
    shutil.copy(first.path("/root/nats/nats-ca.pem"), machine.path("/root/nats-ca.pem"))
    _open(machine, number)
    login = _configured(machine, told, number)
    *steps, last = block.replace(f"ssh root@chat1.example.org {packed}", "cat /root/packed").strip().splitlines()
    return [login, machine.run("set -e\n" + "\n".join(steps)), last]


def _joins(site, told, _debs):
    """two more nodes"""
    first, second, third = site.machines
    login, done, start = _given(site, told, 2)
    check("the second host gets the section and the secrets, and `cluster check` finds nothing", login.ok and done.ok, f"{login} {done}")
    started = second.run(start)
    check("the second node starts with an empty store", started.ok, f"{started} {_log(second, UNIT)}")
    (command, lines), _status = told.told("CHAT_EVENT=joined")
    found = second.run(command).text.splitlines()
    # The daemon was ready once before, alone.
    check("its journal says what the document says", found[-len(lines):] == lines, found)
    _serving(second, "the second node")
    login, done, start = _given(site, told, 3)
    (command, lines), = told.told("cluster join")
    joined = third.run(command)
    check("the third node takes its copy by `cluster join`", login.ok and done.ok and joined.text.splitlines()[-1:] == lines, f"{login} {done} {joined}")
    started = third.run(start)
    check("the third node starts", started.ok, f"{started} {_log(third, UNIT)}")
    _serving(third, "the third node, which finds NATS by a name service behind a link")
    for machine in site.machines:
        checked = machine.run("sudo -u tcp-chatd tcp-chatd cluster check")
        check(f"`cluster check` on {machine.name} finds nothing", checked.ok and "fault" not in checked.text, checked)
    peers = [Peer(machine, f"peer{n}") for n, machine in enumerate(site.machines)]
    for number, peer in enumerate(peers):
        peer.say(f"from node {number}")
        for other in peers:
            other.until(f"from node {number}")
    for peer in peers:
        peer.quit()
    sent = second.run("tcp-chat-cli send 'by the client'")
    read = third.run("tcp-chat-cli history --limit 3")
    check("a message of one node's client is in the history of another", sent.ok and "by the client" in read.text, f"{sent} {read}")


def _rolls(site, _told, _debs):
    """restart and reload"""
    first, second, third = site.machines
    ana, ben = Peer(second, "ana"), Peer(third, "ben")
    ana.say("before the restart")
    servers = ana.reply.get("servers", [])
    check("a login tells all three nodes", sorted(servers) == [f"chat{n}.example.org:3000" for n in (1, 2, 3)], servers)
    restart = second.start(f"systemctl restart {UNIT}", "root")
    token = ana.session
    ana.read_to_the_end()
    check("restart: a client is told", "SHUTDOWN" in ana.notices, ana.notices)
    ana.machine = third
    ana.back()
    ana.say("at another node")
    check("restart: its session goes on at another node", ana.session == token)
    text, _ = restart.communicate(timeout=60)
    check("restart: `systemctl restart` returns well", restart.returncode == 0, text)
    _serving(second, "restart: the node")
    ben.until("at another node")
    check("restart: nothing is lost and nothing doubled", ben.seen[-2:] == ["before the restart", "at another node"], ben.seen)
    config = first.path(CONFIG)
    before = config.read_text()
    set_key(first, "limits", "msg_bytes", "1000")
    done = first.run(f"systemctl reload {UNIT}")
    other = Peer(third, "eve")
    check("reload: a limit of one node's file counts at another", done.ok and other.reply["limits"]["msg_bytes"] == 1000, f"{done} {other.reply['limits']}")
    first.run("mv /etc/tcp-chatd/nats-ca.pem /root/")
    refused = first.run(f"systemctl reload {UNIT}")
    told = first.run(f"journalctl --no-pager -o cat -u {UNIT} CHAT_EVENT=reload_refused -n 1").text
    check("reload: a missing file of the login refuses it, by name", not refused.ok and "nats-ca.pem" in told, f"{refused} {told}")
    first.run("mv /root/nats-ca.pem /etc/tcp-chatd/; chmod 644 /etc/tcp-chatd/nats.password")
    checked = first.run("tcp-chatd check; chmod 640 /etc/tcp-chatd/nats.password")
    check("`check` warns about a login that all users can read", "nats.password: every user of this host has access" in checked.text, checked)
    config.write_text(before)
    done = first.run(f"systemctl reload {UNIT}")
    check("reload: back again", done.ok, done)
    for peer in (ana, ben, other):
        peer.quit()


def _copies(site, _told, _debs):
    """a node that differs ends with 75, and systemd starts it again"""
    first, second, _ = site.machines
    cursor = second.cursor()
    second.run(f"systemctl stop {UNIT}")
    with sqlite3.connect(second.path(f"{STATE}/chat.db")) as store:
        store.execute("UPDATE conversations SET head = head - 1 WHERE room IS NOT NULL AND head > 1")
    store.close()
    second.run(f"chown tcp-chatd:tcp-chatd {STATE}/chat.db*; systemctl reset-failed {UNIT}; systemctl start {UNIT}")
    peer = Peer(first, "ana")

    def ended():
        peer.say("while one differs")
        return [entry for entry in second.journal("--after-cursor", cursor) if entry.get("CHAT_EVENT") == "order_ended"]

    found = wait_for("it to notice", ended, PATIENCE)
    check("75: the journal has its end with the cause", found and found[0].get("CHAT_CAUSE") == "diverged", found or _log(second, UNIT)[-3000:])
    again = wait_for("systemd to start it again", lambda: int(second.show("NRestarts") or 0) == 1 and second.show("ActiveState") == "active", PATIENCE)
    check("75: systemd starts it again, once", again, second.run(f"systemctl status {UNIT}"))
    events = [entry.get("CHAT_EVENT") for entry in second.journal("--after-cursor", cursor)]
    check("75: it took the store of another node and set its own aside", "store_set_aside" in events and "joined" in events, events)
    check("75: the old store is there", second.path(f"{STATE}/chat.db.set-aside").exists(), second.run(f"ls -l {STATE}"))
    _serving(second, "75: the node")
    texts = [history(machine) for machine in site.machines]
    check("75: all nodes have one history", len(texts[0]) > 20 and texts[1] == texts[0] == texts[2], [len(one) for one in texts])
    peer.quit()


def history(machine):
    """All messages of the lobby, as this node tells them to a new user."""
    peer = Peer(machine, f"of-{machine.name}")
    found = peer.ask("HISTORY", {"room": "lobby", "limit": 500})["messages"]
    peer.quit()
    return [(message["seq"], message["msg"]) for message in found]


def _server_away(site, _told, _debs):
    """one NATS server is away"""
    first = site.machines[0]
    leader = json.loads(first.run("tcp-chatd cluster status --json").text).get("leader")
    number = next(n for n in (3, 2) if f"nats{n}" != leader)
    away = site.machines[number - 1]
    away.run("systemctl stop nats")
    checked = first.run("sudo -u tcp-chatd tcp-chatd cluster check")
    check("`cluster check` names a server that is away, and exits with 78", checked.code == 78 and f"nats{number}.example.org:4222: NATS cannot be reached" in checked.text, checked)
    peer = Peer(away, "ana")
    peer.say("with two servers")
    check("the node on its host goes on with another server", True)
    peer.quit()
    away.run("systemctl start nats")


def _credentials(site, _told, _debs):
    """the secrets, handed over by systemd"""
    third = site.machines[2]
    before = third.path(CONFIG).read_text()
    made = third.run(f"""set -e
        install -d -m 700 /root/secrets
        mv {STATE}/cluster.key /etc/tcp-chatd/nats.password /root/secrets/
        chown -R root:root /root/secrets; chmod 600 /root/secrets/*
        mkdir -p /etc/systemd/system/{UNIT}.d
        printf '[Service]\\nLoadCredential=cluster.key:/root/secrets/cluster.key\\nLoadCredential=nats.password:/root/secrets/nats.password\\n' \
            >/etc/systemd/system/{UNIT}.d/secrets.conf
        systemctl daemon-reload""")
    set_key(third, "cluster", "password_file", '"$CREDENTIALS_DIRECTORY/nats.password"')
    set_key(third, "cluster", "key_file", '"$CREDENTIALS_DIRECTORY/cluster.key"')
    done = third.run(f"systemctl restart {UNIT}")
    check("LoadCredential: a node starts with secrets that only root may read", made.ok and done.ok, f"{made} {done} {_log(third, UNIT)[-2000:]}")
    ready = wait_for("it to serve", lambda: "serving" in third.show("StatusText") or _says(third), PATIENCE)
    check("LoadCredential: it serves", ready, third.show("StatusText"))
    third.path(CONFIG).write_text(before)
    back = third.run(f"""set -e
        rm -r /etc/systemd/system/{UNIT}.d
        install -m 600 -o tcp-chatd -g tcp-chatd /root/secrets/cluster.key {STATE}/cluster.key
        install -m 640 -g tcp-chatd /root/secrets/nats.password /etc/tcp-chatd/nats.password
        rm -r /root/secrets
        systemctl daemon-reload; systemctl restart {UNIT}""")
    check("LoadCredential: and back", back.ok, back)
    _serving(third, "LoadCredential: the node")


def _says(machine):
    try:
        peer = Peer(machine, "eve")
        peer.say("with credentials")
        peer.quit()
        return True
    except Exception:  # noqa: BLE001: not yet
        return False


def _leaves(site, _told, _debs):
    """a node leaves"""
    third = site.machines[2]
    third.run(f"systemctl stop {UNIT}")
    left = third.run("sudo -u tcp-chatd tcp-chatd cluster leave")
    refused = third.run(f"systemctl start {UNIT}")
    check("leave: with the section it does not start", left.ok and not refused.ok and third.show("ExecMainStatus") == "78", f"{left} {refused}")
    text = third.path(CONFIG).read_text()
    third.path(CONFIG).write_text(re.sub(r"^nats = .*$", "", text, flags=re.M))
    done = third.run(f"systemctl reset-failed {UNIT}; systemctl start {UNIT}")
    peer = Peer(third, "lone")
    peer.say("alone")
    check("leave: without it, it is a lone daemon with the history", done.ok and len(history(third)) > 20, done)
    peer.quit()
    status = json.loads(site.machines[0].run("tcp-chatd cluster status --json").text)
    check("leave: the others are two", len(status.get("members", [])) == 2, status)
