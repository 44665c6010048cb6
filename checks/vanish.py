#!/usr/bin/env python3
"""Checks that a peer whose host vanishes is away within a minute, without any request to it.

    sudo python3 checks/vanish.py DAEMON

Creates a network namespace for the vanishing host, with a virtual cable to this host, where the daemon DAEMON
listens only on an address of that cable. The cable is cut, and another client on this host must see `away`.
Runs twice: for an idle peer (noticed by keepalive), and for one with unacknowledged messages (noticed by
TCP_USER_TIMEOUT).
Needs root, `ip` and Python 3.8. The last line is `N passed, N failed`.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

OURS, THEIRS, PORT = "10.231.77.1", "10.231.77.2", 3000
SECONDS = 60
SPACE = f"tcp-chat-{os.getpid()}"
CABLE, END = f"tc{os.getpid()}a"[:15], f"tc{os.getpid()}b"[:15]


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def client(ca, name):
    """The source of a client that logs in, reports it, and then only reads."""
    return f"""
import json, socket, ssl, sys
tls = ssl.create_default_context(cafile={ca!r})
tls.check_hostname = False  # the address of the cable; the CA is checked all the same
chat = tls.wrap_socket(socket.create_connection(({OURS!r}, {PORT})), server_hostname="localhost")
chat.sendall(json.dumps(dict(op="LOGIN", data=dict(name={name!r}))).encode() + b"\\n")
while True:
    data = chat.recv(65536)
    if not data: break
    sys.stdout.buffer.write(data); sys.stdout.flush()
"""


def wait_for(process, wanted, limit):
    """Reads lines until one matches; returns the time, or None."""
    began = time.monotonic()
    os.set_blocking(process.stdout.fileno(), False)
    buffer = b""
    while time.monotonic() - began < limit:
        chunk = process.stdout.read()
        if not chunk:
            time.sleep(0.05)
            continue
        buffer += chunk
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            if wanted(json.loads(line)):
                return time.monotonic() - began
    return None


def is_away(user):
    return lambda line: line["op"] == "PRESENCE" and line["data"] == {
        "room": "lobby", "user": user, "color": "", "state": "away"}


def check(daemon, folder, owes):
    """Cuts the cable once. True: noticed within the time."""
    ca = os.path.join(folder, "certs", "ca.pem")
    which = "owing" if owes else "idle"
    name = f"far-{which}"
    python = [sys.executable, "-c"]
    far = subprocess.Popen(["ip", "netns", "exec", SPACE, *python, client(ca, name)], stdout=subprocess.PIPE)
    near = subprocess.Popen([*python, client(ca, f"near-{which}")], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    try:
        logged_in = lambda line: line["op"] == "LOGIN" and line["status"] == "OK"
        assert wait_for(far, logged_in, 20) and wait_for(near, logged_in, 20), "both come in"
        ip("link", "set", CABLE, "down")
        if owes:
            subprocess.run([daemon, "say", "is anybody there"], cwd=folder, check=True)
        took = wait_for(near, is_away(name), SECONDS + 20)
    finally:
        for process in (far, near):
            process.kill()
            process.wait()
        ip("link", "set", CABLE, "up")
    what = "a peer with messages under way" if owes else "an idle peer"
    passed = took is not None and took <= SECONDS
    print(f"{'ok' if passed else 'FAILED'}: {what} was away after {took and round(took, 1)} s", flush=True)
    return passed


def main():
    # SIGTERM raises an exception, so that the namespace and the cable are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    daemon = os.path.abspath(sys.argv[1])
    folder = tempfile.mkdtemp()
    process = None
    try:
        ip("netns", "add", SPACE)
        ip("link", "add", CABLE, "type", "veth", "peer", "name", END, "netns", SPACE)
        ip("addr", "add", f"{OURS}/30", "dev", CABLE)
        ip("link", "set", CABLE, "up")
        ip("-n", SPACE, "addr", "add", f"{THEIRS}/30", "dev", END)
        ip("-n", SPACE, "link", "set", END, "up")
        with open(os.path.join(folder, "config.toml"), "w") as config:
            config.write(f'[listen]\naddress = "{OURS}:{PORT}"\n[sessions]\nttl = "1s"\n')
        process = subprocess.Popen([daemon], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection((OURS, PORT), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        results = [check(daemon, folder, owes) for owes in (False, True)]
    finally:
        if process:
            process.terminate()
            process.wait()
        subprocess.run(["ip", "netns", "del", SPACE])
        subprocess.run(["ip", "link", "del", CABLE], stderr=subprocess.DEVNULL)
        shutil.rmtree(folder)
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
