#!/usr/bin/env python3
"""Upgrades a cluster under load, one node after the other, and checks what is promised.

    python3 checks/cluster_upgrade.py OLD NEW NATS_SERVER [--keep]

OLD and NEW are daemons. NEW is a build with the feature `next-behaviour`: its version has one behaviour more, under which a
topic gets another end. Three nodes of OLD run under the load of cluster_load.py, which says what it checks. Besides, a user
sets topics, and one at each node hears them. Then each node is stopped, and started as NEW. Checked:

* nothing acknowledged is lost, and each message is kept once and in order on every node; sessions are resumed;
* the behaviour is raised when the last node is new, and not before; `cluster status` and `cluster check` name the nodes for
  which it waits;
* every topic has the same end at all nodes: they change the rules at the same entry;
* a node of OLD is refused afterwards, with a sentence and exit code 78;
* at the end the nodes have applied the same, and their digests are equal.

Needs only Python 3.8. The last line is `passed` or the failed checks; the exit code is the same.
"""

import asyncio
import sys
import time

from cluster_load import LOST, Member, PATIENCE, kept_again, under_load
from cluster_world import NODES, check_parser, cluster
from running import verdict

NEXT = " (next)"
REFUSED = 78


def off_the_loop(work, *arguments):
    return asyncio.get_running_loop().run_in_executor(None, work, *arguments)


async def sets_topics(world):
    """Sets one topic after the other."""
    me = Member(world, "topics", 0)
    world.topics = 0
    if not await me.back():
        return
    while not world.silent:
        try:
            me.send("ROOM", {"room": "lobby", "topic": f"t{world.topics + 1}"}, id="topic")
            line = await me.line()
            while line.get("id") != "topic":
                me.note(line)
                line = await me.line()
            if line["status"] == "OK":
                world.topics += 1
            await asyncio.sleep(0.05)
        except LOST:
            # Whether it was set is not known: the next one has another number.
            world.topics += 1
            me.node = (me.node + 1) % NODES
            if not await me.back():
                return


async def hears_topics(world, number, heard):
    """Notes each topic as this node tells it; it stays with the node."""
    while not world.over:
        me = Member(world, f"reader{number}", number)
        try:
            await me.connect()
            me.send("LOGIN", {"name": f"{me.name}-{time.monotonic_ns()}"}, id="login")
            while not world.over:
                try:
                    line = await me.line(1)
                except asyncio.TimeoutError:
                    continue
                topic = (line.get("data") or {}).get("topic") if line["op"] == "ROOM" else None
                if topic:
                    heard[int(topic[1:].split()[0])] = topic
        except LOST:
            await asyncio.sleep(0.1)
        finally:
            me.vanish()


class Upgrade:
    """The cluster, the two programs, and what was found."""

    def __init__(self, them, old, new):
        self.them, self.old, self.new = them, old, new
        self.topics = [{} for _ in range(NODES)]
        self.world = None

    def check(self, what, is_so, why=""):
        print(f"{'ok  ' if is_so else 'FAIL'} {what}" + ("" if is_so else f": {why}"), flush=True)
        if not is_so:
            self.world.faults.append(f"{what}: {why}")

    async def status(self, number):
        return await off_the_loop(self.them.status, number) or {}

    async def run(self, world):
        self.world = world
        before = (await self.status(0))["behaviour"]
        for number, node in enumerate(self.them.nodes):
            await kept_again(world, "before the next node")
            code = await off_the_loop(node.stop)
            self.check(f"{node.name} of the old version ends", code == 0, code)
            self.them.replace(number, self.new)
            await off_the_loop(self.them.start, number)
            await kept_again(world, f"{node.name} is new")
            if number < NODES - 1:
                await self.waits(number, before)
        await self.is_raised(before)
        await kept_again(world, "after the raise")
        if not world.faults:
            await self.refuses()

    async def waits(self, number, before):
        """The new nodes are up, and the rules are still the old ones."""
        status = await self.status(number)
        left = [f"chat{other}" for other in range(number + 1, NODES)]
        self.check("the behaviour is that of the old version", status["behaviour"] == before, status)
        self.check("`cluster status` names the nodes for which it waits",
                   sorted(status.get("raise_waits_for", [])) == left and status["behaviour_known"] == before + 1, status)
        known = {member["name"]: member["behaviour"] for member in status["members"]}
        self.check("and what each node knows", known[f"chat{number}"] == before + 1 and known[left[0]] == before, known)
        done = await off_the_loop(self.them.command, number, "cluster", "check")
        self.check("`cluster check` says it, and finds no fault", done.returncode == 0 and left[0] in done.stdout,
                   done.stdout + done.stderr)

    async def is_raised(self, before):
        until, found = time.monotonic() + PATIENCE, []
        while time.monotonic() < until:
            found = [(await self.status(number)).get("behaviour") for number in range(NODES)]
            if found == [before + 1] * NODES:
                break
            await asyncio.sleep(0.2)
        self.check("after the last node the behaviour is raised", found == [before + 1] * NODES, found)
        told = [node.said().count('"event":"behaviour_raised"') for node in self.them.nodes]
        self.check("each node tells it once", told == [1] * NODES, told)

    async def refuses(self):
        """The last node goes back to the old version, which must not take part."""
        number, node = NODES - 1, self.them.nodes[-1]
        await off_the_loop(node.stop)
        self.them.replace(number, self.old)
        since = len(node.said())
        node.start()
        code = await off_the_loop(node.child.wait, PATIENCE)
        said = node.said()[since:]
        is_told = "behaviour" in said and ("does not know" in said or "cannot follow" in said)
        self.check("the old version is refused afterwards, with a sentence", code == REFUSED and is_told, (code, said[-800:]))
        self.them.replace(number, self.new)
        await off_the_loop(self.them.start, number)
        await kept_again(self.world, "after the downgrade was undone")

    def compare_topics(self):
        """One topic has one end, wherever it was heard; the ends change once."""
        faults, ends = [], {}
        for number, heard in enumerate(self.topics):
            for topic, text in heard.items():
                if ends.setdefault(topic, text) != text:
                    faults.append(f"topic {topic} is {text!r} at node{number}, and {ends[topic]!r} elsewhere")
        is_next = [ends[topic].endswith(NEXT) for topic in sorted(ends)]
        print(f"{len(ends)} topics were heard, {sum(is_next)} of them with the new end; "
              f"at each node {[len(heard) for heard in self.topics]}", flush=True)
        if is_next != sorted(is_next) or len(set(is_next)) != 2:
            faults.append("the ends of the topics do not change once")
        return faults

    def compare_digests(self):
        until, found = time.monotonic() + PATIENCE, []
        while time.monotonic() < until:
            found = [self.them.status(number) or {} for number in range(NODES)]
            if len({one.get("applied") for one in found}) == 1:
                break
            time.sleep(0.3)
        places = {(one.get("applied"), one.get("digest")) for one in found}
        print("applied and digest:", places, flush=True)
        return [] if len(places) == 1 and all(one.get("digest") for one in found) else [f"the nodes differ: {places}"]


def main():
    arguments = check_parser("old", "new", "nats_server").parse_args()
    with cluster(arguments.old, arguments.nats_server, arguments.keep) as them:
        them.begin()
        upgrade = Upgrade(them, arguments.old, arguments.new)
        others = [sets_topics] + [
            lambda world, number=number: hears_topics(world, number, upgrade.topics[number]) for number in range(NODES)]
        faults = asyncio.run(under_load(them, upgrade.run, others))
        faults += upgrade.compare_topics() + upgrade.compare_digests()
    return verdict(faults)


if __name__ == "__main__":
    sys.exit(main())
