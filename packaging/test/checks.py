"""Owns the list of what was checked and its printing: one line for each check, and the closing line.

Called by every part of the test. A check never ends the run by itself: the rest still has its say.
"""

import sys
import time
import traceback

_passed = 0
_failed = 0
_started = time.monotonic()


def check(what, ok, shown=""):
    """Prints and counts one check. `shown` is what was seen instead, printed where it failed."""
    global _passed, _failed
    if ok:
        _passed += 1
        print(f"ok      {what}", flush=True)
        return True
    _failed += 1
    print(f"FAILED  {what}", flush=True)
    for line in str(shown).strip().splitlines()[-25:]:
        print(f"        | {line}", flush=True)
    return False


def part(title):
    """Prints the heading of a part, with the time since the start."""
    print(f"\n== {title} ({time.monotonic() - _started:.0f} s)", flush=True)


def guarded(title, run):
    """Runs one part; what it raises is one failed check, and the next part runs all the same."""
    part(title)
    try:
        run()
    except Exception as error:  # noqa: BLE001: any fault of a part is a fault of the run
        check(f"{title}: ran to its end", False, "".join(traceback.format_exception(error)))


def wait_for(what, probe, limit):
    """Asks `probe` until it gives something true, which it returns; None once `limit` seconds are over."""
    end = time.monotonic() + limit
    while True:
        found = probe()
        if found:
            return found
        if time.monotonic() > end:
            print(f"        (waited {limit} s for {what})", flush=True)
            return None
        time.sleep(0.05)


def close():
    """The closing line, and the exit code of the run."""
    print(f"\n{_passed} passed, {_failed} failed", flush=True)
    sys.exit(1 if _failed or not _passed else 0)
