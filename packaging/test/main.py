"""Owns the order of the run: packages, a fresh machine, an upgraded machine, the image.

Called by `run` once everything is built and the root is there; see there for what the arguments are.
"""

import argparse
import signal
import subprocess
import sys
from pathlib import Path

import image
import install
import life
import nodes
import operations
import page
import packages
import upgrade
from checks import close, guarded
from machine import Machine


def _pair(folder):
    """Both packages of a folder for this machine, the daemon's first."""
    arch = subprocess.run(["dpkg", "--print-architecture"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return [_only(folder, f"{name}_*_{arch}.deb") for name in ("tcp-chatd", "tcp-chat-cli")]


def _only(folder, pattern):
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise SystemExit(f"{folder} has {len(found)} files {pattern}, not 1")
    return found[0]


def _fresh(root, new):
    with Machine(root) as machine:
        for user in ("ana", "ben"):
            machine.run(f"useradd -m {user}")
        steps = [
            ("a first installation", lambda m: install.fresh(m, new)),
            ("ready", install.ready_means_ready),
            ("status and journal", install.status_and_journal),
            ("who may do what", install.who_may_what),
            ("chat", install.chat),
            ("reload", install.reload),
            ("man pages and completions", install.documents),
            ("failed logins", install.failed_logins),
            ("backup and restore", operations.backup_and_restore),
            ("moving the CA", operations.moving_the_authority),
            ("what operators do by hand", operations.by_hand),
            ("keeping order", operations.keeping_order),
            ("own certificates", life.own_certificates),
            ("own certificates as credentials", operations.credentials),
            ("the page", page.page),
            ("stop", life.stop_in_order),
            ("watchdog", life.hang),
            ("kill", life.kill),
            ("restart under load", life.restart_under_load),
        ]
        for title, step in steps:
            # An operator does not start it ten times a minute, as this test does.
            machine.run("systemctl reset-failed tcp-chatd.service")
            guarded(title, lambda step=step: step(machine))


def _upgraded(root, old, new):
    with Machine(root) as machine:
        machine.run("useradd -m ana")
        upgrade.story(machine, old, new)


def main():
    """Runs every part; the exit code tells whether all checks passed."""
    # SIGTERM ends it by an exception, so that machines and images are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    options = argparse.ArgumentParser()
    for name in ("root", "slim", "debs", "again", "old", "dockerfile", "nats", "document"):
        options.add_argument(f"--{name}", type=Path, required=True)
    options.add_argument("--cluster", action="store_true")
    given = options.parse_args()
    new = _pair(given.debs)

    def by_name(pair):
        return dict(zip(("tcp-chatd", "tcp-chat-cli"), pair, strict=True))

    if given.cluster:
        guarded("a cluster of three machines", lambda: nodes.story(given.root, new, given.nats, given.document))
        guarded("the image", lambda: image.run(given.slim, given.dockerfile, given.debs, given.nats))
        close()
    again = _pair(given.again)
    guarded("the packages", lambda: packages.run(by_name(new), by_name(again)))
    guarded("a fresh machine", lambda: _fresh(given.root, new))
    guarded("upgrade, remove, purge", lambda: _upgraded(given.root, _pair(given.old), new))
    guarded("a cluster of three machines", lambda: nodes.story(given.root, new, given.nats, given.document))
    guarded("the image", lambda: image.run(given.slim, given.dockerfile, given.debs, None))
    close()


main()
