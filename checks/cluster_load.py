"""Owns the clients of a cluster, and what is promised to them. Used by the checks of a cluster whose names begin with
`cluster`.

Speakers with a session each write to one room and go on with any node after a loss; a listener at each node, which also goes
elsewhere, hears everything. The caller disturbs the cluster meanwhile. At the end:

* each acknowledged message is in the history of every node, once, and the histories are the same, line by line;
* the `prev` of each message is the message before it;
* each listener heard each message once and in order;
* every name has one owner, and every session was resumed with its token.

Needs only Python 3.8."""

import asyncio
import json
import random
import re
import ssl
import time

from cluster_world import NODES

SPEAKERS = 6
PAUSE = (0.02, 0.1)
# How often a speaker goes on elsewhere without a reason: once in so many messages.
MOVES = 1 / 50
PATIENCE = 60


class World:
    """What all clients share: the ways to the nodes, and what they found."""

    def __init__(self, ways, ca, pause=PAUSE):
        self.ways = ways
        # Of a speaker between two messages, from and to, in seconds.
        self.pause = pause
        self.context = ssl.create_default_context(cafile=ca)
        # The speakers end first, then all.
        self.silent = self.over = False
        self.faults = []
        self.counts = {}
        self.acknowledged = {}
        self.longest = 0.0

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1


class Member:
    """A session that goes on with any node."""

    def __init__(self, world, name, node):
        self.world, self.name, self.node = world, name, node
        self.token, self.seen, self.log = None, None, None
        self.reader = self.writer = None
        # A login was sent, and its answer was not awaited: it may be ordered later, and takes the session over.
        self.gave_up = False

    def send(self, op, data=None, **more):
        self.writer.write(json.dumps({"op": op, "data": data, **more}).encode() + b"\n")

    async def line(self, seconds=30):
        got = await asyncio.wait_for(self.reader.readline(), seconds)
        if not got.endswith(b"\n"):
            raise ConnectionResetError("closed")
        return json.loads(got)

    async def connect(self):
        self.reader, self.writer = await asyncio.wait_for(asyncio.open_connection(
            *self.world.ways[self.node], ssl=self.world.context, server_hostname="localhost", limit=1 << 22), 5)

    async def back(self):
        """Logs in or resumes at the next node that takes it."""
        until = time.monotonic() + PATIENCE
        while not self.world.over:
            if time.monotonic() > until:
                self.world.faults.append(f"{self.name} was let in by no node for {PATIENCE} s")
                return False
            try:
                await self.connect()
                data = {"name": self.name}
                if self.token:
                    data.update(session=self.token, after=self.seen, log=self.log)
                self.send("LOGIN", data, id="login")
                was_given_up, self.gave_up = self.gave_up, True
                reply = await self.line(10)
                while reply.get("id") != "login":
                    reply = await self.line(10)
                # This one is answered.
                self.gave_up = was_given_up
                if reply["status"] == "OK":
                    self.enter(reply["data"])
                    return True
                kind = reply["data"]["kind"]
                if kind != "UNAVAILABLE" and not (kind == "NAME_TAKEN" and self.token is None):
                    self.world.faults.append(f"{self.name} was refused: {reply}")
                    return False
                self.world.count("unavailable at login")
            except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, ssl.SSLError):
                pass
            self.vanish()
            self.node = (self.node + 1) % NODES
            await asyncio.sleep(0.05)
        return False

    def enter(self, data):
        self.log = data["log"]
        if self.token is None:
            self.token, self.seen = data["session"], data["head"]
        elif data["session"] != self.token:
            self.world.faults.append(f"{self.name} has another session after a resume")
        else:
            self.world.count("resumed")

    def note(self, line):
        """A message has risen, unless it answers one that was sent again."""
        if line["op"] == "MSG" and line["status"] == "OK":
            seq = line["data"]["seq"]
            if seq > self.seen:
                self.seen = seq
                return True
            if "id" not in line:
                self.world.faults.append(f"{self.name} got {seq} after {self.seen}")
        elif line["op"] == "NOTICE" and line["data"]["kind"] == "TAKEN_OVER" and self.gave_up:
            self.world.count("taken over by a login that was given up")
            self.gave_up = False
            raise ConnectionResetError("taken over")
        elif line["op"] == "NOTICE" and line["data"]["kind"] in ("GAP", "TAKEN_OVER"):
            self.world.faults.append(f"{self.name}: {line}")
        return False

    def vanish(self):
        if self.writer:
            self.writer.transport.abort()


