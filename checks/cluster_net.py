#!/usr/bin/env python3
"""Cuts the network between the six processes of a cluster, under load, and checks what is promised.

    sudo python3 checks/cluster_net.py DAEMON NATS_SERVER [--seconds 25] [--seed N] [--keep]

Each NATS server and each daemon has a network namespace of its own; a bridge joins them with the clients (cluster_load.py,
which says what they check). All links use TLS, also those to NATS. nftables drops packets for some seconds, without a word to
either side: one daemon is cut off from NATS; one server from all; one machine (a server and a daemon) from the other two; what
one daemon sends to NATS is lost, but not what it hears; what one server sends to the others is lost.

Then a second cluster, in which everything that goes to or from NATS, also between its servers, is late by 5 ms in each direction
(late.py), and 1 % of all packets is lost.

Everything is in a namespace that ends with this program, so nothing of it is seen from this host. Needs root, ip, nft, openssl,
unshare and Python 3.8. The last line is `passed` or the failed checks; the exit code is the same.
"""

import asyncio
import os
import subprocess
import sys

from cluster_load import Member, kept_again, under_load
from cluster_world import NODES, Loopback, Process, add_seed, check_parser, cluster, in_a_namespace, seeded
from running import verdict

HERE = os.path.dirname(os.path.abspath(__file__))
NETWORK = "10.231.78"
SERVERS = [f"nats{number}" for number in range(NODES)]
DAEMONS = [f"node{number}" for number in range(NODES)]
HOSTS = {**{name: f"{NETWORK}.{number + 1}" for number, name in enumerate(SERVERS)},
         **{name: f"{NETWORK}.{number + 11}" for number, name in enumerate(DAEMONS)}}
LATE_MS = 5
RULES = "table inet cut {{\n chain heard {{\n  type filter hook input priority 0;\n  {}\n }}\n}}\n"


def run(*words, **more):
    return subprocess.run(words, check=True, **more)


def ip(*words):
    run("ip", *words)


