"""Owns the checks of the package files themselves, before anything is installed.

Called first by the run. It never starts a machine.
"""

import json
import re
import struct
import subprocess
import tarfile
import tempfile
import tomllib
import zlib
from pathlib import Path

from checks import check


def _out(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


INSTALLED = {
    "tcp-chatd": [
        "./usr/bin/tcp-chatd",
        "./etc/tcp-chatd/config.toml",
        "./usr/lib/systemd/system/tcp-chatd.service",
        "./usr/lib/systemd/system/tcp-chatd.socket",
        "./usr/lib/systemd/system/tcp-chatd-web.socket",
        "./usr/lib/sysusers.d/tcp-chatd.conf",
        "./usr/lib/tmpfiles.d/tcp-chatd.conf",
        "./etc/fail2ban/filter.d/tcp-chatd.conf",
        "./usr/share/man/man8/tcp-chatd.8.gz",
        "./usr/share/man/man5/tcp-chatd.toml.5.gz",
        "./usr/share/bash-completion/completions/tcp-chatd",
        "./usr/share/zsh/vendor-completions/_tcp-chatd",
        "./usr/share/fish/vendor_completions.d/tcp-chatd.fish",
        "./usr/share/tcp-chatd/prometheus/tcp-chatd.rules.yml",
        "./usr/share/tcp-chatd/grafana/tcp-chatd.json",
        "./usr/share/doc/tcp-chatd/README.Debian",
        "./usr/share/doc/tcp-chatd/CLUSTER.md",
        "./usr/share/doc/tcp-chatd/changelog.gz",
        "./usr/share/doc/tcp-chatd/copyright",
    ],
    "tcp-chat-cli": [
        "./usr/bin/tcp-chat-cli",
        "./usr/share/man/man1/tcp-chat-cli.1.gz",
        "./usr/share/bash-completion/completions/tcp-chat-cli",
        "./usr/share/zsh/vendor-completions/_tcp-chat-cli",
        "./usr/share/fish/vendor_completions.d/tcp-chat-cli.fish",
        "./usr/share/applications/tcp-chat.desktop",
        "./usr/share/icons/hicolor/scalable/apps/tcp-chat.svg",
        "./usr/share/doc/tcp-chat-cli/changelog.gz",
        "./usr/share/doc/tcp-chat-cli/copyright",
    ],
}


# Folders that differ between .deb and .rpm, and files that only the .deb has.
DEB_PLACES = {"/usr/share/zsh/vendor-completions/": "/usr/share/zsh/site-functions/"}
DEB_ONLY = {"README.Debian", "changelog.gz"}


def run(debs, again):
    """`debs` and `again`: the packages by name, packed twice from the same programs."""
    for name, deb in debs.items():
        _one(name, deb)
        check(f"{name}: packed twice, the same bytes", deb.read_bytes() == again[name].read_bytes())
    conffiles = _out("dpkg-deb", "-I", str(debs["tcp-chatd"]), "conffiles").stdout.split()
    check("tcp-chatd: config.toml is a conffile", "/etc/tcp-chatd/config.toml" in conffiles, conffiles)
    for name, folder in (("tcp-chatd", "daemon"), ("tcp-chat-cli", "cli")):
        _rpm_has_the_same(name, Path(folder))


def _rpm_has_the_same(name, folder):
    """The .rpm is built only by checks/slow.sh: here its list of files is compared with that of the .deb."""
    metadata = tomllib.loads((folder / "Cargo.toml").read_text())["package"]["metadata"]
    deb, rpm = set(), set()
    for source, place, _ in metadata["deb"]["assets"]:
        place = "/" + place
        for ours, theirs in DEB_PLACES.items():
            place = place.replace(ours, theirs)
        if Path(source).name not in DEB_ONLY:
            deb.add((source.removeprefix("../"), place, Path(source).name))
    for asset in metadata["generate-rpm"]["assets"]:
        rpm.add((asset["source"], asset["dest"], Path(asset["source"]).name))
    check(f"{name}: the .rpm has the files of the .deb", deb == rpm, sorted(deb ^ rpm))


def _one(name, deb):
    said = _out("lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0", str(deb))
    check(f"{name}: lintian has no error and no warning", said.returncode == 0, said.stdout)

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "-x", str(deb), folder], check=True)
        files = {f"./{path.relative_to(folder)}" for path in Path(folder).rglob("*")}
        missing = [path for path in INSTALLED[name] if path not in files]
        check(f"{name}: has every file that it promises", not missing, missing)
        program = Path(folder) / "usr/bin" / name
        kind = _out("file", str(program)).stdout
        check(f"{name}: the program is stripped and position-independent", ", stripped" in kind and "pie" in kind, kind)
        made_of = {package["name"] for package in _made_of(program.read_bytes())}
        expected = {"rustls", "tokio", name} | ({"tikv-jemalloc-sys", "async-nats"} if name == "tcp-chatd" else set())
        check(f"{name}: says what it was made of, for cargo audit; the daemon has jemalloc and the cluster", expected <= made_of, sorted(made_of))
        listed = (Path(folder) / f"usr/share/doc/{name}/third-party").read_text()
        named = [crate for crate in ("rustls v0", "tikv-jemalloc-sys v0", "async-nats v0") if f"\n{crate}" in listed]
        check(f"{name}: third-party names what is linked in, jemalloc and async-nats included", len(named) == 3, listed)
        check(f"{name}: third-party names each crate once", "(*)" not in listed, listed)
        paths = re.findall(rb"/(?:root|home|tmp|work|build)/[ -~]{0,80}", program.read_bytes())
        check(f"{name}: no path of the building machine is in it", not paths, paths[:5])

    depends = _out("dpkg-deb", "-f", str(deb), "Depends").stdout
    check(f"{name}: dependencies are computed (libc6 with its version)", re.search(r"libc6 \(>= [\d.]+\)", depends), depends)
    with tarfile.open(fileobj=_data(deb)) as data:
        owners = {(entry.uname or entry.uid, entry.gname or entry.gid) for entry in data}
        writable = [entry.name for entry in data if entry.mode & 0o022 and not entry.issym()]
    check(f"{name}: everything belongs to root and nobody else can write it", owners <= {("root", "root"), (0, 0)} and not writable,
          f"{owners} {writable}")


def _made_of(program):
    """What cargo-auditable has put into a program (ELF, 64 bits): the section .dep-v0, packed JSON."""
    at, size, count, names = struct.unpack_from("<Q", program, 0x28) + struct.unpack_from("<HHH", program, 0x3A)
    sections = [struct.unpack_from("<IIQQQQ", program, at + size * n) for n in range(count)]
    text = sections[names][4]
    for name, _, _, _, offset, length in sections:
        if program[text + name:].split(b"\0", 1)[0] == b".dep-v0":
            return json.loads(zlib.decompress(program[offset:offset + length]))["packages"]
    return []


def _data(deb):
    archive = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE, check=True).stdout
    holder = tempfile.TemporaryFile()
    holder.write(archive)
    holder.seek(0)
    return holder
