#!/usr/bin/env python3
"""Runs churn for a while, then checks: memory is flat, no descriptor leaks, and every listener got each
acknowledged message once and in order.

    python3 checks/soak.py DAEMON [--minutes 20]

Starts the daemon DAEMON in a new folder with short times (a TTL of 5 s, a minute of history), so that expiry
happens many times. Then, in parallel and at a moderate pace: speakers that lose their connections and resume,
listeners of which one does the same, users with new names that open rooms, write direct messages and leave or
vanish, floods over the rate limit, garbage, half-open handshakes, and readers that read nothing. Growth of
memory (RssAnon of the kernel) is checked from ten minutes on. Needs only Python 3.8. The last line is `passed`
or the failed checks; the exit code is the same.
"""

import argparse
import asyncio
import json
import os
import random
import re
import signal
import ssl
import statistics
import sys
import time

from running import running, verdict

SETTINGS = """
[listen]
address = "127.0.0.1:0"
[sessions]
ttl = "5s"
[history]
retain = "1m"
[limits]
stall = "5s"
handshake = "2s"
login = "2s"
rooms = 500
[log]
format = "json"
level = "warn,tcp_chatd::daemon=info"
"""
SPEAKERS = 6
# A run shorter than this many minutes does not check memory growth.
JUDGED = 10
FLOOD_LINES = 3000


class Peer:
    """One connection; its user reads all lines."""

    async def connect(self, world):
        self.reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", world.port, ssl=world.context, server_hostname="localhost", limit=1 << 20)
        return self

    def send(self, op, data=None, **more):
        self.writer.write(json.dumps({"op": op, "data": data, **more}).encode() + b"\n")

    async def next(self):
        line = await asyncio.wait_for(self.reader.readline(), 30)
        if not line:
            raise ConnectionResetError("closed")
        return json.loads(line)

    async def until(self, wanted):
        while True:
            line = await self.next()
            if wanted(line):
                return line

    async def login(self, name, **more):
        self.send("LOGIN", {"name": name, **more}, id="login")
        reply = await self.until(lambda line: line.get("id") == "login")
        if reply["status"] != "OK":
            raise AssertionError(reply)
        return reply["data"]

    def vanish(self):
        self.writer.transport.abort()


class World:
    def __init__(self, port, ca):
        self.port = port
        self.context = ssl.create_default_context(cafile=ca)
        self.over = False
        self.faults = []
        self.counts = {}
        self.acknowledged = [0] * SPEAKERS

    def count(self, what, by=1):
        self.counts[what] = self.counts.get(what, 0) + by


class Member:
    """A session that outlives its connections: it resumes and has missed nothing."""

    def __init__(self, world, name):
        self.world, self.name, self.peer, self.token, self.seen = world, name, None, None, 0

    async def back(self):
        while not self.world.over:
            try:
                self.peer = await Peer().connect(self.world)
                if self.token:
                    data = await self.peer.login(self.name, session=self.token, after=self.seen)
                else:
                    data = await self.peer.login(self.name)
                    self.token = data["session"]
                    # Messages before the login are not requested.
                    self.seen = data["head"]
                return
            except (OSError, asyncio.TimeoutError):
                await asyncio.sleep(0.2)

    async def hears(self):
        """The next line; the seq of a message has risen, unless it answers a resent message."""
        line = await self.peer.next()
        if line["op"] == "MSG" and line["status"] == "OK":
            seq = line["data"]["seq"]
            if seq > self.seen:
                self.seen = seq
            elif "id" not in line:
                self.world.faults.append(f"{self.name} got {seq} after {self.seen}")
        elif line["op"] == "NOTICE" and line["data"]["kind"] == "GAP":
            self.world.faults.append(f"{self.name} has a gap: {line}")
        return line


