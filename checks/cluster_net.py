#!/usr/bin/env python3
"""Cuts the network between the six processes of a cluster, under load, and checks what is promised.

    sudo python3 checks/cluster_net.py DAEMON NATS_SERVER [--seconds 12] [--seed N] [--keep]

Each NATS server and each daemon has a network namespace of its own; a bridge joins them with the clients (cluster_load.py,
which says what they check). All links use TLS, also those to NATS. nftables drops packets for some seconds, without a word to
either side: one daemon is cut off from NATS; one server from all; one machine (a server and a daemon) from the other two; what
one daemon sends to NATS is lost, but not what it hears; what one server sends to the others is lost. Then 1 % of all packets is
lost, with a delay of 5 ms where the kernel has netem. Everything is in a namespace that ends with this program, so nothing of
it is seen from this host. Needs root, ip, tc, nft, openssl, unshare and Python 3.8. The last line is `passed` or the failed
checks; the exit code is the same.
"""

import argparse
import asyncio
import os
import random
import subprocess
import sys

from cluster_load import Member, kept_again, under_load
from cluster_world import NODES, Loopback, cluster
from running import verdict

NETWORK = "10.231.78"
SERVERS = [f"nats{number}" for number in range(NODES)]
DAEMONS = [f"node{number}" for number in range(NODES)]
HOSTS = {**{name: f"{NETWORK}.{number + 1}" for number, name in enumerate(SERVERS)},
         **{name: f"{NETWORK}.{number + 11}" for number, name in enumerate(DAEMONS)}}
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
        self.servers = [f"{HOSTS[name]}:4222" for name in SERVERS]
        self.routes = [f"{HOSTS[name]}:6222" for name in SERVERS]
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
        """A hundredth of all packets is lost, and each is late where the kernel can do that."""
        late = True
        for name in HOSTS:
            self.rule(name, "numgen random mod 100 == 0 drop")
            done = subprocess.run(["ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", "eth0", "root", "netem", "delay",
                                   "2500us"], stderr=subprocess.DEVNULL)
            late &= done.returncode == 0
        return late

    def heal(self):
        for name in HOSTS:
            run("ip", "netns", "exec", name, "nft", "flush", "ruleset")
            subprocess.run(["ip", "netns", "exec", name, "tc", "qdisc", "del", "dev", "eth0", "root"],
                           stderr=subprocess.DEVNULL)


def between(some, others):
    """All pairs, in both directions."""
    return [pair for one in some for other in others for pair in ((one, other), (other, one))]


def cuts(rng):
    """Their titles, the pairs, and the daemon that has to say that nothing can be ordered."""
    daemon, server, machine, deaf, mute = (rng.randrange(NODES) for _ in range(5))
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


async def lossy(world, net, seconds):
    late = net.lose()
    title = "1 % of packets is lost" + (", and each is 2.5 ms late in each direction" if late else
                                        " (without a delay: this kernel has no netem)")
    print(title, end="", flush=True)
    before = len(world.acknowledged)
    await asyncio.sleep(seconds)
    print(f": {len(world.acknowledged) - before} messages meanwhile", flush=True)
    net.heal()
    await kept_again(world, title)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("daemon")
    parser.add_argument("nats_server")
    parser.add_argument("--seconds", type=float, default=12, help="of each cut; an election of NATS takes up to 10")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    arguments = parser.parse_args()
    if "TCP_CHAT_IN_A_NAMESPACE" not in os.environ:
        os.environ["TCP_CHAT_IN_A_NAMESPACE"] = "1"
        os.makedirs("/run/netns", exist_ok=True)
        os.execvp("unshare", ["unshare", "--net", "--mount", "--", sys.executable, *sys.argv])
    print(f"seed {arguments.seed}", flush=True)
    rng = random.Random(arguments.seed)
    with cluster(arguments.daemon, arguments.nats_server, arguments.keep, Net) as them:
        them.begin()

        async def disturb(world):
            for title, pairs, silent in cuts(rng):
                if not world.faults:
                    await one_cut(world, them.places, title, pairs, silent, arguments.seconds)
            if not world.faults:
                await lossy(world, them.places, arguments.seconds)
            for process in them.nodes + them.servers:
                if not process.runs():
                    world.faults.append(f"{process.name} has ended with {process.child.returncode}")

        faults = asyncio.run(under_load(them, disturb))
    return verdict(faults)


if __name__ == "__main__":
    sys.exit(main())
