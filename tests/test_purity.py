"""Looking changes nothing: no network, no other program, no file written, whatever is looked at."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

MICRO = str(ROOT / "recipes/examples/micro-cartoon.yaml")
DISNEY = str(ROOT / "recipes/examples/wan21-disney.yaml")

# every way out of the process raises; Python calls such a hook before it does any of these
GUARD = """
import os, sys
WAYS = {"socket.connect", "socket.getaddrinfo", "socket.bind", "subprocess.Popen", "os.posix_spawn", "os.exec", "os.fork",
        "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.utime", "os.chmod"}
def guard(event, arguments):
    if event in WAYS or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
                         and arguments[0] != os.devnull):
        sys.stderr.write(f"PURITY {event} {arguments}\\n")
        os._exit(99)
sys.addaudithook(guard)
from engine.cli.main import main
main()
"""


def look(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/usr/bin:/bin",
                   "HOME": str(cwd / "home"), "RECIPE_STORE": str(cwd / "store")}  # fmt: skip
    return subprocess.run([sys.executable, "-c", GUARD, *arguments], cwd=cwd, capture_output=True, text=True,
                          env=environment, check=False)  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        ("validate", MICRO),
        ("validate", DISNEY),
        ("validate", MICRO, "--set", "train.stesp=1"),
        ("plan", MICRO),
        ("plan", DISNEY, "--format", "json"),
        ("resolve", MICRO),
        ("why", "train.steps", MICRO),
        ("diff", MICRO, DISNEY),
        ("doc", "train.steps"),
        ("explain", "RCP2001"),
        ("list",),
        ("show", "flavours/wan2.1-t2v-1.3b"),
    ],
    ids=" ".join,
)
def test_looking_needs_no_network_and_writes_nothing(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o555)
    done = look(*arguments, cwd=tmp_path)
    assert "PURITY" not in done.stderr
    assert done.returncode in (0, 1), done.stderr
    assert [path.name for path in tmp_path.rglob("*")] == ["home"]


def test_the_guard_guards(tmp_path: Path) -> None:
    done = look("run", MICRO, cwd=tmp_path)
    assert done.returncode == 99
    assert "PURITY" in done.stderr
