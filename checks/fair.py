#!/usr/bin/env python3
"""Checks that one client at full speed delays the others by almost nothing.

    python3 checks/fair.py DAEMON [--seconds 3] [--only KIND] [--store FOLDER] [--short]

Starts the daemon DAEMON with the default settings. Ten users talk in the lobby, one message each every 50 ms,
and the time until each gets its own message back is measured: alone, and beside one client that sends one
kind of request as fast as it can. Alone and beside are measured in turns, three times each. Fails if the
median of the three 99th percentiles beside it is more than twice the one alone (and more than 2 ms longer:
below that the machine is measured), or if one of the three is more than eight times the one alone (and more
than 10 ms longer). The flooding client has the address 127.0.0.2, so that it does not use up the users' rate
limits. The system divides the processors; run it on a quiet machine with two or
more. --short measures half a second per kind and ignores times. Fails if a message is not answered, a user is
disconnected or a program ends. Needs only Python 3.8.
"""

import argparse
import asyncio
import itertools
import json
import os
import select
import socket
import ssl
import statistics
import string
import subprocess
import sys
import time

from running import end, running, verdict

PEOPLE, PAUSE = 10, 0.05
# Measurements per kind: another program on the machine can spoil one of them.
ROUNDS = 3

# A query that finds nothing and must read everything.
EVERY_LETTER = " OR ".join(letter + "*" for letter in string.ascii_lowercase)
HOSTILE = json.dumps({"op": "SEARCH", "data": {"query": f"({EVERY_LETTER}) NOT ({EVERY_LETTER})"}})

MANY_ROOMS = json.dumps({"op": "LOGIN", "data": {"name": "flood", "rooms": [f"many{n}" for n in range(5000)]}})


def fresh_rooms():
    for first in itertools.count(0, 100):
        yield "".join(f'{{"op":"{op}","data":{{"room":"fresh{number}"}}}}\n'
                      for number in range(first, first + 100) for op in ("JOIN", "LEAVE")).encode()


# The flooding client prints this line when it could connect.
BEGUN = "begun"

# The requests of each kind, or the function that makes them.
KINDS = {
    "messages in their room": b'{"op":"MSG","data":"flood"}\n' * 500,
    "messages in a room of its own": b'{"op":"MSG","data":{"room":"flood","msg":"flood"}}\n' * 300,
    "texts of 8 KiB": b'{"op":"MSG","data":{"room":"flood","msg":"' + b"x" * 8192 + b'"}}\n',
    "garbage": b"nonsense\n" * 1500,
    "PING": b'{"op":"PING"}\n' * 1000,
    "pages of history": b'{"op":"HISTORY","data":{"room":"lobby","limit":500}}\n' * 20,
    "WHO": b'{"op":"WHO"}\n' * 500,
    "ROOMS": b'{"op":"ROOMS"}\n' * 500,
    "fresh rooms": fresh_rooms,
    "LOGIN with many rooms": MANY_ROOMS.encode() + b"\n",
    "searches that find nothing": HOSTILE.encode() + b"\n",
    "searches": b'{"op":"SEARCH","data":{"query":"hello","limit":100}}\n' * 20,
    "one endless line": b"x" * 16384,
    "handshakes": None,
}


def flood(kind, port, ca):
    """Sends one kind of request until it is killed, and reads the replies."""
    # It stands for another host, so its own cost must not be measured.
    os.nice(19)
    context = ssl.create_default_context(cafile=ca)
    line = KINDS[kind]

    def connect():
        # From an address of its own: what it uses up must not be missing for the people.
        plain = socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0))
        return context.wrap_socket(plain, server_hostname="localhost")

    # Without a first connection nothing would be measured.
    connect().close()
    print(BEGUN, flush=True)
    while line is None:
        try:
            connect().close()
        except OSError:
            pass
    while True:
        try:
            chat = connect()
            chat.sendall(json.dumps({"op": "LOGIN", "data": {"name": f"flood{os.getpid()}x{time.monotonic_ns()}",
                                                             "rooms": ["lobby", "flood"]}}).encode() + b"\n")
            pour(chat, iter(line() if callable(line) else itertools.repeat(line)))
        except OSError:
            time.sleep(0.01)


def pour(chat, lines):
    """Sends as fast as it can, and reads the replies, until the server closes. Uses one thread: two that use one
    TLS connection crash Python before 3.13."""
    chat.setblocking(False)
    left = memoryview(next(lines))
    while True:
        waits_for = ([chat], [])
        try:
            left = left[chat.send(left):] or memoryview(next(lines))
            waits_for = None
        except ssl.SSLWantWriteError:
            waits_for = ([chat], [chat])
        except ssl.SSLWantReadError:
            pass
        try:
            if not chat.recv(1 << 20):
                return
            waits_for = None
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        if waits_for:
            select.select(*waits_for, [], 1)


