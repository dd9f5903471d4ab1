"""The program as a person starts it."""

import subprocess
import sys
from pathlib import Path

from conftest import ROOT


def recipe(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run ``recipe`` with arguments; a traceback is never an answer."""
    done = subprocess.run([sys.executable, "-m", "engine.cli", *arguments], cwd=cwd, capture_output=True, text=True,
                          env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(cwd),
                               "RECIPE_STORE": str(cwd / "store")}, check=False)  # fmt: skip
    assert "Traceback" not in done.stderr
    return done
