"""Owns the processes of a cluster on this machine: three NATS servers and three daemons, each in a folder of its own. Used
by cluster.py and the files beside it whose names begin so. They listen on loopback, or where a `Loopback` of another kind
says. All of them end with the program. Needs only Python 3.8."""

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

NODES = 3
SETTINGS = """
[listen]
address = "{address}"
[sessions]
ttl = "60s"
[limits]
burst = 100000
messages_per_second = 100000
[log]
format = "json"
level = "info"
[cluster]
nats = [{nats}]
name = "chat{number}"
advertise = "{address}"
log_bytes = "256 MiB"
hold = "{hold}"
gone_after = "{gone_after}"
{more}"""
NATS = """
server_name: n{number}
listen: "{address}"
jetstream {{ store_dir: "{folder}/store", max_file_store: 1Gb }}
cluster {{
  name: chat
  listen: "{route}"
  advertise: "{advertise}"
  routes: [{routes}]
}}
{more}"""


def free_ports(count):
    """Ports that nobody listens on. Held together, so that no port comes twice."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


class Loopback:
    """Where the processes are: on ports of this machine. A class beside it puts them elsewhere."""

    scheme = "nats"

    def __init__(self, _folder):
        ports = free_ports(4 * NODES)
        self.servers, self.routes, self.nodes = (
            [f"127.0.0.1:{port}" for port in ports[at:at + NODES]] for at in (0, NODES, 2 * NODES))
        # A node that comes later has a port, too.
        self.nodes += [f"127.0.0.1:{port}" for port in ports[3 * NODES:]]

    @property
    def to_servers(self):
        """Where daemons find the NATS servers."""
        return self.servers

    @property
    def to_routes(self):
        """Where NATS servers find each other."""
        return self.routes

    def command(self, name, words):
        """Runs it where the process of this name is."""
        return words

    def server_settings(self):
        return ""

    def node_settings(self, _number):
        return ""

    def end(self):
        """Called when all processes have ended, before their folder is removed."""


class Process:
    """A process that is started again and again in its folder."""

    def __init__(self, name, command, folder):
        self.name, self.command, self.folder = name, command, folder
        self.log = os.path.join(folder, "log")
        self.child = None
        self.is_paused = False

    def start(self):
        with open(self.log, "ab") as to:
            self.child = subprocess.Popen(self.command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=to)
        self.is_paused = False

    def runs(self):
        return self.child is not None and self.child.poll() is None

    def kill(self):
        """As a loss of power would end it, whatever its state."""
        if self.runs():
            self.child.kill()
            self.child.wait()

    def stop(self, seconds=60):
        """Ends it as a service manager does. Returns its exit code."""
        self.child.terminate()
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise SystemExit(f"{self.name} does not end:\n{self.said()[-4000:]}")

    def pause(self):
        self.child.send_signal(signal.SIGSTOP)
        self.is_paused = True

    def go_on(self):
        self.child.send_signal(signal.SIGCONT)
        self.is_paused = False

    def said(self):
        with open(self.log, errors="replace") as log:
            return log.read()

    def wait_for(self, text, seconds, since=0):
        """Waits until the log contains the text after the first `since` characters."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if text in self.said()[since:]:
                return
            if not self.runs():
                raise SystemExit(f"{self.name} ended with {self.child.returncode}:\n{self.said()[-4000:]}")
            time.sleep(0.05)
        raise SystemExit(f"{self.name} did not say {text!r} within {seconds} s:\n{self.said()[-4000:]}")