async def speaks(world, number):
    me = Member(world, f"speaker{number}")
    await me.back()
    said = 0
    while not world.over:
        text = f"s{number} {said + 1} " + "x" * random.randrange(400)
        try:
            me.peer.send("MSG", {"room": "lobby", "msg": text}, id=said + 1)
            if random.random() < 0.05:
                # Often before the reply: then the message is sent again.
                me.peer.vanish()
                world.count("lost while speaking")
            while True:
                line = await me.hears()
                if line.get("id") == said + 1:
                    break
            if line["op"] == "MSG":
                said += 1
                world.acknowledged[number] = said
            elif line["data"]["kind"] != "RATE_LIMITED":
                world.faults.append(f"{me.name} was refused: {line}")
                return
            await asyncio.sleep(random.uniform(0.1, 0.4))
        except (OSError, asyncio.IncompleteReadError):
            await me.back()
    me.peer.vanish()


async def listens(world, name, heard, vanishes):
    """Notes the newest message of each speaker; each must follow the last one."""
    me = Member(world, name)
    await me.back()
    while not world.over:
        try:
            line = await me.hears()
            said = re.match(r"s(\d+) (\d+) ", line["data"]["msg"]) if line["op"] == "MSG" else None
            if said:
                speaker, number = int(said[1]), int(said[2])
                last = heard.get(speaker)
                if last is not None and number != last + 1:
                    world.faults.append(f"{name} heard {number} of speaker {speaker} after {last}")
                heard[speaker] = number
                world.count("heard")
            if vanishes and random.random() < 0.01:
                me.peer.vanish()
                world.count("lost while listening")
                await asyncio.sleep(random.uniform(0, 2))
                await me.back()
        except asyncio.TimeoutError:
            world.faults.append(f"{name} heard nothing for long")
        except (OSError, asyncio.IncompleteReadError):
            await me.back()
    me.peer.vanish()


async def again_and_again(world, what, act, pause):
    while not world.over:
        try:
            await act(world)
            world.count(what)
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError):
            world.count(what + ", closed")
        except Exception as why:  # a fault of what is tested, or of this script: either way it is told
            world.faults.append(f"{what}: {why!r}")
        await asyncio.sleep(random.uniform(pause / 2, pause * 1.5))


async def passes_by(world):
    peer = await Peer().connect(world)
    await peer.login(f"guest{random.randrange(10**9)}")
    peer.send("JOIN", {"room": f"room{random.randrange(10**6)}"})
    peer.send("MSG", {"to": f"speaker{random.randrange(SPEAKERS)}", "msg": "psst " + "y" * random.randrange(2000)})
    peer.send("HISTORY", {"room": "lobby", "limit": 20})
    peer.send("SEARCH", {"query": "s1", "limit": 5})
    peer.send("WHO", {}, id="who")
    await peer.until(lambda line: line.get("id") == "who")
    if random.random() < 0.5:
        peer.send("QUIT")
    peer.vanish() if random.random() < 0.5 else peer.writer.close()


