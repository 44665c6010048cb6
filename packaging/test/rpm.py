"""Owns the checks of the .rpm files: python3 packaging/test/rpm.py FOLDER

Called by checks/slow.sh, after packaging/build.sh has made them. Needs rpm. The gate builds no .rpm; there
packages.py compares the list of their files with that of the .deb files.
"""

import subprocess
import sys
from pathlib import Path

from checks import check, close


def _said(*words):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout


def main():
    """Reads each .rpm of the folder; the exit code tells whether all checks passed."""
    rpms = sorted(map(str, Path(sys.argv[1]).glob("*.rpm")))
    check("rpm: a package for the daemon and one for the client", len(rpms) == 2, rpms)
    listed = _said("rpm", "-qlp", *rpms).split()
    for path in ("/usr/bin/tcp-chatd", "/etc/tcp-chatd/config.toml", "/usr/bin/tcp-chat-cli"):
        check(f"rpm: has {path}", path in listed, "\n".join(listed))
    needs = _said("rpm", "-qRp", *rpms)
    check("rpm: needs the C library and a shell for its scripts", "libc.so.6" in needs and "/bin/sh" in needs, needs)
    close()


main()
