"""Owns one booted Debian: a copy of the cached root, systemd in it as init, and its own network.

Called by the parts of the test, which run commands in it and open connections into it. Nothing of it
is on this machine's network, and `stop` leaves neither a process nor a file.
"""

import concurrent.futures
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from checks import wait_for

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


class Output:
    """What a command printed, and its exit code."""

    def __init__(self, code, text):
        self.code = code
        self.text = text

    @property
    def ok(self):
        """Did it succeed?"""
        return self.code == 0

    def __str__(self):
        return f"exit {self.code}\n{self.text}"


class Bootable:
    """Boots at the begin of a context, and stops at its end in every case."""

    def __enter__(self):
        try:
            self.boot()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()


class Machine(Bootable):
    """A booted system. Use it as a context: it is stopped and removed at the end."""

    def __init__(self, image, name="tcp-chat-test", own_group=False):
        self.name = name
        # Several machines at once: otherwise the units of one would be those of another.
        self.group = _group(f"tcp-chat-{os.getpid()}-{name}") if own_group else None
        self.folder = Path(tempfile.mkdtemp(prefix="tcp-chat-machine."))
        self.root = self.folder / "root"
        self.is_mounted = self._lies_over(image)
        if not self.is_mounted:
            subprocess.run(["cp", "-a", "--reflink=auto", str(image), str(self.root)], check=True)
        self.nspawn = None
        self.init = None

    def _lies_over(self, image):
        """Mounts a writable layer over the image, which takes no time; not every file system can do it."""
        layers = [self.folder / name for name in ("upper", "work")]
        for folder in (*layers, self.root):
            folder.mkdir()
        upper, work = layers
        upper.chmod(0o755)
        options = f"lowerdir={image},upperdir={upper},workdir={work}"
        done = subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", str(self.root)], stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            self.root.rmdir()
        return done.returncode == 0

    def boot(self):
        """Starts it, and waits until it is up."""
        self.console = open(self.folder / "console", "wb")
        self.nspawn = subprocess.Popen(
            [
                "systemd-nspawn", "-D", str(self.root), f"--machine={self.name}", "--register=no", "--keep-unit",
                "--private-network", "--console=read-only", "-b",
            ],
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            stdin=subprocess.DEVNULL, stdout=self.console, stderr=subprocess.STDOUT, preexec_fn=self._enter_group,
        )
        self.init = wait_for("its init", self._find_init, 20)
        if not self.init:
            raise RuntimeError("nspawn started no init:\n" + (self.folder / "console").read_text(errors="replace"))
        state = wait_for("systemd to be up", self._is_up, 60)
        if not state:
            raise RuntimeError("systemd did not come up:\n" + (self.folder / "console").read_text(errors="replace"))

    def _enter_group(self):
        if self.group:
            (self.group / "cgroup.procs").write_text("0")

    def _find_init(self):
        if self.nspawn.poll() is not None:
            raise RuntimeError("nspawn ended:\n" + (self.folder / "console").read_text(errors="replace"))
        children = Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split()
        return next((int(pid) for pid in children if _is_init(pid)), None)

    def _is_up(self):
        return self.run("systemctl is-system-running").text.strip() in ("running", "degraded")

    def stop(self):
        """Ends all of it, and removes its files."""
        if self.nspawn and self.nspawn.poll() is None:
            # nspawn ends when its init does; the machine's state is thrown away anyhow.
            if self.init:
                os.kill(self.init, signal.SIGKILL)
            else:
                self.nspawn.kill()
            self.nspawn.wait(30)
            self.console.close()
        if self.group:
            _remove_group(self.group)
        if self.is_mounted:
            subprocess.run(["umount", str(self.root)], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, *words):
        """The words that run a command in it as root."""
        clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root", "TERM=dumb"]
        return ["nsenter", "-t", str(self.init), "-a", *clean, *words]

    def run(self, script, user=None, stdin="", limit=120):
        """Runs a shell script, as root or in a login of `user`; output and errors come as one text."""
        words = ["runuser", "-l", user, "-c", script] if user else ["sh", "-c", script]
        try:
            done = subprocess.run(
                self.command(*words), input=stdin.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                timeout=limit, check=False,
            )
        except subprocess.TimeoutExpired as late:
            text = (late.stdout or b"").decode(errors="replace")
            return Output(-1, f"{text}\n(no end within {limit} s: {script})")
        return Output(done.returncode, done.stdout.decode(errors="replace"))

    def start(self, script, user):
        """Starts a shell script in a login of `user`, with its output in a pipe."""
        return subprocess.Popen(
            self.command("runuser", "-l", user, "-c", script),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )

    def path(self, inside):
        """Where a file of it lies on this machine."""
        return self.root / inside.lstrip("/")

    def show(self, name, unit="tcp-chatd.service"):
        """One property of a unit."""
        return self.run(f"systemctl show -p {name} --value {unit}").text.strip()

    def main_pid(self):
        """The daemon's process id, as the machine counts; 0 if it does not run."""
        return int(self.show("MainPID") or 0)

    def journal(self, *more):
        """The daemon's journal entries, as objects."""
        words = ["journalctl", "--no-pager", "-o", "json", "-u", "tcp-chatd.service", *more]
        done = subprocess.run(self.command(*words), stdout=subprocess.PIPE, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def cursor(self):
        """The journal's end as of now, for `journal("--after-cursor", ...)`."""
        return self.run("journalctl --show-cursor -n 0 -q").text.strip().removeprefix("-- cursor: ")

    def connect(self, port=3000, address="127.0.0.1", limit=10):
        """A TCP connection from within its network."""
        return Network(self.init).connect(port, address, limit)


class Network:
    """The network of a process: that of a machine or of a container."""

    def __init__(self, pid):
        self.namespace = f"/proc/{pid}/ns/net"

    def connect(self, port, address, limit):
        """A TCP connection from within it."""
        with concurrent.futures.ThreadPoolExecutor(1) as other:
            return other.submit(self._connect, port, address, limit).result()

    def _connect(self, port, address, limit):
        # This thread alone moves over, and ends after it; the socket stays where it was made.
        with open(self.namespace, "rb") as net:
            if _LIBC.setns(net.fileno(), _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        return socket.create_connection((address, port), limit)


def _group(name):
    """A new control group beside that of this process."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    top = next(Path(words[1]) for words in mounts if words[2] == "cgroup2")
    own = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    group = top / own.lstrip("/") / name
    group.mkdir()
    return group


def _remove_group(group):
    """With all groups in it; their processes have ended."""
    for folder, _, _ in os.walk(group, topdown=False):
        wait_for("a control group to be empty", lambda folder=folder: _is_removed(folder), 10)


def _is_removed(folder):
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _is_init(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "systemd"
    except OSError:
        return False