LOST = (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, ssl.SSLError)


async def speaks(world, number):
    me = Member(world, f"speaker{number}", number % NODES)
    said = 0
    if not await me.back():
        return
    while not world.silent:
        sent = time.monotonic()
        try:
            me.send("MSG", {"room": "lobby", "msg": f"s{number} {said + 1}"}, id=said + 1)
            line = await me.line()
            while line.get("id") != said + 1:
                me.note(line)
                line = await me.line()
            me.note(line)
            if line["op"] == "MSG":
                said += 1
                world.acknowledged[(number, said)] = line["data"]["seq"]
                world.longest = max(world.longest, time.monotonic() - sent)
                await asyncio.sleep(random.uniform(*world.pause))
                # After a fault that all nodes had, the first that serves again has all speakers.
                if random.random() < MOVES:
                    world.count("moved")
                    me.vanish()
                    me.node = random.randrange(NODES)
                    if not await me.back():
                        return
            elif line["data"]["kind"] in ("UNAVAILABLE", "RATE_LIMITED"):
                world.count("not taken")
                await asyncio.sleep(line["data"].get("retry_after_ms", 100) / 1000)
            else:
                world.faults.append(f"{me.name} was refused: {line}")
                return
        except LOST:
            world.count("speaker lost its node")
            me.node = (me.node + 1) % NODES
            if not await me.back():
                return


async def listens(world, number, heard):
    me = Member(world, f"listener{number}", number)
    if not await me.back():
        return
    while not world.over:
        try:
            line = await me.line(1)
            if me.note(line):
                heard.append((line["data"]["seq"], line["data"]["msg"]))
        except asyncio.TimeoutError:
            # Nothing was said; and at the end it sees that all is over.
            continue
        except LOST:
            world.count("listener lost its node")
            me.node = (me.node + 1) % NODES
            if not await me.back():
                return


async def history(world, node):
    """All messages of the room as this node tells them, oldest first."""
    me, found = await reads(world, node), []
    data = {"room": "lobby", "limit": 500}
    while True:
        me.send("HISTORY", data, id="page")
        line = await me.line(PATIENCE)
        while line.get("id") != "page":
            line = await me.line(PATIENCE)
        if line["status"] != "OK":
            raise SystemExit(f"node {node} has no history: {line}")
        page = line["data"]["messages"]
        found = page + found
        if not line["data"]["more"]:
            me.send("QUIT")
            return found
        data["before"] = page[0]["seq"]


async def reads(world, node):
    """A session of a new name at this node. The load has ended, and the node may be on its way back from the last disturbance."""
    until = time.monotonic() + PATIENCE
    while True:
        # The name of the reader before may not be free yet.
        me = Member(world, f"reader{random.randrange(10**9)}", node)
        await me.connect()
        me.send("LOGIN", {"name": me.name}, id="login")
        line = await me.line(PATIENCE)
        while line.get("id") != "login":
            line = await me.line(PATIENCE)
        if line["status"] == "OK":
            return me
        me.vanish()
        if line["data"]["kind"] != "UNAVAILABLE" or time.monotonic() > until:
            raise SystemExit(f"node {node}: {line}")
        await asyncio.sleep(0.5)


