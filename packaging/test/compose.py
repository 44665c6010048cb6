"""Owns the run of packaging/docker/cluster.yaml: its services as containers of podman, started in the order and with the conditions
that stand there. It knows the keys of a service that this file uses, and refuses all others.

Called by image.py, which has built the image. The containers have a network, a mount table and control groups of their own: a
process that only waits holds these, and ends with the test. Docker's names of hosts are entries of /etc/hosts here.
"""

import json
import os
import resource
import subprocess
import time

import yaml
from checks import check, wait_for
from machine import Network
from wire import Closed, Peer

NETWORK = "10.231.80"
KEYS = {
    "image", "build", "entrypoint", "command", "environment", "volumes", "user", "read_only", "tmpfs", "cap_drop", "security_opt",
    "ulimits", "hostname", "restart", "ports", "stop_grace_period", "depends_on",
}
# The wait's own view: control groups of the second version alone, and no network of this machine.
HOLDER = """
set -e
umount -R /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
for folder in /run/netns /var/lib/cni /etc/cni/net.d; do mkdir -p $folder; mount -t tmpfs none $folder; done
ip link set lo up
echo ready
exec sleep infinity
"""
# As the image of NATS has it.
NATS_ENTRYPOINT = """#!/bin/sh
set -e
if [ "$#" -eq 0 ] || [ "${1#-}" != "$1" ]; then
    set -- nats-server "$@"
fi
exec "$@"
"""
IMAGES = {
    "nats:2.15-alpine": "COPY nats-server entrypoint /usr/local/bin/\nENTRYPOINT [\"entrypoint\"]\nCMD [\"nats-server\"]\n",
    "alpine/openssl": "RUN apt-get update -q && apt-get install -q -y --no-install-recommends openssl\nENTRYPOINT [\"openssl\"]\n",
}


