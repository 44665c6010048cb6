"""Owns the runs: every figure of every server in turn, round after round, so that a noisy minute affects all
servers alike. Called by compare. Never reads a figure itself: the load prints it."""

import json
import os
import resource
import shutil
import subprocess
import time
from pathlib import Path

from .servers import LOAD_CPU, Server

# The timeout of a load that hangs, in seconds. ngircd needs two minutes for 10,000 connections.
LONGEST = 480
TICKS = os.sysconf("SC_CLK_TCK")
# Messages in our store at the measured start.
MILLION = 1_000_000


class Task:
    """One figure: a name, and the arguments of the load. `only`: for this server alone."""

    def __init__(self, name, *arguments, only=None, ttl="2m", once=False):
        self.name = name
        self.arguments = arguments
        self.only = only
        self.ttl = ttl
        self.once = once


def whole():
    """The runs of the report."""
    fan = ("--seconds", "2", "--warmup", "0.7")
    rate = ("--seconds", "3", "--warmup", "0.7")
    growth = {"only": "tcp-chatd", "once": True}
    return [
        Task("fanout-10", "fanout", "--members", "10", "--window", "1024", *fan),
        Task("fanout-100", "fanout", "--members", "100", "--window", "1024", *fan),
        Task("fanout-1000", "fanout", "--members", "1000", "--window", "256", *fan),
        Task("closed-8", "fanout", "--members", "100", "--window", "8", *fan),
        Task("rate-20", "rate", "--rate", "20", *rate),
        Task("rate-200", "rate", "--rate", "200", *rate),
        # Our sessions end four seconds after their connections.
        Task("idle", "idle", "--steps", "2000,5000,10000", "--after", "15", ttl="4s"),
        Task("logins", "logins", "--count", "2000"),
        Task("start", "start"),
        Task("search-behind", "search", "--count", "20", only="tcp-chatd"),
        Task("growth-rooms", "growth", "--what", "rooms", "--size", "10000", **growth),
        Task("growth-expiry", "growth", "--what", "expiry", "--size", "10000", "--over", "1", "--ttl", "4",
             ttl="4s", **growth),
        Task("growth-user", "growth", "--what", "user", "--size", "1000", **growth),
        Task("growth-crowd", "growth", "--what", "crowd", "--size", "10000", "--over", "4", **growth),
        Task("growth-expiry-burst", "growth", "--what", "expiry", "--size", "10000", "--ttl", "4", ttl="4s", **growth),
        Task("growth-crowd-burst", "growth", "--what", "crowd", "--size", "10000", **growth),
    ]


def short():
    """The same kinds in a small size: shows that everything still runs, but not the speed."""
    fan = ("--seconds", "0.3", "--warmup", "0.1")
    growth = {"only": "tcp-chatd", "once": True}
    return [
        Task("fanout-10", "fanout", "--members", "10", "--window", "64", *fan),
        Task("fanout-100", "fanout", "--members", "30", "--window", "64", *fan),
        Task("fanout-1000", "fanout", "--members", "60", "--window", "64", *fan),
        Task("closed-8", "fanout", "--members", "20", "--window", "8", *fan),
        Task("rate-20", "rate", "--members", "20", "--rate", "40", *fan),
        Task("rate-200", "rate", "--members", "20", "--rate", "200", *fan),
        Task("idle", "idle", "--steps", "50,100", "--per-room", "10"),
        Task("logins", "logins", "--count", "50"),
        Task("start", "start"),
        Task("search-behind", "search", "--count", "3", only="tcp-chatd"),
        Task("growth-rooms", "growth", "--what", "rooms", "--size", "200", **growth),
        Task("growth-expiry", "growth", "--what", "expiry", "--size", "100", "--ttl", "1", ttl="1s", **growth),
        Task("growth-user", "growth", "--what", "user", "--size", "60", **growth),
        Task("growth-crowd", "growth", "--what", "crowd", "--size", "100", **growth),
        Task("growth-expiry-burst", "growth", "--what", "expiry", "--size", "60", "--ttl", "1", ttl="1s", **growth),
        Task("growth-crowd-burst", "growth", "--what", "crowd", "--size", "60", **growth),
    ]


