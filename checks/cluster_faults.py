#!/usr/bin/env python3
"""Does harm to a cluster under load, and checks what is promised.

    sudo python3 checks/cluster_faults.py DAEMON NATS_SERVER [--only NAME]... [--seed N] [--keep]

The harm, in this order; the clients are those of cluster_load.py, which says what they check:

    policy    one node's file has another rule for topics: it says so, and goes by the log
    join      a fourth node joins
    copies    entries are published again, twice and in another order, and under their own numbers as from the stream
    forged    entries without the key, and real ones with one changed bit
    garbage   1 MB/s on the subjects of the log, of the signs of life and of the copies
    rolling   SIGTERM and a start of each node, one after the other
    daemons   all daemons are killed at once
    servers   all NATS servers are killed at once
    disk      the disk of one node is full: it hands its clients over, and comes back
    retain    each node's file keeps another number of messages; when the load has ended, all nodes remove the same ones
    contract  checks/contract.py against each node, at the end

Needs root (for a small disk, in a mount namespace of its own), unshare and Python 3.8. The last line is `passed` or the failed
checks; the exit code is the same.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import time

from cluster_load import Member, PATIENCE, World, history, kept_again, under_load
from cluster_world import Loopback, add_seed, check_parser, cluster, in_a_namespace, seeded
from running import verdict

HERE = os.path.dirname(os.path.abspath(__file__))
# As many seconds for each harm that lasts.
SECONDS = 8
DISK = "16m"


class Places(Loopback):
    """One node's own policy differs from that of the cluster. One may have a small disk."""

    def __init__(self, folder):
        super().__init__(folder)
        self.disks = []

    def node_settings(self, number):
        return "[rooms]\ntopic_by_members = false\n" if number == 1 else ""

    def add_disk(self, folder):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0700", "none", folder], check=True)
        self.disks.append(folder)

    def end(self):
        for folder in self.disks:
            subprocess.run(["umount", folder])


