#!/usr/bin/env python3
"""Draws docs/session.svg from a real session: the daemon, two clients in pseudo-terminals, and a
kill -9 in the middle. Build first: cargo build -p tcp-chatd -p tcp-chat-cli. Port 3000 must be free.

    python3 checks/picture.py [--binaries target/debug] [--out docs/session.svg]
"""

import argparse
import html
import os
import pty
import re
import select
import signal
import subprocess
import tempfile
import time

PATIENCE = 40
COLOURS = {31: "#ff6b68", 32: "#7ec16e", 33: "#e5c07b", 34: "#6cb6ff", 35: "#d787d7", 36: "#56c8d8"}
LETTER, LINE, PAD = 8.43, 19, 14


class Screen:
    """A terminal with a user."""

    def __init__(self, title, command, folder):
        self.title, self.text = title, "$ " + " ".join(command[1]) + "\r\n"
        pid, self.fd = pty.fork()
        if pid == 0:
            os.chdir(folder)
            keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
            keep |= {"TERM": "xterm-256color", "HOME": folder, "TZ": "UTC"}
            os.execve(command[0], command[1], keep)
        self.pid = pid

    def until(self, wanted):
        start = len(self.text)
        deadline = time.monotonic() + PATIENCE
        while wanted not in plain(self.text[start:]):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise SystemExit("%s never shows %r:\n%s" % (self.title, wanted, self.text))
            self.text += os.read(self.fd, 65536).decode("utf-8", "replace")

    def types(self, line):
        os.write(self.fd, line.encode() + b"\n")
        self.until(line.split()[-1])


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def spans(line):
    """A line as SVG, its colours kept."""
    out, colour, dim = [], None, False
    for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z])", line):
        code = re.fullmatch(r"\x1b\[([0-9;]*)m", part)
        if code:
            numbers = [int(n) for n in code[1].split(";") if n] or [0]
            if numbers[:2] == [38, 2] and len(numbers) == 5:
                colour = "#%02x%02x%02x" % tuple(numbers[2:])
                continue
            for number in numbers:
                if number == 0:
                    colour, dim = None, False
                elif number == 2:
                    dim = True
                elif number == 39:
                    colour = None
                else:
                    colour = COLOURS.get(number % 60 if number >= 90 else number, colour)
        elif part and not part.startswith("\x1b"):
            style = ' fill="%s"' % colour if colour else ""
            style += ' opacity=".6"' if dim else ""
            out.append("<tspan%s>%s</tspan>" % (style, html.escape(part)))
    return "".join(out)


def draw(screens, out):
    columns = max(len(plain(line)) for screen in screens for line in screen.lines)
    rows = max(len(screen.lines) for screen in screens)
    width, height = columns * LETTER + 2 * PAD, rows * LINE + 2 * PAD + 30
    total = len(screens) * height + (len(screens) - 1) * PAD
    svg = ['<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">'
           % (width, total, width, total),
           "<title>Two people in a room, and the daemon killed between two words</title>",
           '<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace;'
           "fill:#d7dae0;white-space:pre}</style>"]
    for at, screen in enumerate(screens):
        top = at * (height + PAD)
        svg.append('<rect y="%d" width="%d" height="%d" rx="8" fill="#1d2026"/>' % (top, width, height))
        for n, colour in enumerate(("#ff5f57", "#febc2e", "#28c840")):
            svg.append('<circle cx="%d" cy="%d" r="5.5" fill="%s"/>' % (20 + 18 * n, top + 18, colour))
        svg.append('<text x="84" y="%d" opacity=".6" xml:space="preserve">%s</text>' % (top + 23, html.escape(screen.title)))
        for n, line in enumerate(screen.lines):
            y = top + 30 + PAD + LINE * (n + 0.7)
            svg.append('<text x="%d" y="%.0f" xml:space="preserve">%s</text>' % (PAD, y, spans(line)))
    svg.append("</svg>\n")
    with open(out, "w", encoding="utf-8") as file:
        file.write("\n".join(svg))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binaries", default="target/debug")
    parser.add_argument("--out", default="docs/session.svg")
    arguments = parser.parse_args()
    daemon_binary = os.path.abspath(os.path.join(arguments.binaries, "tcp-chatd"))
    client_binary = os.path.abspath(os.path.join(arguments.binaries, "tcp-chat-cli"))

    with tempfile.TemporaryDirectory() as folder:
        def start():
            daemon = subprocess.Popen([daemon_binary], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            while "listens on" not in daemon.stdout.readline():
                if daemon.poll() is not None:
                    raise SystemExit("the daemon does not start; is port 3000 free?")
            return daemon

        def client(name, colour):
            words = ["tcp-chat-cli", "--ca", "certs/ca.pem", "--name", name, "--color", colour]
            screen = Screen(name, (client_binary, words), folder)
            screen.until("connected")
            return screen

        daemon = start()
        screens = []
        try:
            ana = client("ana", "red")
            bo = client("bo", "cyan")
            screens = [ana, bo]
            ana.until("joined")
            ana.types("morning! did the deploy go through?")
            bo.until("go through?")
            bo.types("yes, all green. restarting the chat server now, mind the gap")
            ana.until("mind the gap")
            ana.types("/msg bo you really do that at noon?")
            bo.until("at noon?")
            daemon.send_signal(signal.SIGKILL)  # not even asked nicely
            daemon.wait()
            daemon = start()
            for screen in screens:
                screen.until("connected")
            bo.types("done. what did you lose?")
            ana.until("did you lose?")
            ana.types("nothing. not a word.")
            bo.until("not a word.")
        finally:
            daemon.kill()
            daemon.wait()
            for screen in screens:
                os.kill(screen.pid, signal.SIGKILL)
                os.waitpid(screen.pid, 0)
        for screen in screens:
            screen.lines = [line for line in re.split(r"\r*\n", screen.text) if plain(line).strip()]
        draw(screens, arguments.out)
        for screen in screens:
            print("--- " + screen.title)
            print("\n".join(screen.lines))


if __name__ == "__main__":
    main()
