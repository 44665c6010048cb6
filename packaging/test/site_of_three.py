"""Owns three booted systems with a network of their own, and the blocks of docs/CLUSTER.md that say how to make a cluster there.

Called by nodes.py. Nothing of the network is on this machine's.
"""

import concurrent.futures
import re
import shutil
import subprocess

from machine import Bootable, Machine

NETWORK = "10.231.79"
# Answers each question for an address with that of the host, from /etc/hosts: the name service of this network.
NAME_SERVICE = r"""
import socket, struct
hosts = {}
for line in open("/etc/hosts"):
    address, *names = line.split()
    hosts.update((name, address) for name in names)
service = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
service.bind(("NETWORK.1", 53))
while True:
    asked, who = service.recvfrom(512)
    at, labels = 12, []
    while asked[at]:
        labels.append(asked[at + 1:at + 1 + asked[at]].decode())
        at += 1 + asked[at]
    kind = struct.unpack(">H", asked[at + 1:at + 3])[0]
    address = hosts.get(".".join(labels))
    is_found = bool(address) and kind == 1
    reply = asked[:2] + struct.pack(">HHHHH", 0x8580 | (0 if address else 3), 1, is_found, 0, 0) + asked[12:at + 5]
    if is_found:
        reply += struct.pack(">HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton(address)
    service.sendto(reply, who)
""".replace("NETWORK", NETWORK)
# The commands of the document begin with it; a minimal Debian does not have it.
SUDO = """#!/bin/sh
user=root
if [ "$1" = -u ]; then user=$2; shift 2; fi
exec runuser -u "$user" -- env "$@"
"""


class Document:
    """The blocks of the section "Set it up", and the rights."""

    def __init__(self, text):
        self.set_up = re.findall(r"^```(\w*)\n(.*?)^```", text.split("\n## Set it up\n")[1].split("\n## Daily work\n")[0], re.M | re.S)
        self.rights = re.search(r"^```\n# rights.conf\n(.*?)^```", text, re.M | re.S)[1]

    def block(self, begins, language=""):
        """The only block of this language that contains a text."""
        found = [text for kind, text in self.set_up if kind == language and begins in text]
        if len(found) != 1:
            raise RuntimeError(f"docs/CLUSTER.md has {len(found)} blocks {language!r} with {begins!r}, not 1")
        return found[0]

    def told(self, begins):
        """Of a block with commands and what they print: pairs of both."""
        pairs = []
        for line in self.block(begins).replace("\\\n", "").splitlines():
            if line.startswith("$ "):
                pairs.append((line[2:], []))
            else:
                pairs[-1][1].append(line)
        return pairs


class Site(Bootable):
    """The three systems, and a network that only they have. Use it as a context."""

    def __init__(self, root, nats):
        self.root, self.nats = root, nats
        self.machines = []

    def boot(self):
        """Boots the systems, and joins their networks."""
        self.machines = all_of(lambda n: Machine(self.root, f"chat{n}", own_group=True), (1, 2, 3))
        all_of(lambda machine: machine.boot(), self.machines)
        self.join()

    def stop(self):
        """Ends all of it."""
        for machine in self.machines:
            machine.stop()

    def join(self):
        """A bridge in the first one's network; the others hang on it. The third has no list of names, but a name service."""
        first = self.machines[0]
        inside = ["nsenter", "-t", str(first.init), "-n", "ip"]
        subprocess.run([*inside, "link", "add", "name", "site", "type", "bridge"], check=True)
        subprocess.run([*inside, "addr", "add", f"{NETWORK}.1/24", "dev", "site"], check=True)
        subprocess.run([*inside, "link", "set", "site", "up"], check=True)
        names = "".join(f"{NETWORK}.{n} chat{n}.example.org nats{n}.example.org\n" for n in (1, 2, 3))
        for number, machine in enumerate(self.machines, 1):
            if number > 1:
                subprocess.run([*inside, "link", "add", f"to{number}", "type", "veth", "peer", "name", "eth0", "netns", str(machine.init)], check=True)
                subprocess.run([*inside, "link", "set", f"to{number}", "master", "site", "up"], check=True)
                machine.run(f"ip addr add {NETWORK}.{number}/24 dev eth0; ip link set eth0 up")
            if number < 3:
                with open(machine.path("/etc/hosts"), "a") as hosts:
                    hosts.write(names)
            else:
                machine.run(f"""mkdir -p /run/systemd/resolve
                    echo 'nameserver {NETWORK}.1' >/run/systemd/resolve/stub-resolv.conf
                    chmod 755 /run/systemd/resolve; chmod 644 /run/systemd/resolve/stub-resolv.conf
                    rm -f /etc/resolv.conf; ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf""")
            sudo = machine.path("/usr/bin/sudo")
            sudo.write_text(SUDO)
            sudo.chmod(0o755)
            shutil.copy(self.nats, machine.path("/usr/local/bin/nats-server"))
            machine.path("/usr/local/bin/nats-server").chmod(0o755)
        first.path("/root/names.py").write_text(NAME_SERVICE)
        first.run("systemd-run --quiet --unit=names python3 /root/names.py")


def all_of(work, many):
    """Does it for all at once."""
    with concurrent.futures.ThreadPoolExecutor(len(many)) as at_once:
        return list(at_once.map(work, many))
