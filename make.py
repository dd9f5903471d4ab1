"""Set up and run the project with nothing but Python 3.11 or newer.

python3 make.py demo    make .venv, install, and run the first recipe
python3 make.py test    make .venv, install, and run all checks: ruff, mypy, pytest
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
INSTALL = [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "-c",
    "constraints.txt",
    "-e",
    ".[test]",
]

# one thread per process: spinning threads on a busy two-core machine cost more than they bring
QUIET = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false"}

TARGETS = {
    "demo": (["-m", "engine.cli", "run", "recipes/examples/micro-cartoon.yaml"],),
    "test": (
        ["-m", "ruff", "check", "."],
        ["-m", "ruff", "format", "--check", "."],
        ["-m", "mypy"],
        ["-m", "pytest"],
    ),
}


def main(arguments: list[str]) -> int:
    """Install what is missing and run a target; returns the exit code of the first command that fails."""
    if len(arguments) != 1 or arguments[0] not in TARGETS:
        print(__doc__)
        return 2
    if sys.version_info < (3, 11):
        print(f"this is Python {sys.version.split()[0]}; the project needs 3.11 or newer")
        return 2
    if not (BIN / "python").exists():
        print(f"making {VENV.name}/", flush=True)
        venv.create(VENV, with_pip=True, clear=True)
    print("installing (a minute or two the first time)", flush=True)
    for command in (INSTALL, *TARGETS[arguments[0]]):
        code = subprocess.run(
            [BIN / "python", *command], cwd=HERE, env=os.environ | QUIET, check=False
        ).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
