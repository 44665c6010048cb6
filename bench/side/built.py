"""Finds the folder of the distributed programs, which compare and guard measure. Called by them. Never builds
the programs."""

import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent.parent.parent / "packaging" / "programs.sh"


def folder():
    """The folder into which packaging/programs.sh builds; it may not exist."""
    shown = subprocess.run([SCRIPT, "--where"], capture_output=True, text=True, check=False)
    if shown.returncode != 0:
        raise SystemExit(shown.stderr.strip())
    return Path(shown.stdout.strip())
