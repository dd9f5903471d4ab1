"""Kill a run at random moments, many times, and compare what comes out with a run that nothing disturbed.

    python tests/bench/kill_loop.py 30

Every attempt is killed with SIGKILL after a random time, the engine and the process of its stage alike. The whole pipeline is under
fire: drawing, encoding, training, export, sampling. A run that comes to its end is compared, and the next starts afresh,
until there were as many kills as asked. Exits with 1 where an exported adapter differs from that of the calm run.
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECIPE = """apiVersion: wan-recipe/v1
kind: recipe
extends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]
data: {source: {kind: drawn, clips: 6, seed: 1}}
train:
  steps: 150
  batch_size: 2
  micro_batch: 2
  learning_rate: 1e-3
  adapter: {rank: 4, dropout: 0.1}
  checkpoints: {every: 10, keep: 2}
sample: {prompts: {cat: a cat}, steps: 4}
hardware: {threads: 1}
"""


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Run the recipe of a folder in a group of processes of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "engine.cli", "run", "x.yaml", "--store", "store", "--output", "out"],
        cwd=folder, stdout=subprocess.DEVNULL, start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def adapter(folder: Path) -> str:
    """Return the digest of the exported adapter."""
    (found,) = (folder / "out").rglob("*.safetensors")
    return hashlib.sha256(found.read_bytes()).hexdigest()


def place(root: Path, name: str) -> Path:
    folder = root / name
    folder.mkdir()
    (folder / "x.yaml").write_text(RECIPE)
    return folder


def main(kills: int) -> int:
    """Compare a calm run with runs that are killed again and again; returns 1 where any of them differs."""
    with tempfile.TemporaryDirectory() as temporary:
        root, chance, done, wrong = Path(temporary), random.Random(0), 0, 0
        calm = place(root, "calm")
        began = time.monotonic()
        if start(calm).wait():
            return 1
        whole = time.monotonic() - began
        print(f"undisturbed: {adapter(calm)}  {whole:.0f} s", flush=True)
        for number in range(kills):
            wild, here = place(root, f"wild{number}"), 0
            while done < kills and not killed_after(wild, chance.uniform(0.5, whole / 6)):
                done, here = done + 1, here + 1
            if start(wild).wait():
                return 1
            left = len(list((wild / "store/v1/tmp").iterdir()))
            wrong += int(adapter(wild) != adapter(calm) or left > 0)
            print(f"{here:>2} kills:    {adapter(wild)}  left half made: {left}", flush=True)
            if done >= kills:
                break
        return int(wrong > 0)


def killed_after(folder: Path, seconds: float) -> bool:
    """Run for a while, then kill; returns whether the run had finished before."""
    running = start(folder)
    try:
        return running.wait(timeout=seconds) == 0
    except subprocess.TimeoutExpired:
        for process in (running.pid, *stages_of(folder)):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        running.wait()
        return False


def stages_of(folder: Path) -> list[int]:
    """Return the processes that do the work of a run; they are in groups of their own."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if b"engine.execute.worker" in path.read_bytes() and bytes(folder) in path.read_bytes():
                found.append(int(path.parent.name))
    return found


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 30))