async def floods(world):
    peer = await Peer().connect(world)
    await peer.login(f"flood{random.randrange(10**9)}", rooms=["flood"])
    lines = b'{"op":"MSG","data":{"room":"flood","msg":"z"}}\nnonsense\n' * (FLOOD_LINES // 2)

    async def send():
        peer.writer.write(lines)
        peer.send("PING", id="end")
        await peer.writer.drain()

    sending = asyncio.ensure_future(send())
    refused = 0
    try:
        while True:
            line = await peer.next()
            refused += line["status"] == "ERR"
            if line.get("id") == "end":
                break
    finally:
        sending.cancel()
        peer.vanish()
    world.count("refused lines", refused)


async def knocks(world):
    _, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(random.choice([b"", b"\x16\x03\x01\x00\x2d\x01", b"GET / HTTP/1.1\r\n\r\n", os.urandom(300)]))
    await asyncio.sleep(random.uniform(0, 4))
    writer.transport.abort()


async def reads_nothing(world):
    peer = await Peer().connect(world)
    await peer.login(f"deaf{random.randrange(10**9)}")
    peer.writer.transport.pause_reading()
    for _ in range(40):
        peer.send("HISTORY", {"room": "lobby", "limit": 500})
    await asyncio.sleep(8)
    peer.vanish()


def look(pid):
    """Anonymous memory in KiB, and open files."""
    with open(f"/proc/{pid}/status") as status:
        memory = int(re.search(r"RssAnon:\s+(\d+)", status.read())[1])
    return memory, len(os.listdir(f"/proc/{pid}/fd"))


async def soak(process, port, ca, seconds):
    world = World(port, ca)
    async with asyncio.timeout(20) if hasattr(asyncio, "timeout") else _Nothing():
        first = await Peer().connect(world)
        await first.login("first")
        first.send("HISTORY", {"room": "lobby"}, id=1)
        await first.until(lambda line: line.get("id") == 1)
        first.send("QUIT")
        first.writer.close()
    heard = [{}, {}]
    tasks = [speaks(world, number) for number in range(SPEAKERS)]
    tasks += [listens(world, "listener", heard[0], False), listens(world, "resumer", heard[1], True)]
    tasks += [again_and_again(world, "passed by", passes_by, 0.3) for _ in range(2)]
    tasks += [again_and_again(world, "flooded", floods, 5)]
    tasks += [again_and_again(world, "knocked", knocks, 0.3) for _ in range(3)]
    tasks += [again_and_again(world, "read nothing", reads_nothing, 2)]
    tasks = [asyncio.ensure_future(task) for task in tasks]
    began, samples = time.monotonic(), []
    while time.monotonic() - began < seconds and process.poll() is None and not world.faults:
        await asyncio.sleep(min(2, seconds / 50))
        samples.append(look(process.pid))
    last = list(world.acknowledged)
    # The last acknowledged messages arrive, too, and then all clients leave.
    for _ in range(100):
        if all(heard[who].get(n, 0) >= last[n] for who in (0, 1) for n in range(SPEAKERS)):
            break
        await asyncio.sleep(0.1)
    else:
        world.faults.append(f"acknowledged {last}, heard {heard}")
    world.over = True
    await asyncio.wait(tasks, timeout=40)
    for task in tasks:
        task.cancel()
        if task.done() and not task.cancelled() and task.exception():
            world.faults.append(repr(task.exception()))
    # Away sessions end, half-open handshakes are closed.
    await asyncio.sleep(8)
    return world, samples, look(process.pid)


class _Nothing:
    async def __aenter__(self):
        return None

    async def __aexit__(self, *_):
        return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("daemon")
    parser.add_argument("--minutes", type=float, default=20)
    arguments = parser.parse_args()
    with running(arguments.daemon, SETTINGS) as daemon:
        return verdict(look_at(daemon, arguments.minutes))


def look_at(daemon, minutes):
    """The failed checks."""
    process = daemon.process
    files_before = look(process.pid)[1]
    world, samples, (memory_after, files_after) = asyncio.run(soak(process, daemon.port, daemon.ca, minutes * 60))
    faults = world.faults
    # The first fifth fills caches and pools.
    memory = [memory for memory, _ in samples][len(samples) // 5:]
    half = len(memory) // 2
    first, second = statistics.median(memory[:half]), statistics.median(memory[half:])
    # In its first minutes the daemon still fills its caches.
    if minutes >= JUDGED and second > first * 1.1 + 1024:
        faults.append(f"memory grows: {first:.0f} KiB in the first half, {second:.0f} KiB in the second")
    # Readers of the store open their files when needed: two each.
    if files_after > files_before + 20:
        faults.append(f"{files_before} files were open before, {files_after} after")
    process.send_signal(signal.SIGTERM)
    code = process.wait(30)
    if code != 0:
        faults.append(f"it ended with {code}")
    with open(daemon.log) as log:
        faults += [line.strip() for line in log if '"level":"ERROR"' in line]
    print(json.dumps({"minutes": minutes, "acknowledged": sum(world.acknowledged), **world.counts}))
    tenth = max(1, len(samples) // 10)
    tenths = [statistics.median(m for m, _ in samples[at:at + tenth]) for at in range(0, len(samples), tenth)]
    print("anonymous memory, by tenths of the time:", ", ".join(f"{m:.0f}" for m in tenths[:10]), "KiB")
    print(f"anonymous memory: {first:.0f} KiB (median of the first half), {second:.0f} KiB (of the second), "
          f"{max(memory)} KiB (most), {memory_after} KiB (after all had left); "
          f"open files: {files_before} before, {max(files for _, files in samples)} at most, {files_after} after")
    return faults


if __name__ == "__main__":
    sys.exit(main())
