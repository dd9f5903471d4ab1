"""Kill it, stop it, damage it: the next run ends with the same bytes. On the real stages, at a micro size."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ROOT
from safetensors.torch import load_file

RECIPE = """apiVersion: wan-recipe/v1
kind: recipe
extends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]
title: A short training
model:
  transformer: {layers: 2, heads: 2, head_width: 12, feed_forward_width: 32}
  codec: {base_width: 4, width_factors: [1, 1, 1, 1]}
data:
  source: {kind: drawn, clips: 3, seed: 1}
  frames: 5
train:
  steps: 60
  batch_size: 2
  micro_batch: 1
  learning_rate: 1e-3
  adapter: {rank: 4, dropout: 0.1}
  checkpoints: {every: 5, keep: 2}
sample: {prompts: {cat: a cat}, steps: 2, frames: 5, width: 32, height: 32}
hardware: {threads: 1}
"""


@dataclass
class Place:
    """A folder with a recipe and a store; the program runs in a process of its own."""

    root: Path

    def start(self, *sets: str) -> subprocess.Popen[str]:
        arguments = [part for text in sets for part in ("--set", text)]
        return subprocess.Popen(
            [sys.executable, "-m", "engine.cli", "run", "x.yaml", "--store", "store", "--output", "out", *arguments],
            cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def finish(self, *sets: str) -> str:
        running = self.start(*sets)
        said, _ = running.communicate(timeout=300)
        assert running.returncode == 0, said
        return said

    def adapter(self) -> bytes:
        (found,) = (self.root / "out").rglob("pytorch_lora_weights.safetensors")
        return found.read_bytes()

    def wait_for_step(self, running: subprocess.Popen[str], step: int) -> None:
        """Return when training has come to a step; read from what the stage itself notes."""
        ends = time.monotonic() + 120
        while time.monotonic() < ends and running.poll() is None:
            for log in (self.root / "store/v1/shared/train").glob("*/steps.jsonl"):
                lines = log.read_text().splitlines()
                if lines and lines[-1].endswith("}") and json.loads(lines[-1])["step"] >= step:
                    return
            time.sleep(0.01)
        raise AssertionError(f"training never came to step {step}: {running.poll()}")


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A folder in which all but the training is done, and the adapter of a run that nothing disturbed."""
    place = Place(tmp_path_factory.mktemp("resume") / "place")
    place.root.mkdir()
    (place.root / "x.yaml").write_text(RECIPE)
    place.finish()
    adapter = place.adapter()
    for left in ("artifacts/train", "artifacts/export", "artifacts/sample", "shared"):
        shutil.rmtree(place.root / "store/v1" / left)
    shutil.rmtree(place.root / "out")
    return place.root, adapter


@pytest.fixture
def place(encoded: tuple[Path, bytes], tmp_path: Path) -> Place:
    shutil.copytree(encoded[0], tmp_path / "place", copy_function=shutil.copy2)
    return Place(tmp_path / "place")


def alive(text: str) -> list[str]:
    """Processes whose command line holds a text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        found += [command] if text in command else []
    return found


def kill_stage(root: Path) -> None:
    """Kill the process that does the work, and nothing else; it has a group of its own."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue
        if b"engine.execute.worker" in command and bytes(root) in command:
            os.kill(int(path.parent.name), signal.SIGKILL)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the stage's process in /proc")
def test_a_stage_that_is_killed_alone_is_said_and_goes_on_to_the_same_bytes(
    place: Place, encoded: tuple[Path, bytes]
) -> None:
    for step in (4, 23):
        running = place.start()
        place.wait_for_step(running, step)
        kill_stage(place.root)
        said, _ = running.communicate(timeout=60)
        assert running.returncode == 4
        assert "the stage train was killed, as happens when memory runs out" in said
    (log,) = (place.root / "store/v1/shared/train").glob("*/steps.jsonl")
    with log.open("a") as file:
        file.write('{"step": 4, "lo')  # as a power cut tears it
    place.finish()
    assert place.adapter() == encoded[1]


def test_after_kills_at_random_moments_the_adapter_is_the_same(
    place: Place, encoded: tuple[Path, bytes]
) -> None:
    chance = random.Random(7)
    for step in (3, 17, 31, 44):
        running = place.start()
        place.wait_for_step(running, step)
        time.sleep(chance.random() * 0.2)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    said = place.finish()
    assert "going on from step" in said
    assert place.adapter() == encoded[1]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads the list of processes from /proc")
def test_when_the_engine_is_killed_its_stage_ends_too(place: Place) -> None:
    running = place.start()
    place.wait_for_step(running, 5)
    running.kill()
    running.wait()
    ends = time.monotonic() + 5
    while (left := alive(str(place.root))) and time.monotonic() < ends:
        time.sleep(0.05)
    assert left == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_signal_saves_and_exits_75_and_the_next_run_goes_on(
    place: Place, encoded: tuple[Path, bytes], number: signal.Signals
) -> None:
    running = place.start()
    place.wait_for_step(running, 7)
    running.send_signal(number)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 75, said
    assert "Run the same command to go on" in said
    done = max(int(path.name[5:]) for path in (place.root / "store/v1/shared/train").glob("*/step-*"))
    assert f"going on from step {done}" in place.finish()
    assert place.adapter() == encoded[1]


def test_a_damaged_newest_checkpoint_is_set_aside_and_the_one_before_is_taken(
    place: Place, encoded: tuple[Path, bytes]
) -> None:
    running = place.start()
    place.wait_for_step(running, 22)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    newest = max((place.root / "store/v1/shared/train").glob("*/step-*"))
    damaged = bytearray((newest / "optimizer.safetensors").read_bytes())
    damaged[-5] ^= 1
    (newest / "optimizer.safetensors").write_bytes(damaged)
    said = place.finish()
    assert "is damaged" in said
    assert len(list(newest.parent.glob("rejected/*"))) == 1
    assert place.adapter() == encoded[1]


def test_more_steps_go_on_and_end_as_if_they_had_been_asked_at_once(place: Place, tmp_path: Path) -> None:
    other = Place(tmp_path / "other")
    shutil.copytree(place.root, other.root, copy_function=shutil.copy2)
    place.finish("train.steps=20")
    assert "going on from step 20" in place.finish("train.steps=30")
    other.finish("train.steps=30")
    longest = max((place.root / "out").rglob("*.safetensors"), key=lambda path: path.stat().st_mtime)
    assert load_file(longest).keys() == load_file(next((other.root / "out").rglob("*.safetensors"))).keys()
    assert longest.read_bytes() == other.adapter()


def test_the_base_never_changes_and_the_loss_falls_only_when_it_may(place: Place) -> None:
    def losses(*sets: str) -> list[float]:
        before = set((place.root / "store/v1/artifacts").glob("train/*"))
        place.finish(*sets)
        (made,) = set((place.root / "store/v1/artifacts").glob("train/*")) - before
        return [json.loads(line)["loss"] for line in (made / "log/steps.jsonl").read_text().splitlines()]

    many = "train.steps=120"
    learns = losses(many, "train.learning_rate=5e-3")
    stays = losses(many, "train.learning_rate=0")
    # the same positions draw the same noise: the two runs differ in nothing but what was learnt
    assert learns[0] == stays[0]
    assert sum(learns[-30:]) < 0.97 * sum(stays[-30:])