class Cluster:
    """Its processes, and the ways to its daemons."""

    def __init__(self, folder, daemon, nats, places):
        self.folder, self.daemon, self.places = folder, os.path.abspath(daemon), places
        self.servers = [self.server(number, nats) for number in range(NODES)]
        self.nodes = []
        self.ca = os.path.join(folder, "node0", "certs", "ca.pem")

    @property
    def ways(self):
        """Host and port of each daemon."""
        return [address.rsplit(":", 1) for address in self.places.nodes]

    def server(self, number, nats):
        name, places = f"nats{number}", self.places
        folder = self.subfolder(name)
        routes = ", ".join(f'"nats://{route}"' for route in places.to_routes)
        text = NATS.format(number=number, address=places.servers[number], folder=folder, route=places.routes[number],
                           routes=routes, advertise=places.to_routes[number], more=places.server_settings())
        with open(os.path.join(folder, "nats.conf"), "w") as config:
            config.write(text)
        return Process(name, places.command(name, [os.path.abspath(nats), "-c", "nats.conf"]), folder)

    @property
    def ports(self):
        """Of the daemons."""
        return [int(address.rsplit(":", 1)[1]) for address in self.places.nodes]

    @property
    def nats_ports(self):
        return [int(address.rsplit(":", 1)[1]) for address in self.places.servers]

    def subfolder(self, name):
        folder = os.path.join(self.folder, name)
        os.makedirs(folder, exist_ok=True)
        return folder

    def settings(self, number, hold, gone_after):
        # Each daemon knows all servers, and begins with one of its own.
        places, first = self.places, number % NODES
        mine = places.to_servers[first:] + places.to_servers[:first]
        nats = ", ".join(f'"{places.scheme}://{server}"' for server in mine)
        return SETTINGS.format(address=places.nodes[number], nats=nats, number=number, hold=hold, gone_after=gone_after,
                               more=places.node_settings(number))

    def add_node(self, hold="4s", gone_after="2s"):
        """The folder of one more node; it does not run yet."""
        number = len(self.nodes)
        name = f"node{number}"
        folder = self.subfolder(name)
        with open(os.path.join(folder, "config.toml"), "w") as config:
            config.write(self.settings(number, hold, gone_after))
        self.nodes.append(Process(name, [], folder))
        self.replace(number, self.daemon)
        if number > 0 and os.path.exists(os.path.join(self.nodes[0].folder, "cluster.key")):
            self.share_secrets(number)

    def replace(self, number, program):
        """The program of this node from its next start on."""
        node = self.nodes[number]
        node.program = os.path.abspath(program)
        node.command = self.places.command(node.name, [node.program])

    def begin(self, hold="4s", gone_after="2s"):
        """Starts the servers, founds the cluster and lets two daemons join."""
        self.prepare(hold, gone_after)
        self.found()
        self.start(0)
        for number in range(1, NODES):
            self.share_secrets(number)
            self.start(number)

    def prepare(self, hold="4s", gone_after="2s"):
        """Starts the servers, and makes the folders of the daemons."""
        for server in self.servers:
            server.start()
        for _ in range(NODES):
            self.add_node(hold, gone_after)
        for server in self.servers:
            server.wait_for("Server is ready", 20)

    def found(self):
        """`cluster init` on the first node. Its servers may still elect the leader of their metadata."""
        for _ in range(40):
            done = self.command(0, "cluster", "init")
            if done.returncode == 0:
                return
            if done.returncode != 75:
                break
            time.sleep(0.5)
        raise SystemExit(f"cluster init ended with {done.returncode}:\n{done.stdout}{done.stderr}")

    def command(self, number, *words):
        return subprocess.run(
            self.places.command(self.nodes[number].name, [self.nodes[number].program, *words]), cwd=self.nodes[number].folder,
            capture_output=True, text=True, timeout=120)

    def share_secrets(self, number):
        """What an operator copies to a new node: the key of the cluster, and the CA that its clients trust."""
        first, own = self.nodes[0].folder, self.nodes[number].folder
        os.makedirs(os.path.join(own, "certs"), mode=0o700, exist_ok=True)
        for name in ("cluster.key", "certs/ca.pem", "certs/ca.key"):
            shutil.copy(os.path.join(first, name), os.path.join(own, name))

    def start(self, number, seconds=60):
        node = self.nodes[number]
        said = len(node.said()) if os.path.exists(node.log) else 0
        node.start()
        node.wait_for('"event":"ready"', seconds, said)

    def status(self, number):
        done = self.command(number, "cluster", "status", "--json")
        return json.loads(done.stdout) if done.returncode == 0 else None

    def leader(self):
        """The number of the server that leads the stream, as a daemon knows it; `None`: unknown."""
        for number, node in enumerate(self.nodes):
            if node.runs() and not node.is_paused:
                found = re.search(r"n(\d)", str((self.status(number) or {}).get("leader", "")))
                if found:
                    return int(found[1])
        return None

    def end(self):
        for process in self.nodes + self.servers:
            if process.runs():
                if process.is_paused:
                    process.go_on()
                process.kill()
        self.places.end()


@contextlib.contextmanager
def cluster(daemon, nats, keep=False, places=Loopback):
    """A cluster in a new folder, which is removed at the end, unless `keep` is set."""
    # SIGTERM raises an exception, so that all processes end, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    folder = tempfile.mkdtemp(prefix="tcp-chat-cluster-")
    world = None
    try:
        world = Cluster(folder, daemon, nats, places(folder))
        yield world
    finally:
        if world:
            world.end()
        if keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def check_parser(*programs):
    """The arguments that each check of a cluster has: these programs and `--keep`."""
    parser = argparse.ArgumentParser()
    for program in programs:
        parser.add_argument(program)
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    return parser


def add_seed(parser):
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))


def seeded(arguments):
    """Prints the seed, which repeats the run, and returns its random numbers."""
    print(f"seed {arguments.seed}", flush=True)
    return random.Random(arguments.seed)


def in_a_namespace(*kinds):
    """Starts this check again in namespaces of its own. They and what was mounted in them are gone when it ends."""
    if "TCP_CHAT_IN_A_NAMESPACE" not in os.environ:
        os.environ["TCP_CHAT_IN_A_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", *kinds, "--", sys.executable, *sys.argv])
