"""Runs a daemon while a check needs it, asks it over HTTP, and prints the result of a check. Used by the checks beside it.
Needs only Python 3.8."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request


class Running:
    """Its process, its port, its CA and the file that it logs to."""

    def __init__(self, process, port, ca, log):
        self.process, self.port, self.ca, self.log = process, port, ca, log


@contextlib.contextmanager
def running(daemon, settings, where=None):
    """Starts it in a new folder, under `where` if given, and waits until it is ready. Stops it and removes the
    folder in every case."""
    # SIGTERM raises an exception, so that the started processes end, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    folder = tempfile.mkdtemp(dir=where)
    process = None
    try:
        with open(os.path.join(folder, "config.toml"), "w") as config:
            config.write(settings)
        log = os.path.join(folder, "log")
        with open(log, "w") as to:
            process = subprocess.Popen([os.path.abspath(daemon)], cwd=folder, stdout=subprocess.DEVNULL, stderr=to)
        for _ in range(200):
            with open(log) as said:
                text = said.read()
            port = re.search(r'"address":"127\.0\.0\.1:(\d+)"', text)
            if port and '"event":"ready"' in text:
                break
            if process.poll() is not None:
                raise SystemExit(f"the daemon ended with {process.returncode}:\n{text}")
            time.sleep(0.1)
        else:
            raise SystemExit(f"the daemon is not ready after 20 s:\n{text}")
        yield Running(process, int(port[1]), os.path.join(folder, "certs", "ca.pem"), log)
    finally:
        end(process)
        shutil.rmtree(folder)


def end(process):
    """Stops a process that may have ended already, or never started."""
    if process and process.poll() is None:
        process.kill()
        process.wait()


def get(url, data=None, headers=(), timeout=10):
    """The status and the text of the answer; status 0, and why there is none."""
    request = urllib.request.Request(url, data=data, headers=dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def verdict(faults):
    """The last line of a check, and its exit code."""
    print("passed" if not faults else "FAILED: " + "; ".join(faults[:10]))
    return 1 if faults else 0