class Compose:
    """The services of a file. Use it as a context: at the end nothing of it is left."""

    def __init__(self, tools, file, tag):
        self.tools, self.tag = tools, tag
        self.services = yaml.safe_load(file.read_text())["services"]
        for name, service in self.services.items():
            unknown = set(service) - KEYS
            if unknown:
                raise RuntimeError(f"{file}: {name} has {unknown}, which this test does not know")
        self.addresses = {name: f"{NETWORK}.{at}" for at, name in enumerate(self.services, 11)}
        self.holder = None

    def __enter__(self):
        self.holder = subprocess.Popen(["unshare", "--mount", "--net", "sh", "-c", HOLDER], stdout=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "ready\n":
            raise RuntimeError("the containers have no place to run")
        self.network = Network(self.holder.pid)
        self.podman("network", "create", "--subnet", f"{NETWORK}.0/24", "chat")
        return self

    def __exit__(self, *_):
        self.podman("rm", "--all", "--force", "--time", "1", fails=True)
        self.holder.kill()
        self.holder.wait(10)

    def podman(self, *words, fails=False, limit=120):
        """Runs podman where the containers are. Its output; an exception if it fails, unless it may."""
        inside = ["nsenter", "-t", str(self.holder.pid), "--mount", "--net"]
        config = ["--network-config-dir", "/etc/cni/net.d", "--cgroup-manager", "cgroupfs"]
        done = subprocess.run([*inside, *self.tools.words("podman"), *config, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=limit, check=False)
        if done.returncode != 0 and not fails:
            raise RuntimeError(f"podman {' '.join(words)}: {done.returncode}\n{done.stdout}")
        return done

    def words(self, name):
        """The arguments of `podman run` for a service."""
        service = self.services[name]
        words = ["--name", name, "--network", "chat", "--ip", self.addresses[name], "--hostname", service.get("hostname", name)]
        # This machine sets neither control groups nor higher limits for a container.
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        files = min(service.get("ulimits", {}).get("nofile", 1024), most)
        words += ["--cgroups=disabled", "--ulimit", f"nofile={files}:{files}", "--ulimit", "nproc=4096:4096"]
        for other, address in self.addresses.items():
            words += ["--add-host", f"{other}:{address}"]
        for key, value in service.get("environment", {}).items():
            words += ["--env", f"{key}={_text(value)}"]
        for option, key in (("--volume", "volumes"), ("--publish", "ports"), ("--cap-drop", "cap_drop"), ("--security-opt", "security_opt")):
            for value in service.get(key, []):
                words += [option, value.replace("no-new-privileges:true", "no-new-privileges")]
        for mount in service.get("tmpfs", []):
            folder, _, options = mount.partition(":")
            given = dict(option.split("=") for option in options.split(",") if option)
            # Its owner is that of the container, which is 3000.
            owner = ",chown=true" if given.get("uid") == "3000" and given.get("gid") == "3000" else ""
            words += ["--mount", f"type=tmpfs,destination={folder},tmpfs-mode={given.get('mode', '1777')}{owner}"]
        words += ["--read-only"] if service.get("read_only") else []
        words += ["--user", service["user"]] if "user" in service else []
        words += ["--stop-timeout", service["stop_grace_period"].removesuffix("s")] if "stop_grace_period" in service else []
        words += ["--entrypoint", json.dumps([_text(word) for word in service["entrypoint"]])] if "entrypoint" in service else []
        image = {"tcp-chatd": self.tag}.get(service["image"], f"localhost/{service['image']}")
        return [*words, image, *(_text(word) for word in service.get("command", []))]

    def up(self):
        """`docker compose up`: starts what does not run, each after what it depends on."""
        for name in self.services:
            self.started(name, {})

    def started(self, name, done):
        if name in done:
            return
        done[name] = True
        wanted = self.services[name].get("depends_on", {})
        for other in wanted:
            self.started(other, done)
            condition = wanted[other]["condition"] if isinstance(wanted, dict) else "service_started"
            if condition == "service_completed_successfully":
                self.completed(other)
            elif condition == "service_healthy":
                self.healthy(other)
        if self.podman("container", "exists", name, fails=True).returncode != 0:
            self.podman("run", "--detach", *self.words(name))
        elif self.podman("inspect", "--format", "{{.State.Running}}", name).stdout.strip() != "true":
            self.podman("start", name)

    def completed(self, name):
        code = int(self.podman("wait", name, limit=180).stdout.split()[-1])
        if code != 0:
            raise RuntimeError(f"{name} ended with {code}:\n{self.podman('logs', name, fails=True).stdout}")

    def healthy(self, name, limit=60):
        test = self.tools.health
        if not wait_for(f"{name} to be healthy", lambda: self.podman("exec", name, *test, fails=True).returncode == 0, limit):
            raise RuntimeError(f"{name} is not healthy:\n{self.podman('logs', name, fails=True).stdout}")

    def volume(self, name):
        """Where a volume lies on this machine."""
        return self.tools.folder / "store" / "volumes" / name / "_data"

    def connect(self, port, address="127.0.0.1", limit=10):
        """A TCP connection to a published port."""
        return self.network.connect(port, address, limit)

    def path(self, inside):
        """A file of the first daemon's state."""
        return self.volume("state1") / inside.removeprefix("/var/lib/tcp-chatd/")


def _text(value):
    return str(value).replace("$$", "$")


def run(tools, file, tag, nats):
    """`tools`: have the image `tag`; `file`: cluster.yaml; `nats`: the program of a NATS server."""
    folder = tools.folder / "others"
    folder.mkdir()
    os.link(nats, folder / "nats-server") if os.stat(nats).st_dev == os.stat(folder).st_dev else _copied(nats, folder)
    (folder / "entrypoint").write_text(NATS_ENTRYPOINT)
    (folder / "entrypoint").chmod(0o755)
    for image, lines in IMAGES.items():
        (folder / "Dockerfile").write_text(f"FROM debian:bookworm-slim\n{lines}")
        built = tools.podman("build", "--isolation=chroot", "--pull=never", "--layers=false", "--format=docker", "-t", f"localhost/{image}", str(folder))
        if not check(f"compose: a stand-in for the image {image}", built.returncode == 0, built.stdout):
            return
    with Compose(tools, file, tag) as compose:
        began = time.monotonic()
        compose.up()
        print(f"        up after {time.monotonic() - began:.0f} s")
        _works(compose)


def _copied(nats, folder):
    (folder / "nats-server").write_bytes(nats.read_bytes())
    (folder / "nats-server").chmod(0o755)


def _status(compose, name):
    done = compose.podman("exec", name, "tcp-chatd", "cluster", "status", "--json", fails=True)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {"error": done.stdout}


def _works(compose):
    nodes = ("chat1", "chat2", "chat3")
    for name in nodes:
        status = wait_for(f"{name} to serve", lambda name=name: _serving(_status(compose, name)), 40)
        check(f"compose: {name} serves, with three living nodes", status, f"{_status(compose, name)} {compose.podman('logs', name, fails=True).stdout[-2000:]}")
    peer, other = Peer(compose, "ana", port=3001), Peer(compose, "ben", port=3003)
    peer.say("from the first container")
    other.until("from the first container")
    check("compose: a message of one node reaches another one's client, by the published ports", True)
    check("compose: a login tells the published addresses", sorted(peer.reply["servers"]) == [f"localhost:300{n}" for n in (1, 2, 3)], peer.reply.get("servers"))
    rights = compose.podman("exec", "chat1", "sh", "-c", "exec 2>&1; id -u; cat /secrets/server.key; touch /x; stat -c %a /var/lib/tcp-chatd/cluster.key", fails=True).stdout
    check("compose: a daemon is no root, cannot read the keys of NATS or write outside its state",
          rights.split()[0] == "3000" and "Permission denied" in rights and "Read-only" in rights and rights.split()[-1] == "600", rights)
    compose.podman("kill", "chat1")
    try:
        while True:
            peer.read()
    except Closed:
        pass
    token, peer.port = peer.session, 3002
    peer.back()
    peer.say("after the loss of a daemon")
    other.until("after the loss of a daemon")
    check("compose: a daemon is killed, and its user goes on at another one", peer.session == token)
    compose.podman("start", "chat1")
    leader = _status(compose, "chat2").get("leader")
    server = next(name for name in ("nats1", "nats2") if name != leader)
    compose.podman("kill", server)
    peer.say("after the loss of a NATS server")
    other.until("after the loss of a NATS server")
    check("compose: a NATS server is killed, and messages go on", True)
    before = {path: path.stat().st_mtime for path in (compose.volume("secrets") / "ca.pem", compose.path("cluster.key"))}
    compose.up()
    for name in ("secrets", "init", "share"):
        compose.completed(name)
    check("compose: all of it can be repeated, and nothing is made again", before == {path: path.stat().st_mtime for path in before})
    back = wait_for("all to serve", lambda: all(_serving(_status(compose, name)) for name in nodes), 40)
    check("compose: what was killed is back", back, [_status(compose, name) for name in nodes])
    peer.quit()
    other.quit()
    compose.podman("stop", "chat3")
    code = compose.podman("inspect", "--format", "{{.State.ExitCode}}", "chat3").stdout.strip()
    check("compose: `stop` ends a daemon in order", code == "0", code)


def _serving(status):
    return status.get("state") == "serving" and len(status.get("members", [])) == 3