class Raw:
    """A client of NATS that has no key. It speaks the protocol as text."""

    def __init__(self, server):
        self.server = server
        self.heard = []

    async def __aenter__(self):
        host, port = self.server.rsplit(":", 1)
        self.reader, self.writer = await asyncio.open_connection(host, port, limit=1 << 22)
        await self.reader.readline()
        self.writer.write(b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\nPING\r\n')
        self.task = asyncio.ensure_future(self.hears())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        self.writer.close()

    async def hears(self):
        """Keeps headers and body of each message."""
        while True:
            words = (await self.reader.readline()).split()
            if not words:
                return
            if words[0] == b"PING":
                self.writer.write(b"PONG\r\n")
            elif words[0] in (b"MSG", b"HMSG"):
                total = int(words[-1])
                head = int(words[-2]) if words[0] == b"HMSG" else 0
                data = await self.reader.readexactly(total + 2)
                self.heard.append((data[:head], data[head:total]))

    def subscribe(self, subject):
        self.writer.write(f"SUB {subject} 1\r\n".encode())

    async def publish(self, subject, body, head=b""):
        if head:
            self.writer.write(f"HPUB {subject} {len(head)} {len(head) + len(body)}\r\n".encode() + head + body + b"\r\n")
        else:
            self.writer.write(f"PUB {subject} {len(body)}\r\n".encode() + body + b"\r\n")
        await self.writer.drain()


async def some_entries(raw, count):
    """Waits until so many real entries are heard, and takes them."""
    until = time.monotonic() + PATIENCE
    while len(raw.heard) < count and time.monotonic() < until:
        await asyncio.sleep(0.05)
    taken, raw.heard = raw.heard, []
    if len(taken) < count:
        raise SystemExit(f"only {len(taken)} entries are heard")
    return taken


async def policy(world, them, _rng):
    if '"event":"policy_differs"' not in them.nodes[1].said():
        world.faults.append("node1 does not say that its policy differs")


async def join(world, them, _rng):
    them.add_node()
    await off_the_loop(them.start, len(them.nodes) - 1)


async def copies(world, them, rng):
    async with Raw(them.places.servers[0]) as raw:
        raw.subscribe("TCPCHAT.read")
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            taken = await some_entries(raw, 20)
            rng.shuffle(taken)
            for head, body in taken[:30]:
                # The log stores it again, in a place where it does not count.
                for _ in range(2):
                    await raw.publish("TCPCHAT.log", body)
                # The record itself, late: each node has it already.
                await raw.publish("TCPCHAT.read", body, head)


async def forged(world, them, rng):
    async with Raw(them.places.servers[1]) as raw:
        raw.subscribe("TCPCHAT.read")
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            for _, body in [entry for entry in await some_entries(raw, 10) if len(entry[1]) > 64][:20]:
                changed = bytearray(body)
                changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
                await raw.publish("TCPCHAT.log", bytes(changed))
                # The header of a real one; the sealed body of nobody.
                await raw.publish("TCPCHAT.log", body[:64] + os.urandom(rng.randrange(300)))
                await raw.publish("TCPCHAT.log", body[:rng.randrange(len(body))])
                await raw.publish("TCPCHAT.beat", bytes(changed))


async def garbage(world, them, rng):
    async with Raw(them.places.servers[2]) as raw:
        began, sent = time.monotonic(), 0
        while time.monotonic() < began + SECONDS:
            for subject in ("log", "beat", "copy", "copy.1"):
                body = os.urandom(rng.choice((0, 1, 100, 4096, 20000)))
                await raw.publish(f"TCPCHAT.{subject}", body)
                sent += len(body)
            await raw.publish("TCPCHAT.read", os.urandom(100))
            await asyncio.sleep(max(0, sent / 1e6 - (time.monotonic() - began)))


async def rolling(world, them, _rng):
    for number, node in enumerate(them.nodes):
        code = await off_the_loop(node.stop)
        if code != 0:
            world.faults.append(f"{node.name} ended with {code} after SIGTERM")
        await off_the_loop(them.start, number)
        await kept_again(world, f"rolling, after {node.name}")


async def daemons(world, them, _rng):
    for node in them.nodes:
        node.kill()
    await asyncio.gather(*(off_the_loop(them.start, number) for number in range(len(them.nodes))))


async def servers(world, them, _rng):
    for server in them.servers:
        server.kill()
    await asyncio.sleep(2)
    for server in them.servers:
        server.start()


async def disk(world, them, _rng):
    """The node moves to a small disk, which is filled with a file, and emptied later."""
    number = 2
    node = them.nodes[number]
    await off_the_loop(node.stop)
    data, moved = os.path.join(node.folder, "data"), os.path.join(node.folder, "moved")
    os.rename(data, moved)
    os.mkdir(data, 0o700)
    them.places.add_disk(data)
    shutil.copytree(moved, data, dirs_exist_ok=True, ignore=lambda folder, names: [n for n in names if n.endswith(".sock")])
    await off_the_loop(them.start, number)
    await kept_again(world, "disk, moved")
    fill = os.path.join(data, "fill")
    with open(fill, "wb", buffering=0) as to:
        try:
            while True:
                to.write(bytes(1 << 12))
        except OSError:
            pass
    before = len(world.acknowledged)
    began = time.monotonic()
    await refuses(world, number)
    print(f" (refuses after {time.monotonic() - began:.0f} s)", end="", flush=True)
    await kept_again(world, "disk full, on the other nodes")
    print(f" ({len(world.acknowledged) - before} messages while it is full)", end="", flush=True)
    os.remove(fill)
    if not node.runs():
        print(f" ({node.name} ended with {node.child.returncode})", end="", flush=True)
        await off_the_loop(them.start, number)
    await serves(world, number)


async def asked(world, number):
    """The reply of this node to a login; `None`: no connection, or none any longer."""
    me = Member(world, "probe", number)
    try:
        await me.connect()
        me.send("LOGIN", {"name": me.name}, id="login")
        line = await me.line(5)
        while line.get("id") != "login":
            line = await me.line(5)
        me.send("QUIT")
        await me.writer.drain()
        return line
    except (OSError, asyncio.TimeoutError):
        return None
    finally:
        me.vanish()


async def refuses(world, number):
    """Waits until this node lets nobody in. Until then it really can write: where its files have room already."""
    until = time.monotonic() + 3 * PATIENCE
    while time.monotonic() < until:
        line = await asked(world, number)
        if line is None or line["status"] == "ERR" and line["data"]["kind"] == "UNAVAILABLE":
            return
        await asyncio.sleep(0.2)
    world.faults.append(f"node{number} has a full disk, and lets clients in: {line}")


async def serves(world, number):
    """Waits until this node takes a client again, or would but for the name."""
    until = time.monotonic() + PATIENCE
    line = None
    while time.monotonic() < until:
        line = await asked(world, number)
        if line and (line["status"] == "OK" or line["data"]["kind"] == "NAME_TAKEN"):
            return
        await asyncio.sleep(0.2)
    world.faults.append(f"node{number} does not come back: {line}")


def contract(them):
    """Each node on its own: the load is over."""
    faults = []
    for number, (host, port) in enumerate(them.ways[:len(them.nodes)]):
        done = subprocess.run(
            [sys.executable, os.path.join(HERE, "contract.py"), "--host", host, "--port", port, "--ca", them.ca],
            capture_output=True, text=True, timeout=300)
        print(f"contract, node{number}: {done.stdout.splitlines()[-1]}", flush=True)
        if done.returncode != 0:
            faults.append(f"contract.py at node{number}:\n{done.stdout}{done.stderr}")
    return faults


async def retain(them):
    """One node proposes what is removed. Its file counts for all of them."""
    world = World(them.ways, them.ca)
    before = await history(world, 0)
    most = [50 + 10 * number for number in range(len(them.nodes))]
    for number, node in enumerate(them.nodes):
        await off_the_loop(node.stop)
        with open(os.path.join(node.folder, "config.toml"), "a") as config:
            config.write(f"[history]\nretain_messages = {most[number]}\n")
        await off_the_loop(them.start, number)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        after = [await history(world, number) for number in range(len(them.nodes))]
        if all(kept == after[0] and 0 < len(kept) <= max(most) for kept in after):
            break
        await asyncio.sleep(0.5)
    print(f"retain: {len(before)} messages before, {[len(kept) for kept in after]} after", flush=True)
    if any(kept != after[0] or not 0 < len(kept) <= max(most) or kept != before[len(before) - len(kept):] for kept in after):
        return ["retain: the nodes do not keep the same newest messages"]
    return world.faults


def off_the_loop(work, *arguments):
    return asyncio.get_running_loop().run_in_executor(None, work, *arguments)


HARM = [policy, join, copies, forged, garbage, rolling, daemons, servers, disk]


async def suffer(world, them, rng, only):
    for harm in HARM:
        if world.faults or only and harm.__name__ not in only:
            continue
        before, began = len(world.acknowledged), time.monotonic()
        print(f"{harm.__name__}", end="", flush=True)
        await harm(world, them, rng)
        during = len(world.acknowledged)
        await kept_again(world, harm.__name__)
        print(f": {during - before} messages in {time.monotonic() - began:.1f} s", flush=True)
        for process in them.nodes + them.servers:
            if not process.runs():
                world.faults.append(f"{harm.__name__}: {process.name} has ended with {process.child.returncode}")


def main():
    parser = check_parser("daemon", "nats_server")
    add_seed(parser)
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this harm alone")
    arguments = parser.parse_args()
    in_a_namespace("--mount")
    rng = seeded(arguments)
    with cluster(arguments.daemon, arguments.nats_server, arguments.keep, Places) as them:
        them.begin()
        faults = asyncio.run(under_load(them, lambda world: suffer(world, them, rng, arguments.only)))
        if not arguments.only or "retain" in arguments.only:
            faults += asyncio.run(retain(them))
        if not arguments.only or "contract" in arguments.only:
            faults += contract(them)
    return verdict(faults)


if __name__ == "__main__":
    sys.exit(main())
