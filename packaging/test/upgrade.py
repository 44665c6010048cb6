"""Owns the end of an operator's story: upgrade from the package before, remove, install again, purge.

Called with a fresh machine.
"""

import hashlib

from checks import check, wait_for
from install import CONFIG, STATE, UNIT, install
from wire import Peer

# What a system writes by itself meanwhile, or keeps on purpose (users are not removed).
NOT_OURS = (
    "/var/log", "/var/cache", "/var/lib/dpkg", "/var/lib/apt", "/var/lib/systemd", "/var/lib/ucf", "/root", "/home", "/tmp", "/var/tmp",
    "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid", "/etc/.pwd.lock", "/var/mail", "/var/spool",
    "/var/lib/fail2ban", "/var/lib/dbus", "/etc/machine-id", "/run/agetty.reload",
)


def _files(machine):
    """Every file of the system, with those out that are not a package's business."""
    listed = machine.run("find / /run -xdev ! -path '/run/systemd/*' ! -path '/run/user*' ! -path '/run/udev/*' ! -path '/run/log/*'").text
    return {path for path in listed.splitlines() if not path.startswith(NOT_OURS)}


def _hash(machine, inside):
    return hashlib.sha256(machine.path(inside).read_bytes()).hexdigest()


def story(machine, old, new):
    """`old` and `new`: both packages, of the version before and of this one."""
    before = _files(machine)
    first = install(machine, old)
    version = machine.run("dpkg-query -W -f '${Version}' tcp-chatd").text
    check(f"upgrade: the package before is installed ({version})", first.ok and version.startswith("0.0.9"), first)

    config = machine.path(CONFIG)
    config.write_text(config.read_text().replace("[limits]", "# the operator was here\n[limits]"))
    edited = _hash(machine, CONFIG)
    authority = _hash(machine, f"{STATE}/certs/ca.pem")
    ana, ben = Peer(machine, "ana"), Peer(machine, "ben")
    ana.say("before the upgrade")
    ben.until("before the upgrade")
    pid = machine.main_pid()

    done = install(machine, new)
    version = machine.run("dpkg-query -W -f '${Version}' tcp-chatd").text
    check(f"upgrade: apt installs the new one ({version})", done.ok and not version.startswith("0.0.9"), done)
    check("upgrade: the daemon was restarted, and runs", machine.main_pid() not in (0, pid) and machine.show("ActiveState") == "active")
    check("upgrade: the changed config.toml is kept", _hash(machine, CONFIG) == edited)
    check("upgrade: the new one lies beside it, since both had changed", machine.path(f"{CONFIG}.dpkg-dist").exists())
    check("upgrade: the certificate authority is the same", _hash(machine, f"{STATE}/certs/ca.pem") == authority)
    token = ben.session
    ana.back()
    ana.say("after the upgrade")
    ben.back()
    ben.until("after the upgrade")
    check("upgrade: sessions resume, nothing is lost and nothing doubled",
          ben.session == token and ben.seen == ["before the upgrade", "after the upgrade"], ben.seen)

    removed = machine.run("DEBIAN_FRONTEND=noninteractive apt-get remove -y tcp-chatd")
    check("remove: the service is stopped and gone", removed.ok and machine.show("ActiveState") == "inactive"
          and not machine.path("/usr/bin/tcp-chatd").exists(), removed)
    check("remove: settings and state are kept", _hash(machine, CONFIG) == edited and machine.path(f"{STATE}/chat.db").exists())

    again = install(machine, new)
    check("install again: active, with the same authority",
          again.ok and machine.show("ActiveState") == "active" and _hash(machine, f"{STATE}/certs/ca.pem") == authority, again)
    told = machine.run("tcp-chat-cli history --limit 5", user="ana")
    check("install again: the messages are there", "after the upgrade" in told.text, told)
    machine.run(f"systemctl disable {UNIT}; systemctl stop {UNIT}")
    install(machine, new)
    state = machine.run(f"systemctl is-enabled {UNIT}").text.strip()
    machine.run("DEBIAN_FRONTEND=noninteractive apt-get install -y --reinstall /root/" + new[0].name)
    check("reinstall: a service that was disabled stays so",
          state == "disabled" and machine.run(f"systemctl is-enabled {UNIT}").text.strip() == "disabled", state)

    machine.run("touch /etc/tcp-chatd/own-notes; mkdir -p /srv/chat; touch /srv/chat/kept")
    purged = machine.run("DEBIAN_FRONTEND=noninteractive apt-get purge -y tcp-chatd tcp-chat-cli")
    check("purge: goes well", purged.ok, purged)
    check("purge: the state is gone", not machine.path(STATE).exists())
    check("purge: settings are gone, an operator's own file is not",
          not config.exists() and machine.path("/etc/tcp-chatd/own-notes").exists())
    machine.run("rm -r /etc/tcp-chatd /srv/chat")
    wait_for("the unit to be forgotten", lambda: machine.show("LoadState") == "not-found", 10)
    after = _files(machine)
    check("purge: every other file of the system is as it was before", before == after,
          "more: " + " ".join(sorted(after - before)) + "\nless: " + " ".join(sorted(before - after)))