class Net(Loopback):
    """A namespace for each process. What a namespace hears from another one can be dropped."""

    scheme = "tls"

    def __init__(self, folder):
        self.folder = folder
        self.servers = [self.listen(name, 4222) for name in SERVERS]
        self.routes = [self.listen(name, 6222) for name in SERVERS]
        self.nodes = [f"{HOSTS[name]}:3000" for name in DAEMONS]
        run("mount", "-t", "tmpfs", "none", "/run/netns")
        ip("link", "set", "lo", "up")
        ip("link", "add", "chat", "type", "bridge")
        ip("addr", "add", f"{NETWORK}.254/24", "dev", "chat")
        ip("link", "set", "chat", "up")
        for name, host in HOSTS.items():
            ip("netns", "add", name)
            ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", name, "master", "chat", "up")
            ip("-n", name, "addr", "add", f"{host}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        self.certify()

    def listen(self, name, port):
        return f"{HOSTS[name]}:{port}"

    @property
    def to_servers(self):
        return [f"{HOSTS[name]}:4222" for name in SERVERS]

    @property
    def to_routes(self):
        return [f"{HOSTS[name]}:6222" for name in SERVERS]

    def certify(self):
        """A CA, and one certificate for all NATS servers."""
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
        self.ca, self.pem, self.key = (os.path.join(self.folder, name) for name in ("ca.pem", "nats.pem", "nats.key"))
        addresses = ",".join(f"IP:{HOSTS[name]}" for name in SERVERS)
        for words in (
            ("req", "-x509", *key, "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem"),
            ("req", *key[:-2], "-subj", "/CN=nats", "-keyout", "nats.key", "-out", "nats.csr"),
            ("x509", "-req", "-in", "nats.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
             "-extfile", "nats.ext", "-out", "nats.pem"),
        ):
            with open(os.path.join(self.folder, "nats.ext"), "w") as to:
                to.write(f"subjectAltName={addresses}\n")
            run("openssl", *words, cwd=self.folder, stderr=subprocess.DEVNULL)

    def command(self, name, words):
        return ["ip", "netns", "exec", name, *words]

    def server_settings(self):
        return f'tls {{ cert_file: "{self.pem}", key_file: "{self.key}" }}\n'

    def node_settings(self, _number):
        return f'ca = "{self.ca}"\n'

    def rule(self, name, rule):
        """The only rule for what this namespace hears."""
        run("ip", "netns", "exec", name, "nft", "-f", "-", input=RULES.format(rule), text=True)

    def drop(self, pairs):
        """What is sent from the first to the second of a pair is lost."""
        for to in {to for _, to in pairs}:
            hosts = ", ".join(HOSTS[sender] for sender, hearer in pairs if hearer == to)
            self.rule(to, f"ip saddr {{ {hosts} }} drop")

    def lose(self):
        """A hundredth of all packets between two namespaces is lost."""
        for name in HOSTS:
            self.rule(name, "iif != lo numgen random mod 100 == 0 drop")

    def heal(self):
        for name in HOSTS:
            run("ip", "netns", "exec", name, "nft", "flush", "ruleset")

    def end(self):
        """Another one can be made."""
        for name in HOSTS:
            # A namespace takes a while to end, and its links with it.
            ip("link", "del", name)
            ip("netns", "del", name)
        ip("link", "del", "chat")
        run("umount", "/run/netns")


class Late(Net):
    """Daemons and servers find each NATS server behind a program that passes everything on later."""

    def __init__(self, folder):
        super().__init__(folder)
        self.passers = []
        for name in SERVERS:
            place = os.path.join(folder, f"late-{name}")
            os.mkdir(place)
            words = [sys.executable, os.path.join(HERE, "late.py"), str(LATE_MS), "5222=4222", "7222=6222"]
            self.passers.append(Process(f"late-{name}", self.command(name, words), place))
            self.passers[-1].start()

    @property
    def to_servers(self):
        return [f"{HOSTS[name]}:5222" for name in SERVERS]

    @property
    def to_routes(self):
        return [f"{HOSTS[name]}:7222" for name in SERVERS]

    def listen(self, name, port):
        # The passers connect to this host's own address.
        return f"0.0.0.0:{port}"

    def end(self):
        for passer in self.passers:
            passer.kill()
        super().end()


def between(some, others):
    """All pairs, in both directions."""
    return [pair for one in some for other in others for pair in ((one, other), (other, one))]


def cuts(rng, leader):
    """Their titles, the pairs, and the daemon that has to say that nothing can be ordered. The server that leads the stream
    is the one that is cut off."""
    daemon, server, machine, deaf, mute = (rng.randrange(NODES) for _ in range(5))
    server = server if leader is None else leader
    others = [name for name in HOSTS if name != SERVERS[server]]
    apart = {SERVERS[machine], DAEMONS[machine]}
    rest = [name for name in HOSTS if name not in apart]
    return [
        (f"node{daemon} is cut off from NATS", between([DAEMONS[daemon]], SERVERS), daemon),
        (f"nats{server} is cut off from all", between([SERVERS[server]], others), None),
        (f"nats{machine} and node{machine} are cut off", between(apart, rest), machine),
        (f"NATS does not hear node{deaf}", [(DAEMONS[deaf], name) for name in SERVERS], deaf),
        (f"no server hears nats{mute}", [(SERVERS[mute], name) for name in SERVERS if name != SERVERS[mute]], None),
    ]


async def refuses(world, node, seconds):
    """Waits until this daemon says that nothing can be ordered. A client that asks it is not let in."""
    until = asyncio.get_running_loop().time() + seconds
    said = None
    while asyncio.get_running_loop().time() < until:
        me = Member(world, "probe", node)
        try:
            await me.connect()
            me.send("LOGIN", {"name": me.name}, id="login")
            said = await me.line(seconds)
            if said["status"] == "ERR" and said["data"]["kind"] == "UNAVAILABLE":
                return
        except (OSError, asyncio.TimeoutError) as error:
            said = repr(error)
        finally:
            me.vanish()
        await asyncio.sleep(0.2)
    world.faults.append(f"node{node} is cut off and does not say so: {said}")


async def one_cut(world, net, title, pairs, silent, seconds):
    before, began = len(world.acknowledged), asyncio.get_running_loop().time()
    print(f"{title}", end="", flush=True)
    net.drop(pairs)
    if silent is not None:
        # Its `hold` is 4 s.
        await refuses(world, silent, seconds)
    await asyncio.sleep(max(0, began + seconds - asyncio.get_running_loop().time()))
    during = len(world.acknowledged)
    net.heal()
    if during - before < 10:
        world.faults.append(f"{title}: only {during - before} messages were kept in {seconds} s")
    await kept_again(world, title)
    print(f": {during - before} messages meanwhile, {len(world.acknowledged) - during} after", flush=True)


async def lossy(world, them, seconds, _rng):
    them.places.lose()
    title = f"{LATE_MS} ms later in each direction, and 1 % of packets is lost"
    print(title, end="", flush=True)
    before = len(world.acknowledged)
    await asyncio.sleep(seconds)
    during = len(world.acknowledged) - before
    print(f": {during} messages meanwhile", flush=True)
    if during < 10:
        world.faults.append(f"{title}: only {during} messages were kept in {seconds} s")
    them.places.heal()
    await kept_again(world, title)
    ended(world, them)


def main():
    parser = check_parser("daemon", "nats_server")
    add_seed(parser)
    parser.add_argument("--seconds", type=float, default=25,
                        help="of each cut; an election of NATS takes up to 10, and may have to be repeated")
    parser.add_argument("--late", action="store_true", help="only the second cluster")
    arguments = parser.parse_args()
    os.makedirs("/run/netns", exist_ok=True)
    in_a_namespace("--net", "--mount")
    rng = seeded(arguments)
    faults = []
    for places, disturb in ((Net, cut_off), (Late, lossy)):
        if not faults and (places is Late or not arguments.late):
            with cluster(arguments.daemon, arguments.nats_server, arguments.keep, places) as them:
                them.begin()
                faults = asyncio.run(under_load(them, lambda world: disturb(world, them, arguments.seconds, rng)))
    return verdict(faults)


async def cut_off(world, them, seconds, rng):
    for title, pairs, silent in cuts(rng, them.leader()):
        if not world.faults:
            await one_cut(world, them.places, title, pairs, silent, seconds)
    ended(world, them)


def ended(world, them):
    for process in them.nodes + them.servers:
        if not process.runs():
            world.faults.append(f"{process.name} has ended with {process.child.returncode}")


if __name__ == "__main__":
    sys.exit(main())
