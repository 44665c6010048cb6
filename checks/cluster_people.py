#!/usr/bin/env python3
"""What users and posting machines see when a part of a cluster fails: with the programs that people use.

    python3 checks/cluster_people.py DAEMON CLIENT NATS_SERVER [--keep]

A client in line mode, a tab behind `tcp-chat-cli web`, a client without any rule of its own, and posts with an
Idempotency-Key. A node is cut off from NATS, NATS is gone for all, a daemon is killed. Starts three NATS servers and three
daemons (cluster_world.py), and clients (cluster_clients.py). Takes about two minutes. Needs only Python 3.8. The last line is
`passed` or the failed checks; the exit code is the same.
"""

import json
import os
import re
import sys
import threading
import time
import urllib.error
import urllib.request

from cluster_clients import Raw, Spoken, Tab
from cluster_world import NODES, check_parser, cluster, free_ports
from running import verdict

TOKEN = "0123456789abcdef" * 2
HOLD = 4
CUT_OFF = 2


class People:
    """The cluster, and what was found."""

    def __init__(self, them, client):
        self.them, self.client, self.faults, self.programs = them, os.path.abspath(client), [], []
        self.http = free_ports(NODES)

    def check(self, what, is_so, why=""):
        print(f"{'ok  ' if is_so else 'FAIL'} {what}" + ("" if is_so else f": {why}"), flush=True)
        if not is_so:
            self.faults.append(what)

    def configure(self):
        them = self.them
        for node in range(NODES):
            folder = them.nodes[node].folder
            with open(os.path.join(folder, "http.token"), "w") as token:
                token.write(TOKEN)
            text = them.settings(node, f"{HOLD}s", "2s")
            # One server of its own, and no other.
            text = re.sub(r"nats = \[.*?\]", f'nats = ["nats://{them.places.servers[node]}"]', text)
            text += f'\n[http]\naddress = "127.0.0.1:{self.http[node]}"\ntoken_file = "http.token"\nrooms = ["ops"]\n'
            with open(os.path.join(folder, "config.toml"), "w") as config:
                config.write(text)

    def start(self, *words):
        folder = self.them.subfolder(f"home{len(self.programs)}")
        program = Spoken([self.client, *words], folder)
        self.programs.append(program)
        return program

    def post(self, node, text, key=None):
        """The status and the answer."""
        headers = {"Authorization": f"Bearer {TOKEN}", **({"Idempotency-Key": key} if key else {})}
        body = json.dumps({"text": text}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.http[node]}/rooms/ops/messages", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=40) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, {**json.loads(error.read()), "retry": error.headers.get("Retry-After")}

    def texts(self, node, room):
        """The messages of a room."""
        reader = Raw(self.them, node, f"reader{time.monotonic_ns()}")
        if room != "lobby":
            reader.send("JOIN", {"room": room}, 2)
            reader.until(lambda line: line.get("id") == 2)
        reader.send("HISTORY", {"room": room, "limit": 500}, 3)
        reply = reader.until(lambda line: line.get("id") == 3)
        reader.send("QUIT", None, 4)
        reader.until(lambda line: line.get("id") == 4)
        return [message["msg"] for message in reply["data"]["messages"]]