class Runner:
    """The programs, the folders and the results."""

    def __init__(self, load, folder, kinds, messages):
        self.load = str(load)
        self.folder = Path(folder)
        self.kinds = kinds
        self.messages = messages
        self.certs = self.folder / "certs"
        self.found = []
        self.failures = []
        self.disk = None

    def prepare(self):
        """The certificate for all servers, made by our daemon, and a store with many messages."""
        shutil.rmtree(self.folder, ignore_errors=True)
        ours = self.kinds[0]
        with Server(ours, self.folder / "full", self.certs) as server:
            said = self._load(
                server, ["fanout", "--members", "2", "--senders", "2", "--window", "1024",
                         "--messages", str(self.messages), "--warmup", "0"],
            )  # fmt: skip
        if said["missing"]:
            raise SystemExit("tcp-chatd has lost messages while the store was filled")
        self.disk = {"messages": said["messages"], "bytes": server.stored_bytes(), "per_second": said["per_second"]}

    def go(self, tasks, runs):
        for run in range(runs):
            for task in tasks:
                for kind in self._turns(run):
                    if (task.only in (None, kind.name)) and not (task.once and run > 0):
                        self._one(task, kind, run)

    def _turns(self, run):
        """Each round begins with another server."""
        at = run % len(self.kinds)
        return self.kinds[at:] + self.kinds[:at]

    def _one(self, task, kind, run):
        began = time.monotonic()
        try:
            said = self._measure(task, kind)
        except (RuntimeError, subprocess.SubprocessError) as why:
            self.failures.append(f"{kind.name}, {task.name}, run {run + 1}: {why}")
            print(f"{kind.name:12} {task.name:14} FAILED: {why}", flush=True)
            return
        said.update(server=kind.name, task=task.name, run=run)
        self.found.append(said)
        shown = {key: said[key] for key in SHOWN if isinstance(said.get(key), (int, float))}
        shown = " ".join(f"{key}={value:.4g}" for key, value in shown.items())
        print(f"{kind.name:12} {task.name:14} {time.monotonic() - began:5.1f} s  {shown}", flush=True)

    def _measure(self, task, kind):
        folder = self.folder / "run"
        shutil.rmtree(folder, ignore_errors=True)
        server = Server(kind, folder, self.certs, task.ttl)
        if task.name == "search-behind":
            # Without the index, the daemon begins a new one.
            self._copy_full(folder, lambda name: "-search" not in name)
        if task.name == "start":
            if kind is self.kinds[0]:
                self._copy_full(folder, lambda name: True)
            return self._load(server, ["start"], server.command)
        with server:
            return self._load(server, list(task.arguments))

    def _copy_full(self, folder, wanted):
        """Copies files of the store with many messages."""
        for file in (self.folder / "full").glob("chat.db*"):
            if wanted(file.name):
                shutil.copy(file, folder)

    def _load(self, server, arguments, command=()):
        """Runs the load on its own processor. Returns its result, and the processor time of everything else."""
        words = [
            "taskset", "-c", LOAD_CPU, self.load, *arguments, "--speech", server.kind.speech,
            "--at-once", str(server.kind.at_once), "--address", f"127.0.0.1:{server.port}", "--certificate", str(self.certs / "server.pem"),
        ]  # fmt: skip
        if command:
            words += ["--", *command]
        else:
            words += ["--pid", str(server.process.pid)]
        before, began = self._cpu(server), time.monotonic()
        done = subprocess.run(words, capture_output=True, text=True, timeout=LONGEST, check=False)
        after, seconds = self._cpu(server), time.monotonic() - began
        if done.returncode != 0:
            raise RuntimeError(done.stderr.split("Stack backtrace")[0].strip() or f"the load ended with {done.returncode}")
        said = json.loads(done.stdout)
        if said.get("closed") or said.get("stalled") or said.get("missing"):
            wrong = {key: said[key] for key in ("closed", "stalled", "missing") if said.get(key)}
            self.failures.append(f"{server.kind.name}, {' '.join(arguments)}: {wrong}")
        machine, measured = after[0] - before[0], after[1] - before[1]
        said["others_busy"] = max(0.0, (machine - measured) / seconds)
        return said

    @staticmethod
    def _cpu(server):
        """Processor seconds of the whole machine, and of server and load."""
        with open("/proc/stat", encoding="ascii") as stat:
            ticks = [int(word) for word in stat.readline().split()[1:]]
        machine = sum(ticks[at] for at in (0, 1, 2, 5, 6)) / TICKS
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        own = children.ru_utime + children.ru_stime
        if server.process is not None:
            with open(f"/proc/{server.process.pid}/stat", encoding="utf-8") as stat:
                fields = stat.read().rsplit(") ", 1)[1].split()
            own += (int(fields[11]) + int(fields[12])) / TICKS
        return machine, own


# The output during the runs.
SHOWN = ("per_second", "cpu_per_million", "p50_us", "p99_us", "cpu_ms_each", "load_busy", "ready_ms",
         "login_ms", "seconds", "others_busy")  # fmt: skip
