"""Owns docs/BENCHMARKS.md and its plots: made from the results, so no figure in it is typed by hand. Called by
compare. Never measures."""

import os
import platform
import subprocess
from datetime import date

from . import plots
from .figures import OURS, RELAY, Figures, digits, field, mib, millions, ms_of_us, step, table

PER_SECOND, CPU = field("per_second"), field("cpu_per_million")
P50, P99 = field("p50_us"), field("p99_us")
FANOUT = [("fanout-10", "10 members"), ("fanout-100", "100 members"), ("fanout-1000", "1,000 members"),
          ("closed-8", "100 members, 8 in flight")]  # fmt: skip
RATES = [("rate-20", "20 a second"), ("rate-200", "200 a second")]
GROWTH = [
    ("growth-rooms", "{size:,} rooms are opened"),
    ("growth-expiry", "{size:,} connections are lost within one second, and their sessions expire within one second"),
    ("growth-user", "a user enters {size:,} rooms and loses its connection; another user enters them and leaves"),
    ("growth-crowd", "{size:,} users enter one room within four seconds, and leave it within four"),
    ("growth-expiry-burst", "{size:,} connections are lost at the same moment, and their sessions expire at once"),
    ("growth-crowd-burst", "{size:,} users ask to enter one room at the same moment, then to leave it"),
]


def machine():
    """The machine, as the system reports it."""
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    said = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "processor": model, "processors": os.cpu_count(), "memory_gib": round(memory),
        "system": system, "kernel": platform.release(), "date": date.today().isoformat(),
        "commit": said.stdout.strip() or "unknown",
    }  # fmt: skip


def write(results, out):
    figures = Figures(results)
    out.mkdir(parents=True, exist_ok=True)
    for name, svg in _plots(figures).items():
        (out / name).write_text(svg)
    parts = [_head(results), _fanout(figures), _latency(figures), _people(figures, results), _start(figures),
             _search(figures), _ratios(figures), _growth(figures), _not_said(results, figures)]  # fmt: skip
    (out / "BENCHMARKS.md").write_text("\n".join(parts))


def _steps(figures):
    for run in figures.found:
        if run["task"] == "idle":
            return [s["connections"] for s in run["steps"]]
    return []


def _plots(figures):
    def medians(name, tasks, read):
        return [figures.median(task, name, read) for task, _ in tasks]

    def p99_ms(run):
        return run["p99_us"] / 1e3

    fan, steps = FANOUT[:3], _steps(figures)
    idle = [(n, [figures.median("idle", n, step(s, "kib_each")) for s in steps]) for n in figures.names]
    return {
        "bench-fanout.svg": plots.lines(
            "Fan-out, saturated", "deliveries a second", "members of the room", [x.split()[0] for _, x in fan],
            [(name, medians(name, fan, PER_SECOND)) for name in figures.names]),
        "bench-memory.svg": plots.lines(
            "Memory of an idle connection", "KiB each", "connections, logged in, in rooms of 100",
            [f"{s:,}" for s in steps], idle),
        "bench-latency.svg": plots.bars(
            "Latency, p99, 100 members", "milliseconds", [f"{x} messages" for _, x in RATES],
            [(name, medians(name, RATES, p99_ms)) for name in figures.names]),
    }  # fmt: skip


def _head(results):
    m = results["machine"]
    servers = table(
        ["server", "version", "keeps"], [[s["name"], s["version"], s["keeps"]] for s in results["servers"]]
    )
    return f"""# Benchmarks

tcp-chatd compared with four alternatives and with a bare relay, under the same load on the same machine, in alternating runs. `bench/compare`
writes this page; no figure is typed by hand. To run it again (about 20 minutes, as root on Debian, which provides the
other servers):

```sh
packaging/programs.sh --bench && sudo bench/compare
```

**Machine:** {m["processor"]}, {m["processors"]} processors, {m["memory_gib"]} GiB, {m["system"]}, Linux {m["kernel"]};
{m["date"]}, commit {m["commit"]}, {results["runs"]} rounds. The server used processor 0, the load processor 1.

{servers}

All servers use TLS 1.3 with AES-128-GCM and X25519, the same ECDSA P-256 certificate, and texts of 80 bytes. Throttling
and look-ups are off. `bench/peers/` has every setting with its reason. tcp-chatd has its defaults (store on disk,
`durability = "crash"`) except for the rate limits. Figures are medians, with the smallest and largest in brackets.
*CPU* is the server's processor seconds for a million deliveries: the most stable figure on this page.
"""


