"""Owns the hand of an operator in the checks of a cluster: clients that write and read, questions to JetStream, starts and stops,
and what was found. cluster_life.py imports it. Never decides what a cluster must do.
"""

import json
import os
import re
import signal
import socket
import ssl
import time

from cluster_world import NODES, free_ports
from running import get


class Client:
    """A session at one node, under a name that no other has."""

    made = 0

    def __init__(self, them, node):
        Client.made += 1
        self.asked = 0
        context = ssl.create_default_context(cafile=them.ca)
        plain = socket.create_connection(("127.0.0.1", them.ports[node]), 10)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        self.socket.settimeout(30)
        self.lines = self.socket.makefile("rb")
        self.reply = self.ask("LOGIN", {"name": f"user{Client.made}"})

    def ask(self, op, data):
        """The reply to a request."""
        self.asked += 1
        self.socket.sendall(json.dumps({"op": op, "data": data, "id": self.asked}).encode() + b"\n")
        while True:
            line = self.lines.readline()
            if not line:
                raise SystemExit(f"the connection was closed before the reply to {op}")
            got = json.loads(line)
            if got.get("id") == self.asked:
                return got

    def close(self):
        self.socket.close()


def says(them, node, *texts):
    """Writes messages at a node, and waits for their acknowledgements."""
    client = Client(them, node)
    for text in texts:
        reply = client.ask("MSG", {"room": "lobby", "msg": text})
        if reply["status"] != "OK":
            raise SystemExit(f"node {node} did not take {text!r}: {reply}")
    client.close()


def history(them, node):
    client = Client(them, node)
    reply = client.ask("HISTORY", {"room": "lobby", "limit": 500})
    client.close()
    return [(m["seq"], m["user"], m["msg"]) for m in reply["data"]["messages"]]


def nats(them, subject, body):
    """Asks JetStream through any server that runs."""
    port = next(port for port, server in zip(them.nats_ports, them.servers) if server.runs())
    with socket.create_connection(("127.0.0.1", port), 10) as link:
        link.settimeout(10)
        body = json.dumps(body).encode()
        link.sendall(b'CONNECT {"verbose":false}\r\nSUB _INBOX.life 1\r\n'
                     + f"PUB {subject} _INBOX.life {len(body)}\r\n".encode() + body + b"\r\n")
        got = b""
        while True:
            got += link.recv(65536)
            found = re.search(rb"MSG _INBOX.life 1 (\d+)\r\n", got)
            if found and len(got) >= found.end() + int(found[1]):
                return json.loads(got[found.end():found.end() + int(found[1])])


class Life:
    """The cluster, and what was found."""

    def __init__(self, them):
        self.them, self.faults = them, []
        self.monitoring = free_ports(NODES)

    def check(self, what, is_so, why=""):
        print(f"{'ok  ' if is_so else 'FAIL'} {what}" + ("" if is_so else f": {why}"), flush=True)
        if not is_so:
            self.faults.append(what)

    def configure(self, node, is_alone=False):
        """Writes the settings; of a lone daemon, without the section [cluster]."""
        text = self.them.settings(node, "2s", "2s")
        if is_alone:
            text = text[:text.index("[cluster]")]
        text += f'\n[metrics]\naddress = "127.0.0.1:{self.monitoring[node]}"\n'
        with open(os.path.join(self.them.nodes[node].folder, "config.toml"), "w") as config:
            config.write(text)

    def stop(self, node):
        process = self.them.nodes[node]
        if process.runs():
            process.child.send_signal(signal.SIGTERM)
            process.child.wait(30)

    def start(self, node):
        """As systemd does: again after 75. Returns the exit codes before the daemon was ready."""
        process, codes = self.them.nodes[node], []
        since = len(process.said()) if os.path.exists(process.log) else 0
        process.start()
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if not process.runs():
                codes.append(process.child.returncode)
                if codes[-1] != 75 or len(codes) > 20:
                    return codes
                since = len(process.said())
                process.start()
            elif '"event":"ready"' in process.said()[since:] and self.readyz(node)[0] == 200:
                return codes
            time.sleep(0.05)
        return codes + ["never ready"]

    def readyz(self, node):
        return get(f"http://127.0.0.1:{self.monitoring[node]}/readyz", timeout=5)

    def same(self, what):
        """Have all nodes that run the same history? One may be a moment behind."""
        until, found = time.monotonic() + 15, []
        while time.monotonic() < until:
            found = [history(self.them, n) for n, node in enumerate(self.them.nodes) if node.runs()]
            if all(one == found[0] for one in found):
                break
            time.sleep(0.2)
        self.check(what, all(one == found[0] for one in found), [len(one) for one in found])
        return found[0]

    def command(self, node, *words):
        return self.them.command(node, *words)

    def data(self, node):
        return os.path.join(self.them.nodes[node].folder, "data")

    def aside(self, node):
        """The names of the stores that were set aside."""
        return [name for name in os.listdir(self.data(node)) if "set-aside" in name]