async def kept_again(world, what, count=5 * SPEAKERS):
    """Waits until so many messages are kept after a disturbance."""
    before = len(world.acknowledged)
    until = time.monotonic() + PATIENCE
    while len(world.acknowledged) < before + count and not world.faults:
        if time.monotonic() > until:
            world.faults.append(f"{what}: nothing is kept any more")
        await asyncio.sleep(0.05)


def compare(world, heard, histories):
    """The promises, one by one."""
    faults = world.faults
    first = histories[0]
    for node, found in enumerate(histories[1:], 1):
        if found != first:
            at = next((n for n, (a, b) in enumerate(zip(first, found)) if a != b), min(len(first), len(found)))
            faults.append(f"node {node} has another history from message {at} on, of {len(first)} and {len(found)}")
    prev = first[0]["prev"] if first else 0
    for message in first:
        if message["prev"] != prev:
            faults.append(f"{message['seq']} follows {message['prev']}, not {prev}")
        prev = message["seq"]
    places = {}
    for message in first:
        said = re.match(r"s(\d+) (\d+)$", message["msg"])
        if said:
            who, number = int(said[1]), int(said[2])
            if (who, number) in places:
                faults.append(f"message {number} of speaker {who} is kept twice")
            if number > 1 and (who, number - 1) not in places:
                faults.append(f"message {number} of speaker {who} comes before the one before it")
            if message["user"] != f"speaker{who}":
                faults.append(f"{message} has another author")
            places[who, number] = message["seq"]
    lost = [said for said, seq in world.acknowledged.items() if places.get(said) != seq]
    if lost:
        faults.append(f"{len(lost)} acknowledged messages are lost or moved: {lost[:5]}")
    told = [(message["seq"], message["msg"]) for message in first]
    for number, got in enumerate(heard):
        wanted = told[told.index(got[0]):][:len(got)] if got and got[0] in told else []
        if not got or got != wanted:
            faults.append(f"listener {number} heard {len(got)} messages that are not the history")
        elif got[-1] != told[-1]:
            faults.append(f"listener {number} did not hear the end")


async def under_load(them, disturb, others=(), pause=PAUSE, **found):
    """Runs `disturb(world)` while the clients speak and hear. Prints figures, and returns the faults. `others` are further
    clients, as functions of the world; each ends when `world.over` is set."""
    world = World(them.ways, them.ca, pause)
    heard = [[] for _ in range(NODES)]
    tasks = [asyncio.ensure_future(listens(world, number, heard[number])) for number in range(NODES)]
    await asyncio.sleep(0.5)
    tasks += [asyncio.ensure_future(other(world)) for other in others]
    speakers = [asyncio.ensure_future(speaks(world, number)) for number in range(SPEAKERS)]
    began = time.monotonic()
    await disturb(world)
    took = time.monotonic() - began
    await end(world, heard, speakers)
    await asyncio.wait(tasks, timeout=PATIENCE)
    for task in tasks + speakers:
        if task.done() and not task.cancelled() and task.exception():
            world.faults.append(repr(task.exception()))
        task.cancel()
    histories = [await history(world, node) for node in range(len(them.nodes))]
    compare(world, heard, histories)
    print(json.dumps({**found, "seconds": round(took), "acknowledged": len(world.acknowledged),
                      "kept": len(histories[0]), "longest_s": round(world.longest, 2), **world.counts}), flush=True)
    return world.faults


async def end(world, heard, speakers):
    """The speakers end; each listener hears what was acknowledged last; then all clients end."""
    world.silent = True
    _, left = await asyncio.wait(speakers, timeout=2 * PATIENCE)
    if left:
        world.faults.append(f"{len(left)} speakers wait for an answer for ever")
    last = max(world.acknowledged.values(), default=0)
    for _ in range(PATIENCE * 10):
        if all(got and got[-1][0] >= last for got in heard) or world.faults:
            break
        await asyncio.sleep(0.1)
    world.over = True
