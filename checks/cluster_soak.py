#!/usr/bin/env python3
"""Keeps a cluster busy for long while its processes are killed and paused, and watches what each daemon uses.

    python3 checks/cluster_soak.py DAEMON NATS_SERVER [--minutes 60] [--seed N] [--keep]

Every 20 seconds one of the six processes is killed or paused at random, and comes back (cluster.py). The first daemon is
only paused, so its memory and its open files are those of the whole time. Besides the clients of cluster_load.py, which says
what they check, there are: a user who writes direct messages, and one who must get each of them once and in order; members
that join and leave rooms; and users who come, ask, open rooms and vanish.

The bounds:

* memory (RssAnon of the kernel) of each daemon, from ten minutes on: the median of the second half of the time is at
  most a tenth and 20 MiB above that of the first half. 16 MiB of it are the page cache of its store, which fills as messages
  are written and is freed when nothing is written for a while. Therefore it is measured again when all clients have left and
  that cache is free: at most 12 MiB above what it was before they came. Half a KiB stays for each pair of users with direct
  messages, and as long as their messages;
* open files of each daemon, after all clients have left: at most 20 more than before they came;
* the folder of each store: at most 64 MiB, and 3,000 bytes for each message;
* no event of a daemon's log is an error, and no store was set aside.

Needs only Python 3.8. The last line is `passed` or the failed checks; the exit code is the same.
"""

import asyncio
import contextlib
import json
import os
import random
import statistics
import sys
import time

from cluster import one_round
from cluster_load import LOST, Member, PATIENCE, under_load
from cluster_world import NODES, add_seed, check_parser, cluster, seeded
from running import verdict
from soak import JUDGED, look

EVERY = 20
# Between two samples, in seconds.
SAMPLE = 5
# Of a speaker. Slower than in the rounds, so that an hour of messages can be compared at the end.
PAUSE = (0.2, 0.6)
ROOMS = 30
EAR = "ear"
STORE_BYTES, MESSAGE_BYTES = 64 << 20, 3000
# What stays of an hour of guests, and a full page cache of the store with some room, in KiB.
QUIET, CACHE = 12288, 20480


class Use:
    """What the daemons use."""

    def __init__(self, them):
        self.them = them
        # For each daemon: (memory in KiB, open files, bytes of its store).
        self.samples = [[] for _ in them.nodes]

    def now(self, number):
        """`None`: the daemon does not run."""
        node = self.them.nodes[number]
        try:
            memory, files = look(node.child.pid)
        except OSError:
            return None
        return memory, files, self.disk(number)

    def disk(self, number):
        size = 0
        for name in os.scandir(os.path.join(self.them.nodes[number].folder, "data")):
            # A file of the store may go while they are counted.
            with contextlib.suppress(FileNotFoundError):
                size += name.stat().st_size if name.is_file() else 0
        return size

    async def watch(self, world):
        while not world.over:
            for number, samples in enumerate(self.samples):
                one = self.now(number)
                if one:
                    samples.append(one)
            await asyncio.sleep(SAMPLE)


async def asks(me, op, data=None, **more):
    """Sends a request, and waits for its reply. Messages that come before it are noted."""
    me.send(op, data, id="ask", **more)
    while True:
        line = await me.line()
        me.note(line)
        if line.get("id") == "ask":
            return line


async def whispers(world):
    """Writes direct messages. A message without an answer is sent again under its id."""
    me = Member(world, "whisperer", 1)
    world.whispered = 0
    if not await me.back():
        return
    while not world.silent:
        number = world.whispered + 1
        try:
            me.send("MSG", {"to": EAR, "msg": f"w {number}"}, id=number)
            line = await me.line()
            while line.get("id") != number:
                me.note(line)
                line = await me.line()
            me.note(line)
            if line["op"] == "MSG":
                world.whispered = number
                await asyncio.sleep(random.uniform(*PAUSE))
                if random.random() < 0.02:
                    me.vanish()
                    me.node = random.randrange(NODES)
                    if not await me.back():
                        return
            else:
                # The other one does not exist yet, or nothing can be ordered.
                await asyncio.sleep(line["data"].get("retry_after_ms", 500) / 1000)
        except LOST:
            me.node = (me.node + 1) % NODES
            if not await me.back():
                return


async def is_told(world):
    """Hears the direct messages, each once and in order. Its session goes on at any node."""
    me = Member(world, EAR, 2)
    world.told = 0
    if not await me.back():
        return
    while not world.over:
        try:
            line = await me.line(1)
            if me.note(line) and line["data"]["msg"].startswith("w "):
                number = int(line["data"]["msg"][2:])
                # A first login that was given up may have begun a session: it had the messages before.
                if world.told and number != world.told + 1:
                    world.faults.append(f"direct message {number} came after {world.told}")
                world.told = number
                if random.random() < 0.02:
                    me.vanish()
                    me.node = random.randrange(NODES)
                    if not await me.back():
                        return
        except asyncio.TimeoutError:
            continue
        except LOST:
            me.node = (me.node + 1) % NODES
            if not await me.back():
                return


async def wanders(world, number):
    """A session that joins and leaves rooms, and loses its connection now and then."""
    me = Member(world, f"wanderer{number}", number % NODES)
    if not await me.back():
        return
    while not world.over:
        try:
            room = f"room{random.randrange(ROOMS)}"
            for op in ("JOIN", "LEAVE"):
                line = await asks(me, op, {"room": room})
                world.count(f"{op}, {line['status']}")
            await asyncio.sleep(random.uniform(0.1, 1))
            if random.random() < 0.1:
                me.vanish()
                me.node = random.randrange(NODES)
                if not await me.back():
                    return
        except LOST:
            me.node = (me.node + 1) % NODES
            if not await me.back():
                return