async def person(port, context, number, until, took):
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost", limit=1 << 20)
    login = {"op": "LOGIN", "data": {"name": f"p{number}x{time.monotonic_ns()}"}}
    writer.write(json.dumps(login).encode() + b"\n")
    await reader.readline()
    sent = {}

    async def listen():
        while True:
            line = await reader.readline()
            if not line:
                raise SystemExit("a person was disconnected")
            # Only own copies have an id, at a known position: other lines are not parsed.
            if b'"id":' in line[:200]:
                line = json.loads(line)
                assert line["op"] == "MSG", line
                took.append(time.perf_counter() - sent.pop(line["id"]))

    listening = asyncio.ensure_future(listen())
    await asyncio.sleep(PAUSE * number / PEOPLE)
    at = 0
    while time.monotonic() < until:
        at += 1
        sent[at] = time.perf_counter()
        writer.write(b'{"op":"MSG","data":"hello","id":%d}\n' % at)
        await asyncio.sleep(PAUSE)
    await asyncio.sleep(0.5)
    took.extend([0.5] * len(sent))  # what is not back by now took at least so long
    for _ in range(200):
        if not sent or listening.done():
            break
        await asyncio.sleep(0.05)
    if listening.done():
        listening.result()
    listening.cancel()
    writer.transport.abort()
    if sent:
        raise SystemExit(f"{len(sent)} messages were not answered within ten seconds")


async def talk(port, context, seconds):
    took = []
    until = time.monotonic() + seconds
    await asyncio.gather(*(person(port, context, n, until, took) for n in range(PEOPLE)))
    return sorted(took)


def p99(took):
    return took[int(len(took) * 0.99)] * 1000


def processor_of(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    if sys.argv[1] == "--flood":
        return flood(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    parser = argparse.ArgumentParser()
    parser.add_argument("daemon")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--only")
    parser.add_argument("--short", action="store_true", help="half a second a look, and no judgement of times")
    parser.add_argument("--store", help="where its files lie; in memory, where that can be, if it is not said")
    arguments = parser.parse_args()
    # In memory if possible: the disk of this machine is not measured.
    where = arguments.store or ("/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    settings = '[listen]\naddress = "127.0.0.1:0"\n[log]\nformat = "json"\n'
    with running(arguments.daemon, settings, where) as daemon:
        kinds = [arguments.only] if arguments.only else list(KINDS)
        seconds, rounds = (0.5, 1) if arguments.short else (arguments.seconds, ROUNDS)
        slow = measure(daemon, kinds, seconds, rounds)
        ended = [f"the daemon ended with {daemon.process.poll()}"] if daemon.process.poll() is not None else []
        return verdict(ended if arguments.short else ended + slow)


def measure(daemon, kinds, seconds, rounds):
    """The kinds beside which users waited too long."""
    context = ssl.create_default_context(cafile=daemon.ca)

    def look():
        cpu = processor_of(daemon.process.pid)
        took = asyncio.run(talk(daemon.port, context, seconds))
        return took, (processor_of(daemon.process.pid) - cpu) / (seconds + 0.5)

    def look_beside(kind):
        one = subprocess.Popen([sys.executable, __file__, "--flood", kind, str(daemon.port), daemon.ca],
                               stdout=subprocess.PIPE, text=True)
        try:
            if one.stdout.readline().strip() != BEGUN:
                raise SystemExit(f"the client at full speed cannot connect: {kind}")
            time.sleep(0.7)
            seen = look()
            if one.poll() is not None:
                raise SystemExit(f"the client at full speed ended by itself with {one.poll()}: {kind}")
            return seen
        finally:
            end(one)

    asyncio.run(talk(daemon.port, context, 1))
    print(f"{'beside one client at full speed':34} {'p50':>8} {'p99':>8}  {'daemon':>7}")
    alone, all_beside = [], []
    for kind in kinds:
        # In turns, so that both meet the same conditions of the machine.
        looks = [(look(), look_beside(kind)) for _ in range(rounds)]
        for name, there in zip(("  alone", kind), zip(*looks)):
            p50 = statistics.median(statistics.median(took) for took, _ in there) * 1000
            high = statistics.median(p99(took) for took, _ in there)
            cpu = statistics.median(cpu for _, cpu in there)
            print(f"{name:34} {p50:5.2f} ms {high:5.2f} ms  {cpu:6.1%}", flush=True)
        alone += [p99(took) for (took, _), _ in looks]
        all_beside.append((kind, high, max(p99(took) for _, (took, _) in looks)))
    # All measurements alone count together.
    base = statistics.median(alone)
    failed = []
    for kind, there, worst in all_beside:
        print(f"{kind:34} {there / base:4.1f} times the p99 of {base:.2f} ms alone, at worst {worst / base:.1f} times")
        if there > max(2 * base, base + 2) or worst > max(8 * base, base + 10):
            failed.append(kind)
    return failed


if __name__ == "__main__":
    sys.exit(main())
