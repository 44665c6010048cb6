"""Owns the checks of the container image: builds it from the package and runs it, as far as a machine
without a container engine allows (chroot isolation, in a network namespace of its own).

Called last by the run. Images and containers lie in a folder of their own, removed at the end.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from checks import check, guarded, wait_for
from machine import Network
from wire import Closed, Peer

TAG = "localhost/tcp-chatd-test"


class Container:
    """The image, run; as much of a machine as a peer needs."""

    def __init__(self, tools, environment):
        self.tools = tools
        self.name = tools.buildah("from", "--pull-never", TAG).stdout.strip()
        config = tools.config
        words = [*config["Entrypoint"], *config["Cmd"]]
        env = [word for setting in environment for word in ("--env", setting)]
        self.log = open(tools.folder / "log", "wb")
        self.process = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh",
             *tools.words("buildah"), "run", "--isolation=chroot", *env, self.name, "--", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log,
        )
        self.pid = wait_for("the daemon in the container", self._find, 20)
        self.network = Network(self.pid) if self.pid else None

    def _find(self):
        for line in subprocess.run(["ps", "-eo", "pid=,ppid=,comm="], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines():
            pid, _, name = line.split(None, 2)
            if name == "tcp-chatd" and self._is_mine(int(pid)):
                return int(pid)
        return None

    def _is_mine(self, pid):
        while pid > 1:
            if pid == self.process.pid:
                return True
            try:
                pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                return False
        return False

    def path(self, inside):
        """Where a file of it lies on this machine, as the daemon sees it: the volume too."""
        return Path(f"/proc/{self.pid}/root") / inside.lstrip("/")

    def connect(self, port=3000, address="127.0.0.1", limit=10):
        """A TCP connection from within its network."""
        return self.network.connect(port, address, limit)

    def end(self):
        """Sends the image's stop signal; returns the exit code."""
        if self.pid and self.process.poll() is None:
            os.kill(self.pid, getattr(signal, self.tools.config["StopSignal"]))
        code = self.process.wait(30)
        self.log.close()
        return code

    def said(self):
        """Its log."""
        return (self.tools.folder / "log").read_text(errors="replace")


class Tools:
    """podman and buildah over a store of their own."""

    def __init__(self, folder):
        self.folder = folder
        self.config = {}
        self.health = []

    def words(self, tool):
        """How a tool is called."""
        return [tool, "--root", str(self.folder / "store"), "--runroot", str(self.folder / "run"), "--storage-driver", "overlay"]

    def podman(self, *words):
        """Runs podman."""
        return subprocess.run([*self.words("podman"), *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)

    def buildah(self, *words):
        """Runs buildah."""
        return subprocess.run([*self.words("buildah"), *words], stdout=subprocess.PIPE, text=True, check=True)


def run(slim, dockerfile, debs, nats):
    """`slim`: a root as debian:bookworm-slim has it, as a tar file; `debs`: the folder of the packages; `nats`: a NATS
    server, or None: then the compose file of a cluster is not tried."""
    folder = Path(tempfile.mkdtemp(prefix="tcp-chat-image."))
    tools = Tools(folder)
    try:
        imported = tools.podman("import", str(slim), "docker.io/library/debian:bookworm-slim")
        check("image: the base is there", imported.returncode == 0, imported.stdout)
        built = tools.podman("build", "--isolation=chroot", "--pull=never", "--layers=false", "--format=docker", "-f", str(dockerfile), "-t", TAG, str(debs))
        if not check("image: it is built from the package", built.returncode == 0, built.stdout):
            return
        _looks(tools)
        _works(tools)
        if nats:
            import compose  # needs yaml, which the gate does not

            guarded("the compose file of a cluster", lambda: compose.run(tools, dockerfile.parent / "cluster.yaml", TAG, nats))
    finally:
        tools.podman("rm", "--all", "--force")
        subprocess.run([*tools.words("buildah"), "rm", "--all"], stdout=subprocess.DEVNULL, check=False)
        tools.podman("rmi", "--all", "--force")
        shutil.rmtree(folder, ignore_errors=True)


def _looks(tools):
    shown = json.loads(tools.podman("inspect", "--type", "image", TAG).stdout)[0]
    tools.config = config = shown["Config"]
    check("image: not root", config["User"] == "3000:3000", config["User"])
    check("image: port 3000, a volume for the state, SIGTERM", ("3000/tcp" in config["ExposedPorts"], list(config["Volumes"]), config["StopSignal"])
          == (True, ["/var/lib/tcp-chatd"], "SIGTERM"), config)
    health = (shown.get("Healthcheck") or config.get("Healthcheck") or {}).get("Test", [])
    tools.health = health[1:]
    check("image: has a health check", health == ["CMD", "tcp-chatd", "status"], health)


def _works(tools):
    container = Container(tools, ["PORT=4444", "TCP_CHATD__LIMITS__MSG_BYTES=1234"])
    try:
        if not check("image: the daemon runs", container.pid):
            return
        status = wait_for("the daemon to answer", lambda: _asks(tools, container).returncode == 0, 20)
        check("image: its health check says well", status, f"{_asks(tools, container)} {container.said()}")
        peer = Peer(container, "ana", port=4444)
        peer.say("from a container")
        check("image: PORT moves the port, TCP_CHATD__... sets a limit, and a verified peer chats",
              peer.reply["limits"]["msg_bytes"] == 1234 and peer.seen == ["from a container"], peer.reply)
        uid = Path(f"/proc/{container.pid}").stat().st_uid
        check("image: the daemon's user is 3000", uid == 3000, uid)
        code = container.end()
        try:
            while True:
                peer.read()
        except Closed:
            pass
        check("image: the stop signal ends it in order, with a notice", code == 0 and "SHUTDOWN" in peer.notices, f"{code} {peer.notices}")
        lines = container.said().splitlines()
        check("image: it logs JSON, one object a line", lines and all(_is_object(line) for line in lines), lines[:3])
    finally:
        if container.process.poll() is None:
            container.process.kill()
            if container.pid:
                os.kill(container.pid, signal.SIGKILL)
            container.process.wait(10)
        print("\n".join("        " + line for line in container.said().splitlines()[:2]))


def _asks(tools, container):
    return subprocess.run(
        [*tools.words("buildah"), "run", "--isolation=chroot", container.name, "--", *tools.health],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )


def _is_object(line):
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
