#!/usr/bin/env python3
"""Leads a cluster through its life, as an operator does, and checks what OPERATIONS.md promises.

    python3 checks/cluster_life.py DAEMON NATS_SERVER [--keep]

From one daemon with a history to three nodes, a start without NATS, a node that differs, a node that was away too long, the
loss of the stream, and a node that leaves. Starts three NATS servers and three daemons (cluster_world.py); cluster_operator.py
does what an operator does. Takes about a minute. Needs only Python 3.8. The last line is `passed` or the failed checks; the exit
code is the same.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time

from cluster_operator import Client, Life, history, nats, says
from cluster_world import NODES, check_parser, cluster
from running import verdict

STREAM = "TCPCHAT"


def begins(life):
    """From a lone daemon with a history to a first node, whatever interrupts `cluster init`."""
    them = life.them
    life.configure(0, is_alone=True)
    them.start(0)
    says(them, 0, "one", "two", "three")
    life.command(0, "user", "add", "ana")
    life.command(0, "grant", "ana", "moderator")
    before = history(them, 0)
    life.stop(0)
    life.configure(0)
    refused = life.start(0)
    life.check("a store with a history does not start as a node by itself", refused in ([78], [74]), refused)
    for delay in (0.02, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8):
        child = subprocess.Popen([them.daemon, "cluster", "init"], cwd=them.nodes[0].folder,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            child.wait(delay)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    done = None
    for _ in range(40):
        done = life.command(0, "cluster", "init")
        if done.returncode != 75:
            break
        time.sleep(0.3)
    is_first = done.returncode == 0 or "start the daemon" in done.stderr
    life.check("`cluster init` can be repeated after it was killed at any moment", is_first, done.stderr)
    again = life.command(0, "cluster", "init")
    life.check("`cluster init` refuses a store that is a node's", again.returncode != 0 and "already" in again.stderr,
               again.stderr)
    codes = life.start(0)
    life.check("the first node starts", codes == [], codes)
    life.check("its history is as it was", history(them, 0) == before, history(them, 0))
    users, roles = life.command(0, "user", "list").stdout, life.command(0, "grant", "list").stdout
    life.check("its users and roles are as they were", "ana" in users and "moderator" in roles, users + roles)


def joins(life):
    them = life.them
    for node in (1, 2):
        them.share_secrets(node)
    done = life.command(1, "cluster", "join")
    life.check("`cluster join` takes a copy", done.returncode == 0, done.stderr)
    codes = life.start(1) + life.start(2)
    life.check("a node joins by hand, another by itself", codes == [], codes)
    says(them, 1, "from the second node")
    life.same("three nodes have one history")
    life.check("an open library log is not in the daemon's", '"event: ' not in them.nodes[1].said())


def looks(life):
    them = life.them
    done = life.command(1, "cluster", "check")
    life.check("`cluster check` finds nothing", done.returncode == 0, done.stdout + done.stderr)
    life.stop(2)
    status = json.loads(life.command(2, "cluster", "status", "--json").stdout or "{}")
    life.check("`cluster status` tells of a stopped daemon",
               status.get("state") == "stopped" and status.get("applied", 0) > 0 and status.get("last", 0) > 0, status)
    # Not the one that leads the stream: an election takes seconds.
    down = next(number for number in (2, 1, 0) if number != them.leader())
    them.servers[down].kill()
    for _ in range(30):
        done = life.command(1, "cluster", "check")
        if "NATS did not answer" not in done.stdout + done.stderr:
            break
        time.sleep(0.5)
    is_told = f"nats://127.0.0.1:{them.nats_ports[down]}" in done.stderr
    life.check("`cluster check` names a server that is down", done.returncode == 78 and is_told, done.stdout + done.stderr)
    says(them, 1, "with two servers")


def holds(life):
    """A daemon starts although no NATS server runs."""
    them = life.them
    for server in them.servers:
        server.kill()
    node, since = them.nodes[2], len(them.nodes[2].said())
    node.start()
    node.wait_for('"event":"ready"', 20, since)
    status, why = life.readyz(2)
    life.check("a daemon without NATS becomes READY, and /readyz says why it does not serve",
               status == 503 and len(why) > 10, (status, why))
    client = Client(them, 2)
    reply = client.reply.get("data", {})
    life.check("it refuses a login with UNAVAILABLE after `hold`",
               reply.get("kind") == "UNAVAILABLE" and reply.get("retry_after_ms", 0) > 0, client.reply)
    client.close()
    for server in them.servers:
        server.start()
    until = time.monotonic() + 40
    while time.monotonic() < until and any(life.readyz(n)[0] != 200 for n in range(NODES)):
        time.sleep(0.1)
    life.check("all serve once NATS is there", all(life.readyz(n)[0] == 200 for n in range(NODES)),
               [life.readyz(n) for n in range(NODES)])
    says(them, 2, "after the servers came back")
    life.same("and have one history")


def differs(life):
    """A store that was changed by hand."""
    them = life.them
    life.stop(2)
    with sqlite3.connect(os.path.join(life.data(2), "chat.db")) as store:
        store.execute("UPDATE conversations SET head = head - 1 WHERE room IS NOT NULL AND head > 1")
    store.close()
    them.nodes[2].start()
    codes = []
    for number in range(100):
        says(them, number % 2, f"heard by all {number}")
        if not them.nodes[2].runs():
            codes.append(them.nodes[2].child.returncode)
            break
        time.sleep(0.1)
    said = them.nodes[2].said()
    life.check("a node that differs ends with 75", codes == [75] and '"cause":"diverged"' in said, codes)
    codes = life.start(2)
    life.check("it takes the store of another node", codes == [] and len(life.aside(2)) == 1, codes)
    life.same("and has the history of the others")


def was_away(life):
    """The stream no longer has what a node needs."""
    them = life.them
    life.stop(2)
    # In turns of their own: each is a record.
    says(them, 0, *[f"while one was away {n}" for n in range(20)])
    config = nats(them, f"$JS.API.STREAM.INFO.{STREAM}", {})["config"]
    shorter = nats(them, f"$JS.API.STREAM.UPDATE.{STREAM}", {**config, "max_msgs": 3})
    life.check("the stream forgets", "error" not in shorter, shorter)
    nats(them, f"$JS.API.STREAM.UPDATE.{STREAM}", config)
    codes = life.start(2)
    is_so = '"cause":"away_too_long"' in them.nodes[2].said()
    life.check("a node that was away too long takes the store of another one", codes == [75] and is_so, codes)
    life.same("and has the history of the others")
    life.check("one store is set aside, not two", len(life.aside(2)) == 1, life.aside(2))


def reseeds(life):
    """All of NATS is lost; one store is older than the others."""
    them = life.them
    life.stop(1)
    says(them, 0, "the second node does not have this")
    wanted = life.same("two nodes are equal before the loss")
    life.stop(0)
    life.stop(2)
    for server in them.servers:
        server.kill()
        shutil.rmtree(os.path.join(server.folder, "store"))
        server.start()
    codes = life.start(0)
    life.check("a lost stream is no empty chat", codes == [78] and "reseed" in them.nodes[0].said()[-4000:], codes)
    done = None
    for _ in range(40):
        done = life.command(0, "cluster", "reseed")
        if done.returncode != 75:
            break
        time.sleep(0.3)
    life.check("`cluster reseed` begins again", done.returncode == 0, done.stderr)
    codes = [life.start(node) for node in (0, 2, 1)]
    life.check("all nodes start: the others take a copy if their store differs",
               codes[0] == [] and all(set(one) <= {75} for one in codes[1:]), codes)
    found = life.same("and have one history")
    life.check("nothing that was acknowledged is lost", found == wanted, (len(found), len(wanted)))
    says(them, 1, "in the new generation")
    life.same("which goes on")


def leaves(life):
    them = life.them
    life.stop(2)
    before = history(them, 0)
    done = life.command(2, "cluster", "leave")
    life.check("`cluster leave` makes a lone daemon", done.returncode == 0, done.stderr)
    life.configure(2, is_alone=True)
    life.check("which starts alone", life.start(2) == [])
    says(them, 2, "alone")
    life.check("with its history, and goes on", history(them, 2)[:-1] == before and len(before) > 3)
    life.stop(2)
    life.configure(2)
    codes = life.start(2)
    life.check("and does not come back with a history of its own", codes in ([78], [74]), codes)
    says(them, 0, "the others go on")
    life.same("the others are one cluster")


def main():
    arguments = check_parser("daemon", "nats_server").parse_args()
    began = time.monotonic()
    with cluster(arguments.daemon, arguments.nats_server, arguments.keep) as them:
        them.prepare()
        life = Life(them)
        for node in (1, 2):
            life.configure(node)
        for part in (begins, joins, looks, holds, differs, was_away, reseeds, leaves):
            part(life)
    print(f"{time.monotonic() - began:.0f} s")
    return verdict(life.faults)


if __name__ == "__main__":
    sys.exit(main())
