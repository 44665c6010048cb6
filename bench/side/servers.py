"""Owns the servers: their packages, settings, start and end. Called by compare and
runs. Never ends a process that it did not start."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

PEERS = Path(__file__).resolve().parent.parent / "peers"
# The server on one processor, the load on the other.
SERVER_CPU, LOAD_CPU = "0", "1"
# inspircd accepts waiting clients once a second: with 32 at a time, as for the others, it would be 32 a second.
INSPIRCD_AT_ONCE = 512
# Tokio and rustls that pass lines on: the yardstick (bench/src/relay.rs).
RELAY = "bare relay"
# The timeout of a start and of an end, in seconds.
PATIENCE = 30


class Kind:
    """A measured program."""

    def __init__(self, name, speech, settings, command, version, keeps, package=None, at_once=32):
        self.name = name
        self.speech = speech
        self.settings = settings
        self.command = command
        self.version_of = version
        self.keeps = keeps
        self.package = package
        self.at_once = at_once

    def is_there(self):
        return shutil.which(self.command[0]) is not None

    def version(self):
        said = subprocess.run(
            self.version_of, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        return (said.stdout or said.stderr).strip().splitlines()[0]


def kinds(daemon, load="tcp-chat-bench"):
    """All servers, ours first. In the commands, {settings} is the settings file, {port} the port, {certs} the folder with
    the certificate. The bare relay is part of the load, and no peer."""
    irc = "nothing; a line for each message, at most 512 bytes"
    return [
        Kind("tcp-chatd", "chat", "tcp-chatd.toml", [daemon, "--config", "{settings}"],
             [daemon, "--version"], "every message, before anyone is sent it"),
        Kind("nats-server", "nats", "nats.conf", ["nats-server", "-c", "{settings}"],
             ["nats-server", "--version"], "nothing (core NATS)", "nats-server"),
        Kind("mosquitto", "mqtt", "mosquitto.conf", ["mosquitto", "-c", "{settings}"],
             ["mosquitto", "-h"], "nothing (QoS 0)", "mosquitto"),
        Kind("ngircd", "irc", "ngircd.conf", ["ngircd", "-n", "-f", "{settings}"],
             ["ngircd", "--version"], irc, "ngircd"),
        Kind("inspircd", "irc", "inspircd.conf",
             ["inspircd", "--runasroot", "--nofork", "--config={settings}"],
             ["inspircd", "--version"], irc, "inspircd", INSPIRCD_AT_ONCE),
        Kind(RELAY, "chat", None,
             [load, "relay", "--address", "127.0.0.1:{port}", "--certificate", "{certs}/server.pem", "--key", "{certs}/server.key"],
             [load, "--version"], "nothing: no names, no rooms, no checks; what TLS and sockets cost alone"),
    ]  # fmt: skip


def install(wanted):
    """Installs missing packages from Debian. Without permission it prints what to do."""
    missing = [kind.package for kind in wanted if kind.package and not kind.is_there()]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SystemExit(f"missing: {', '.join(missing)}. Install them, or run this as root on Debian.")
    print("installing", *missing, flush=True)
    quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
    subprocess.run(["apt-get", "update", "-q"], check=True, **quiet)
    subprocess.run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing], check=True, **quiet)
    # With a service manager the package starts some of them as a service. They would disturb the runs, and the
    # operator has to stop them.


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A running program with a folder of its own. Used as a context manager, so it is always ended."""

    def __init__(self, kind, folder, certs, ttl="2m"):
        self.kind = kind
        self.folder = Path(folder)
        self.certs = Path(certs)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.process = None
        settings = (PEERS / kind.settings).read_text() if kind.settings else ""
        fill = {
            "@DIR@": self.folder, "@PORT@": self.port, "@PLAIN@": free_port(), "@CERTS@": self.certs,
            "@CERT@": self.certs / "server.pem", "@KEY@": self.certs / "server.key", "@TTL@": ttl,
        }  # fmt: skip
        for word, value in fill.items():
            settings = settings.replace(word, str(value))
        file = self.folder / (kind.settings or "no-settings")
        file.write_text(settings)
        os.chmod(file, 0o600)
        parts = {"{settings}": file, "{port}": self.port, "{certs}": self.certs}
        command = kind.command
        for word, value in parts.items():
            command = [part.replace(word, str(value)) for part in command]
        self.command = ["taskset", "-c", SERVER_CPU, *command]

    def __enter__(self):
        with open(self.folder / "output", "wb") as output:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.folder
            )
        until = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > until:
                self.end()
                raise RuntimeError(f"{self.kind.name} did not start: {self.said()}")
            time.sleep(0.02)

    def __exit__(self, *_):
        self.end()

    def end(self):
        """Ends only the process that was started here."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def said(self):
        return (self.folder / "output").read_text(errors="replace")[-2000:]

    def stored_bytes(self):
        """The size of the log's files, without the search index, whose size depends on the words."""
        files = [file for file in self.folder.glob("chat.db*") if "-search" not in file.name]
        return sum(file.stat().st_size for file in files)