async def passes_by(world):
    """A user with a new name: the session ends with QUIT, or by its time."""
    while not world.over:
        me = Member(world, f"guest{random.randrange(10**9)}", random.randrange(NODES))
        try:
            await me.connect()
            reply = await asks(me, "LOGIN", {"name": me.name})
            if reply["status"] == "OK":
                me.seen = reply["data"]["head"]
                await asks(me, "JOIN", {"room": f"room{random.randrange(ROOMS)}"})
                await asks(me, "MSG", {"to": "wanderer0", "msg": "psst " + "y" * random.randrange(1000)})
                await asks(me, "HISTORY", {"room": "lobby", "limit": 20})
                await asks(me, "SEARCH", {"query": "s1", "limit": 5})
                await asks(me, "WHO", {})
                if random.random() < 0.5:
                    await asks(me, "QUIT")
                world.count("passed by")
        except LOST:
            world.count("passed by, lost")
        finally:
            me.vanish()
        await asyncio.sleep(random.uniform(0.2, 1))


async def disturb(world, them, rng, seconds):
    """Kills and pauses for so long."""
    until, number = time.monotonic() + seconds, 0
    while time.monotonic() < until and not world.faults:
        next_at = time.monotonic() + EVERY
        number += 1
        await one_round(world, them, rng, number, spared=them.nodes[0])
        await asyncio.sleep(max(0, min(next_at, until) - time.monotonic()))


async def soak(them, rng, minutes):
    """The faults, and what was used. Returns it with what each daemon uses at the end."""
    use = Use(them)
    before = [use.now(number) for number in range(NODES)]
    worlds = []

    async def watches(world):
        worlds.append(world)
        await use.watch(world)

    others = [watches, whispers, is_told, passes_by, passes_by]
    others += [lambda world, number=number: wanders(world, number) for number in range(3)]
    faults = await under_load(them, lambda world: disturb(world, them, rng, 60 * minutes), others, PAUSE, minutes=minutes)
    world = worlds[0]
    if not 0 < world.whispered <= world.told:
        faults.append(f"{world.whispered} direct messages were acknowledged, and {world.told} were heard")
    # Sessions and connections of those who vanished end, and then nothing is written any more.
    until = time.monotonic() + 3 * PATIENCE
    while time.monotonic() < until:
        after = [use.now(number) for number in range(NODES)]
        if all(now and now[1] <= then[1] + 20 and now[0] <= then[0] + QUIET for now, then in zip(after, before)):
            break
        await asyncio.sleep(1)
    return faults + judge(use.samples, before, after, world, minutes)


def judge(samples, before, after, world, minutes):
    faults = []
    messages = len(world.acknowledged) + world.whispered + world.counts.get("passed by", 0)
    for number, (of, then, now) in enumerate(zip(samples, before, after)):
        name = f"node{number}"
        if not now:
            faults.append(f"{name} does not run at the end")
            continue
        # The first fifth fills caches and pools.
        memory = [one[0] for one in of][len(of) // 5:]
        half = len(memory) // 2
        first, second = (statistics.median(part) if part else 0 for part in (memory[:half], memory[half:]))
        print(f"{name}: anonymous memory {first:.0f} KiB (median of the first half), {second:.0f} KiB (of the second), "
              f"{max(memory, default=0)} KiB (most), {then[0]} KiB before the load, {now[0]} KiB after it; open files "
              f"{then[1]} before, {max(one[1] for one in of)} at most, {now[1]} after; store {now[2] >> 10} KiB for about "
              f"{messages} messages", flush=True)
        if minutes >= JUDGED and second > first * 1.1 + CACHE:
            faults.append(f"{name}: memory grows from {first:.0f} to {second:.0f} KiB")
        if now[0] > then[0] + QUIET:
            faults.append(f"{name}: {then[0]} KiB of memory before the load, and {now[0]} KiB after it")
        if now[1] > then[1] + 20:
            faults.append(f"{name}: {then[1]} files were open before, {now[1]} after")
        if now[2] > STORE_BYTES + MESSAGE_BYTES * messages:
            faults.append(f"{name}: its store has {now[2]} bytes after {messages} messages")
    return faults


def errors(them):
    """What no fault of this check leads to."""
    faults = []
    for node in them.nodes:
        lines = [json.loads(line) for line in node.said().splitlines() if line.startswith("{")]
        # A line of the NATS library has no event.
        faults += [f"{node.name}: {line}" for line in lines if line.get("level") == "ERROR" and "event" in line]
        faults += [f"{node.name}: {name}" for name in os.listdir(os.path.join(node.folder, "data")) if "set-aside" in name]
    return faults


def main():
    parser = check_parser("daemon", "nats_server")
    add_seed(parser)
    parser.add_argument("--minutes", type=float, default=60)
    arguments = parser.parse_args()
    rng = seeded(arguments)
    with cluster(arguments.daemon, arguments.nats_server, arguments.keep) as them:
        them.begin()
        faults = asyncio.run(soak(them, rng, arguments.minutes)) + errors(them)
    return verdict(faults)


if __name__ == "__main__":
    sys.exit(main())
