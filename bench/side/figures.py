"""Owns the arithmetic on the results: medians, spread, ratios, and tables of them. Called by report.
Never leaves out a run."""

from statistics import median

OURS = "tcp-chatd"
# No peer: see bench/src/relay.rs.
RELAY = "bare relay"


class Figures:
    """The results, by task and server."""

    def __init__(self, results):
        self.names = [server["name"] for server in results["servers"]]
        self.found = results["found"]

    def values(self, task, name, read):
        runs = [run for run in self.found if run["task"] == task and run["server"] == name]
        found = [read(run) for run in runs]
        return [value for value in found if value is not None]

    def median(self, task, name, read):
        values = self.values(task, name, read)
        return median(values) if values else None

    def cell(self, task, name, read, shown):
        """The median, with the smallest and the largest in brackets."""
        values = self.values(task, name, read)
        if not values:
            return "–"
        told = shown(median(values))
        if len(values) > 1:
            told += f" ({shown(min(values))}–{shown(max(values))})"
        return told

    def best_peer(self, task, read, more_is_better):
        """The best median of the other servers, and the server. The bare relay is none."""
        found = [(self.median(task, name, read), name) for name in self.names if name not in (OURS, RELAY)]
        found = [pair for pair in found if pair[0] is not None]
        if not found:
            return None, None
        return max(found) if more_is_better else min(found)


def field(name):
    return lambda run: run.get(name)


def step(connections, name):
    """The field of the idle run at this number of connections."""

    def read(run):
        return next((s[name] for s in run.get("steps", []) if s["connections"] == connections), None)

    return read


def millions(value):
    return f"{value / 1e6:.2f} M"


def digits(count):
    return lambda value: f"{value:.{count}f}"


def ms_of_us(value):
    return f"{value / 1e3:.2f}"


def mib(value):
    return f"{value / 1024:.1f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)
