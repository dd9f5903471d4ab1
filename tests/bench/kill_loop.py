"""Kill a run at random moments, many times, and compare what comes out with a run that nothing disturbed.

    python tests/bench/kill_loop.py 30

Every attempt is killed with SIGKILL, the whole group of processes, after a random time; the last one may finish. The
whole pipeline is under fire: fetching, drawing, encoding, training, export, sampling. Prints the digest of the exported
adapter of both, and exits with 1 where they differ.
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
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
  lora: {rank: 4, dropout: 0.1}
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
    """Compare a calm run with one that is killed again and again."""
    with tempfile.TemporaryDirectory() as temporary:
        calm, wild = place(Path(temporary), "calm"), place(Path(temporary), "wild")
        began = time.monotonic()
        if start(calm).wait():
            return 1
        whole = time.monotonic() - began
        print(f"undisturbed: {adapter(calm)}  {whole:.0f} s", flush=True)
        chance, done = random.Random(0), 0
        while done < kills:
            running = start(wild)
            try:
                running.wait(timeout=chance.uniform(0.5, whole / 3))
                break  # it finished before it could be killed
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait()
                done += 1
        if start(wild).wait():
            return 1
        print(f"{done:>2} kills:    {adapter(wild)}", flush=True)
        left = list((wild / "store/v1/tmp").iterdir())
        print(f"left half made after the last run: {len(left)}", flush=True)
        return int(adapter(calm) != adapter(wild) or bool(left))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 30))