def posts(people):
    """A key is known at each node, also when several get it at once."""
    first = people.post(0, "the backup is done", "one")
    again = [people.post(node, "the backup is done", "one") for node in (1, 2, 0)]
    people.check("a post is kept", first[0] == 201, first)
    people.check("the same key at another node is the same message",
                 all(status == 200 and got["seq"] == first[1].get("seq") for status, got in again), again)
    other = people.post(1, "another text", "one")
    people.check("another body under the key is refused elsewhere, too", other[0] == 422, other)
    answers, began = [], time.monotonic()

    def send(node):
        answers.extend(people.post(node, f"at once {n}", f"at once {n}") for n in range(10))

    threads = [threading.Thread(target=send, args=(node,)) for node in range(NODES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    kinds = sorted({status for status, _ in answers})
    people.check("thirty posts of ten keys at three nodes at once are answered", kinds == [200, 201], (kinds, answers))
    people.check("and quickly", took < 10, took)
    texts = people.texts(0, "ops")
    people.check("each is kept once", sorted(texts) == sorted(["the backup is done"] + [f"at once {n}" for n in range(10)]),
                 texts)


def is_cut_off(people):
    """The only NATS server of a node does not answer."""
    them = people.them
    server = ",".join(f"127.0.0.1:{them.ports[node]}" for node in (CUT_OFF, 0, 1))
    line = people.start(server, "--ca", them.ca, "--name", "lina")
    people.check("a client enters", line.wait_for(r"connected to .* as lina", 20) is not None, line.said)
    relay = people.start(server, "--ca", them.ca, "web", "--no-open", "--keep")
    address = relay.wait_for(r"#ticket=", 20)
    port, ticket = re.search(r"127\.0\.0\.1:(\d+)/#ticket=(.*)", address[1]).groups()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/ticket", ticket.encode(),
                                     {"Origin": f"http://127.0.0.1:{port}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        tab = Tab(int(port), answer.read().decode())
    tab.enter()
    idle = Raw(them, CUT_OFF, "idle")
    began = time.monotonic()
    them.servers[CUT_OFF].pause()
    told = idle.notice("UNAVAILABLE", HOLD + 12)
    after = time.monotonic() - began
    servers = (told or {}).get("data", {}).get("servers", [])
    people.check("an idle client of a node that is cut off is told, with the other nodes",
                 len(servers) == NODES and servers[0].endswith(f":{them.ports[CUT_OFF]}"), told)
    print(f"     after {after:.1f} s with hold = {HOLD} s: {(told or {}).get('data', {}).get('msg')}", flush=True)
    idle.send("MSG", {"room": "lobby", "msg": "nobody gets this"}, 5)
    idle.send("WHO", {"room": "lobby"}, 6)
    answers = [idle.until(lambda line: line.get("id") in (5, 6)) for _ in range(2)]
    people.check("its request is refused, and its query is answered",
                 [a and a["status"] for a in answers] == ["ERR", "OK"] and answers[0]["data"]["kind"] == "UNAVAILABLE", answers)
    # If its server led the stream, the others elect another one first: up to 10 s.
    moved = line.wait_for(rf"connected to 127\.0\.0\.1:({them.ports[0]}|{them.ports[1]}) as lina", 25)
    people.check("the client in line mode goes to another node by itself", moved is not None, line.said)
    is_over = tab.until(lambda _: False, 25)
    people.check("the relay gives up the connection once another node orders", is_over == "closed", is_over)
    tab.open()
    login = tab.enter()
    here = login["data"].get("servers", [""])[0] if isinstance(login, dict) else login
    people.check("and the tab resumes there", here.endswith((f":{them.ports[0]}", f":{them.ports[1]}")), login)
    line.type("from the other node")
    people.check("what is typed is kept", line.wait_for("from the other node", 10) is not None, line.said)
    them.servers[CUT_OFF].go_on()
    gone = idle.notice("SHUTDOWN", 30)
    people.check("a client that stayed is told to go when the node comes back and reads that it was declared gone",
                 gone is not None and "go on" in gone["data"]["msg"], gone)
    people.check("the others wrote nothing about it",
                 "from the other node" in people.texts(0, "lobby") and "nobody gets this" not in people.texts(0, "lobby"))
    for at, said in line.said:
        print(f"     {at - line.began:6.1f} s  {said}", flush=True)
    return line, tab


def nats_is_gone(people, line, tab):
    """No node can order anything: nobody runs in circles."""
    them = people.them
    until = time.monotonic() + 60
    while time.monotonic() < until and any((them.status(n) or {}).get("state") != "serving" for n in range(NODES)):
        time.sleep(0.3)
    stays = [Raw(them, node, f"stays{node}") for node in range(NODES)]
    said = len(line.said)
    for server in them.servers:
        server.pause()
    told = [client.notice("UNAVAILABLE", HOLD + 12) for client in stays]
    people.check("the clients of all nodes are told", all(told), told)
    line.type("typed while nothing could be ordered")
    key = people.post(0, "posted while nothing could be ordered", "gone")
    people.check("a post gets 503 with a sentence and a time",
                 key[0] == 503 and key[1]["retry"] is not None, key)
    print(f"     {key[1]}", flush=True)
    over = tab.until(lambda line: line["op"] == "NOTICE" and line["data"]["kind"] == "UNAVAILABLE", HOLD + 12)
    people.check("the tab is told", isinstance(over, dict), over)
    time.sleep(15)
    rounds = [text for _, text in line.said[said:] if "connected to" in text or "connection is lost" in text]
    people.check("the client in line mode stays where it is", rounds == [], line.said[said:])
    people.check("and the tab", tab.until(lambda _: False, 0.5) == "late")
    for server in them.servers:
        server.go_on()
    # A node that the others declared gone meanwhile hands its clients over.
    ends = ("AVAILABLE", "SHUTDOWN")
    back = [client.until(lambda line: line["op"] == "NOTICE" and line["data"]["kind"] in ends, 40) for client in stays]
    kinds = [notice and notice["data"]["kind"] for notice in back]
    people.check("all are told that it is over", all(kinds) and "AVAILABLE" in kinds, kinds)
    kept = line.wait_for("typed while nothing could be ordered", 30, said)
    people.check("what was typed is kept then", kept is not None, line.said[said:])
    again = people.post(1, "posted while nothing could be ordered", "gone")
    people.check("the post with the same key at another node settles it", again[0] in (200, 201), again)
    texts = people.texts(0, "lobby") + people.texts(0, "ops")
    people.check("each is kept once", [texts.count(t) for t in (
        "typed while nothing could be ordered", "posted while nothing could be ordered")] == [1, 1], texts)
    for at, text in line.said[said:]:
        print(f"     {at - line.began:6.1f} s  {text}", flush=True)


def a_daemon_is_killed(people, line):
    """The client goes on at another node."""
    them = people.them
    where = [text for _, text in line.said if "connected to" in text][-1]
    node = them.ports.index(int(re.search(r"connected to 127\.0\.0\.1:(\d+)", where)[1]))
    said, began = len(line.said), time.monotonic()
    them.nodes[node].kill()
    back = line.wait_for(r"connected to .* as lina", 10, said)
    people.check("the client of a killed daemon goes on elsewhere within 3 s", back and back[0] - began < 3, line.said[said:])
    for at, text in line.said[said:]:
        print(f"     {at - began:6.2f} s after it was killed  {text}", flush=True)


def main():
    arguments = check_parser("daemon", "client", "nats_server").parse_args()
    with cluster(arguments.daemon, arguments.nats_server, arguments.keep) as them:
        people = People(them, arguments.client)
        try:
            them.prepare(f"{HOLD}s", "2s")
            people.configure()
            them.found()
            them.start(0)
            for node in range(1, NODES):
                them.share_secrets(node)
                them.start(node)
            posts(people)
            line, tab = is_cut_off(people)
            nats_is_gone(people, line, tab)
            a_daemon_is_killed(people, line)
        finally:
            for program in people.programs:
                program.end()
        return verdict(people.faults)


if __name__ == "__main__":
    sys.exit(main())