def _fanout(figures):
    def rows(read, shown):
        return [[n, *(figures.cell(task, n, read, shown) for task, _ in FANOUT)] for n in figures.names]

    head = ["server", *(x for _, x in FANOUT)]
    return f"""## Fan-out
In one room, 8 members send as fast as possible. Messages in flight at once, of all senders together: 1,024 with 10 and 100
members, 256 with 1,000. A message is in flight until the *slowest* member has it. A delivery is one message at one member.

Deliveries a second:

{table(head, rows(PER_SECOND, millions))}

CPU:

{table(head, rows(CPU, digits(2)))}

![deliveries a second over members](bench-fanout.svg)
"""


def _latency(figures):
    rows = []
    for name in figures.names:
        row = [name]
        for task, _ in RATES:
            row += [figures.cell(task, name, P50, ms_of_us), figures.cell(task, name, P99, ms_of_us),
                    figures.cell(task, name, CPU, digits(1))]  # fmt: skip
        rows.append(row)
    head = ["server"]
    for _, shown in RATES:
        head += [f"{shown}: p50 ms", "p99 ms", "CPU"]
    return f"""## Latency
100 members, messages at a fixed rate. Latency is the time from before the sender encrypts a message until each member has
decrypted it. Most of it is 100 writes and 100 reads, one after the other.

{table(head, rows)}

![p99 latency](bench-latency.svg)
"""


def _people(figures, results):
    steps = _steps(figures)
    idle = [
        [name, *(figures.cell("idle", name, step(s, "kib_each"), digits(1)) for s in steps),
         figures.cell("idle", name, field("empty_kib"), mib), figures.cell("idle", name, field("after_kib"), mib)]
        for name in figures.names
    ]  # fmt: skip
    logins = [
        [name, figures.cell("logins", name, PER_SECOND, digits(0)),
         figures.cell("logins", name, field("cpu_ms_each"), digits(2))]
        for name in figures.names
    ]  # fmt: skip
    disk = results["disk"]
    return f"""## Memory
KiB of resident memory for each connection: logged in, in a room of 100, idle. Then the whole server in MiB: empty, and
15 seconds after all connections have ended (sessions of tcp-chatd had ended by then).

{table(["server", *(f"{s:,} connections" for s in steps), "empty, MiB", "after, MiB"], idle)}

![memory over connections](bench-memory.svg)

On disk tcp-chatd took {disk["bytes"] / disk["messages"]:.0f} bytes for each of {disk["messages"]:,} messages of 80 bytes,
without the search index.

## Logins
A new connection, a full TLS handshake, a login; 32 at a time, but 512 with inspircd, which admits waiting clients once a second.

{table(["server", "logins a second", "CPU ms each"], logins)}
"""


def _start(figures):
    rows = [
        [name, figures.cell("start", name, field("ready_ms"), digits(0)),
         figures.cell("start", name, field("login_ms"), digits(0)),
         figures.cell("start", name, field("resident_kib"), mib)]
        for name in figures.names
    ]  # fmt: skip
    return f"""## Start
From the start of the process to READY (for servers that notify the service manager) and to the first login; memory a second
later. tcp-chatd starts with a million messages in its store; the others have none.

{table(["server", "READY, ms", "first login, ms", "memory, MiB"], rows)}
"""


def _search(figures):
    """SEARCH while the index is a whole store behind."""

    def ms(name):
        return figures.cell("search-behind", OURS, field(name), ms_of_us)

    first = next((run["first"] for run in figures.found if run["task"] == "search-behind"), None)
    if first is None:
        return ""
    return f"""## Search behind
tcp-chatd starts with {first["head"]:,} messages and without its search index, and a client searches at once. The first reply
says how far the index reached: `indexed` {first["indexed"]:,} of {first["head"]:,}.

{table(["SEARCH, p50 ms", "longest, ms"], [[ms("p50_us"), ms("max_us")]])}
"""


