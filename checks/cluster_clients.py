"""Owns the clients of people in a cluster: a connection without any rule of its own, a program that a person types to, and a
tab of the page. Used by cluster_people.py. Each does only what the check tells it, and waits for what the check expects.
Needs only Python 3.8."""

import json
import os
import re
import select
import socket
import ssl
import struct
import subprocess
import threading
import time


class Raw:
    """A connection that does only what it is told."""

    def __init__(self, them, node, name):
        context = ssl.create_default_context(cafile=them.ca)
        plain = socket.create_connection(("127.0.0.1", them.ports[node]), 10)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        self.socket.settimeout(30)
        self.lines = self.socket.makefile("rb")
        self.send("LOGIN", {"name": name}, 1)
        self.login = self.until(lambda line: line.get("id") == 1)

    def send(self, op, data, number):
        self.socket.sendall(json.dumps({"op": op, "data": data, "id": number}).encode() + b"\n")

    def until(self, wanted, seconds=30):
        """The first line that is wanted, and `None` if the connection is closed or too much time passes."""
        self.socket.settimeout(seconds)
        try:
            for line in self.lines:
                got = json.loads(line)
                if wanted(got):
                    return got
        except OSError:
            pass
        return None

    def notice(self, kind, seconds=30):
        return self.until(lambda line: line["op"] == "NOTICE" and line["data"]["kind"] == kind, seconds)


class Spoken:
    """A program with lines that come and go."""

    def __init__(self, command, folder):
        env = {"HOME": folder, "PATH": os.environ["PATH"], "TZ": "UTC"}
        self.child = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT)
        self.said, self.began = [], time.monotonic()
        threading.Thread(target=self.hear, daemon=True).start()

    def hear(self):
        for line in self.child.stdout:
            self.said.append((time.monotonic(), line.decode(errors="replace").rstrip("\n")))

    def type(self, text):
        self.child.stdin.write(text.encode() + b"\n")
        self.child.stdin.flush()

    def wait_for(self, pattern, seconds, since=0):
        """The first line after the first `since` ones that matches, with its time; `None`: there is none in time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for at, line in self.said[since:]:
                if re.search(pattern, line):
                    return at, line
            time.sleep(0.05)
        return None

    def end(self):
        self.child.kill()
        self.child.wait()


class Tab:
    """A tab of the page behind a relay."""

    def __init__(self, relay_port, bearer):
        self.port, self.bearer = relay_port, bearer
        self.session, self.seen = None, 0
        self.open()

    def open(self):
        self.socket = socket.create_connection(("127.0.0.1", self.port), 10)
        host = f"127.0.0.1:{self.port}"
        self.socket.sendall((
            f"GET /ws HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Protocol: tcp-chat.1, bearer.{self.bearer}\r\n\r\n").encode())
        self.bytes, self.text = b"", ""
        while b"\r\n\r\n" not in self.bytes:
            got = self.socket.recv(4096)
            if not got:
                raise SystemExit(f"the relay refused the tab: {self.bytes}")
            self.bytes += got
        head, self.bytes = self.bytes.split(b"\r\n\r\n", 1)
        if b" 101 " not in head:
            raise SystemExit(f"the relay refused the tab: {head}")

    def send(self, op, data, number):
        text = json.dumps({"op": op, "data": data, "id": number}).encode() + b"\n"
        mask = b"abcd"
        length = bytes([0x80 | len(text)]) if len(text) < 126 else bytes([0x80 | 126]) + struct.pack(">H", len(text))
        self.socket.sendall(b"\x81" + length + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(text)))

    def frame(self, seconds):
        """The next frame's kind and content; `None`: closed, or not in time."""
        until = time.monotonic() + seconds
        while True:
            if len(self.bytes) >= 2:
                size, at = self.bytes[1] & 0x7F, 2
                if size == 126 and len(self.bytes) >= 4:
                    size, at = struct.unpack(">H", self.bytes[2:4])[0], 4
                elif size == 127 and len(self.bytes) >= 10:
                    size, at = struct.unpack(">Q", self.bytes[2:10])[0], 10
                if size < 126 or at > 2:
                    if len(self.bytes) >= at + size:
                        kind, content = self.bytes[0] & 15, self.bytes[at:at + size]
                        self.bytes = self.bytes[at + size:]
                        return kind, content
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                return None
            got = self.socket.recv(65536)
            if not got:
                return None
            self.bytes += got

    def until(self, wanted, seconds):
        """The first line that is wanted. `closed` or `late` instead of it."""
        until = time.monotonic() + seconds
        while True:
            while "\n" in self.text:
                line, self.text = self.text.split("\n", 1)
                got = json.loads(line)
                if wanted(got):
                    return got
            got = self.frame(max(until - time.monotonic(), 0))
            if got is None or got[0] == 8:
                return "late" if time.monotonic() >= until else "closed"
            self.text += got[1].decode()

    def enter(self):
        self.send("LOGIN", {"name": "tab", **({"session": self.session} if self.session else {})}, 1)
        login = self.until(lambda line: line.get("id") == 1, 30)
        if isinstance(login, dict) and login["status"] == "OK":
            self.session = login["data"]["session"]
        return login
