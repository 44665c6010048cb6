"""Finds the folder of the distributed programs, which are the ones to be measured. Called by compare and
guard. Never builds them."""

import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent.parent.parent / "packaging" / "programs.sh"


def folder():
    """The folder in which packaging/programs.sh leaves them, whether or not they are there."""
    shown = subprocess.run([SCRIPT, "--where"], capture_output=True, text=True, check=False)
    if shown.returncode != 0:
        raise SystemExit(shown.stderr.strip())
    return Path(shown.stdout.strip())