def _ratios(figures):
    wanted = [(f"deliveries, {x}", task, PER_SECOND, True) for task, x in FANOUT]
    wanted += [(f"CPU, {x}", task, CPU, False) for task, x in FANOUT]
    wanted += [(f"p99, {x}", task, P99, False) for task, x in RATES]
    wanted += [(f"CPU, {x}", task, CPU, False) for task, x in RATES]
    steps = _steps(figures)
    if steps:
        wanted.append((f"memory of {steps[-1]:,} connections", "idle", step(steps[-1], "kib_each"), False))
    wanted += [("logins a second", "logins", PER_SECOND, True), ("CPU of a login", "logins", field("cpu_ms_each"), False)]
    rows = []
    for shown, task, read, more in wanted:
        ours = figures.median(task, OURS, read)
        best, whose = figures.best_peer(task, read, more)
        nats, relay = figures.median(task, "nats-server", read), figures.median(task, RELAY, read)
        if ours is None or not best:
            continue
        rows.append([shown, "more" if more else "less", f"{ours / best:.2f} ({whose})", f"{ours / nats:.2f}" if nats else "–",
                     f"{ours / relay:.2f}" if relay else "–"])
    return f"""## tcp-chatd against the best of the others
The ratio of the medians of the same rounds. The bare relay (`bench/src/relay.rs`) passes lines on, with the libraries that
tcp-chatd uses: it has no names, no rooms, no checks and no store, and a line of it is shorter.

{table(["figure", "better is", "to the best peer", "to nats-server", "to the bare relay"], rows)}
"""


def _growth(figures):
    rows = []
    for task, sentence in GROWTH:
        for run in (run for run in figures.found if run["task"] == task):
            before, during = run["before"], run["while"]
            rows.append([sentence.format(size=run["size"]), f"{run['seconds']:.1f}", f"{run['cpu_seconds']:.2f}",
                         ms_of_us(before["p99_us"]), ms_of_us(during["p99_us"]), ms_of_us(during["max_us"])])  # fmt: skip
    head = ["what happens", "seconds", "CPU seconds", "others' p99 before, ms", "others' p99 during it, ms", "longest, ms"]
    return f"""## Growth
Many clients act at once on tcp-chatd, while 100 members of another room send 200 messages a second. The table shows what
those members notice. (Server and load have one processor each.)

{table(head, rows)}
"""


def _not_said(results, figures):
    busy = sorted(run.get("others_busy", 0) for run in figures.found) or [0]
    load = max((run.get("load_busy", 0) for run in figures.found if run["server"] == OURS), default=0)
    failures = "".join(f"\n* {failure}" for failure in results["failures"]) or " none."
    return f"""## What the figures do not say
* **Noise.** Everything else on the machine took {busy[len(busy) // 2]:.0%} of a processor (median of all runs; {busy[-1]:.0%} in the
  worst). Differences that are smaller than the brackets mean nothing. Absolute figures move with the machine; ratios less.
* **One machine, loopback.** There is no network, no loss and no distance, and the kernel also works for the load on the
  same machine. Each server has one processor; nats-server and mosquitto's bridges would use more.
* **The servers do not do the same.** A line of JSON with number, time, name and colour has about twice the bytes of what
  the others deliver. tcp-chatd stores each message before anyone sees it, and indexes it for search; the others store none.
  They have features that tcp-chatd does not have: wildcards and clustering, QoS, services and modes.
* **Slow readers.** tcp-chatd serves a reader that falls behind from the store; the others disconnect it or drop messages. In
  these runs no reader falls behind.
* **The load** is the same program for all ({load:.0%} of its processor at most with tcp-chatd). It decrypts everything and counts
  each delivery by a mark in its text. Unlike real clients, it does not verify the server's signature in the handshake.
* **TLS resumption** is off: each login is a full handshake, as for a new client.

Missing deliveries at the end, lost connections, failed runs:{failures}
"""
