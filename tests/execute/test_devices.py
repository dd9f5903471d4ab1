"""A stage of several processes: one tells, all are told, and when one goes, none is left waiting."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from execute.shared_work import SHARED
from room import Here, Room, Trained, make_room
from safetensors.torch import load_file

from engine.device import choose
from engine.endings import Bug, Interrupted, StageError
from engine.execute import runner
from engine.execute.events import Event
from engine.execute.runner import InItsOwnProcess, Order
from engine.seam import Stage
from engine.stages.train import run as training
from engine.training.devices import Devices

TESTS, PYTHON = Path(__file__).resolve().parents[1], sys.executable


@dataclass
class Crew:
    """Processes that do what is said for each."""

    root: Path

    def order(self, *does: str) -> Order:
        (self.root / "shared").mkdir(exist_ok=True)
        return Order(
            stage="shared", spec={"does": list(does)}, runtime={"devices": len(does)}, inputs={}, digests={}, output=str(self.root),
            shared=str(self.root / "shared"), identity="x", files={}, store=str(self.root / "store"),
        )  # fmt: skip

    def run(self, *does: str, among: InItsOwnProcess | None = None) -> list[Event]:
        events: list[Event] = []
        (among or InItsOwnProcess()).run(SHARED, self.order(*does), self.root / "shared.log", events.append)
        return [event for event in events if event["type"] == "message"]

    def processes(self) -> list[int]:
        """Return those that came as far as to begin."""
        texts = [path.read_text() for path in (self.root / "shared").glob("*.pid")]
        return [int(text) for text in texts if text]

    def wait_for(self, count: int) -> None:
        """Return when so many are at work."""
        ends = time.monotonic() + 30
        while len(self.processes()) < count:
            assert time.monotonic() < ends, "they never began"
            time.sleep(0.01)

    def left(self) -> list[int]:
        """Return those that are still there."""
        return [process for process in self.processes() if Path(f"/proc/{process}").exists()]


@pytest.fixture
def crew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Crew:
    """Processes that know the stage of this test; they wait for each other for a moment only."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {PYTHON} {TESTS / "execute/shared_work.py"} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    monkeypatch.setattr(runner, "GRACE", 0.5)
    return Crew(tmp_path)


def test_each_process_is_told_which_one_it_is_and_the_first_alone_is_heard(crew: Crew) -> None:
    [event] = crew.run("end", "end")
    assert event["message"] == "I am 0"
    port = event["told"].pop("MASTER_PORT")
    assert event["told"] == {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    assert 1024 <= int(port) < 65536
    log = (crew.root / "shared.log").read_text()
    assert "I am 1" in log
    assert (
        f'"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "{port}"'
        in log
    )


def test_a_stage_of_one_process_is_told_of_no_other(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.setenv(name, "0")  # as when the program itself was started by a launcher
    [event] = crew.run("end")
    assert event["told"] == {}


def test_a_process_that_ends_well_before_the_others_hurries_none(crew: Crew) -> None:
    began = time.monotonic()
    crew.run("end late", "end")
    assert time.monotonic() - began > 1


linux = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")


@linux
@pytest.mark.parametrize("others", ["hang", "break", "end"])
def test_what_one_process_says_when_it_fails_is_why_the_step_fails(crew: Crew, others: str) -> None:
    with pytest.raises(StageError, match="the second has no room"):
        crew.run(others, "fail")
    assert crew.left() == []


@linux
@pytest.mark.parametrize("others", ["hang", "break"])
def test_a_process_that_is_killed_ends_the_others_and_is_why_the_step_fails(crew: Crew, others: str) -> None:
    with pytest.raises(StageError, match="was killed, as happens when memory runs out"):
        crew.run(others, "be killed")
    assert crew.left() == []


@linux
def test_a_process_that_breaks_ends_the_others(crew: Crew) -> None:
    with pytest.raises(Bug):
        crew.run("hang", "break")
    assert "ZeroDivisionError" in (crew.root / "shared.log").read_text()
    assert crew.left() == []


def test_a_stop_signal_goes_to_all(crew: Crew) -> None:
    def ask() -> None:
        crew.wait_for(2)
        os.kill(os.getpid(), signal.SIGTERM)

    asking = threading.Thread(target=ask)
    asking.start()
    with InItsOwnProcess() as among, pytest.raises(Interrupted):
        crew.run("stop", "stop", among=among)
    asking.join()
    assert sorted(path.name for path in (crew.root / "shared").glob("stopped-*")) == [
        "stopped-0",
        "stopped-1",
    ]


ENGINE = """
import sys
from execute.test_devices import Crew, Path
from engine.execute import runner
runner.sys.executable = sys.argv[2]
Crew(Path(sys.argv[1])).run("hang", "hang")
"""


@linux
def test_when_the_engine_is_killed_all_processes_end(crew: Crew) -> None:
    engine = subprocess.Popen(
        [PYTHON, "-c", ENGINE, str(crew.root), sys.executable],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])},
    )  # fmt: skip
    crew.wait_for(2)
    engine.kill()
    engine.wait()
    ends = time.monotonic() + 10
    while crew.left() and time.monotonic() < ends:
        time.sleep(0.05)
    assert crew.left() == []


@pytest.mark.parametrize(("mine", "expected"), [(None, "cuda"), ("0", "cuda:0"), ("1", "cuda:1")])
@pytest.mark.parametrize("asked", ["cuda", "auto"])
def test_each_process_takes_the_device_of_its_number(
    monkeypatch: pytest.MonkeyPatch, asked: str, mine: str | None, expected: str
) -> None:
    two_gpus(monkeypatch, mine)
    assert str(choose(asked, 0)) == expected


def test_more_processes_than_devices_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    two_gpus(monkeypatch, "2")
    with pytest.raises(
        StageError, match=r"more cuda devices than the 2 of this machine; set `hardware.devices: 2`"
    ):
        choose("cuda", 0)


def test_processes_on_the_cpu_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "7")
    assert str(choose("cpu", 0)) == "cpu"


@pytest.mark.parametrize("asked", ["cuda", "auto"])
def test_fewer_devices_than_training_will_want_are_refused_by_who_works_alone(
    monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    two_gpus(monkeypatch, None)
    assert str(choose(asked, 0, 2)) == "cuda"
    with pytest.raises(StageError, match=r"than the 2 of this machine; set `hardware.devices: 2`"):
        choose(asked, 0, 3)


def test_a_mac_that_was_found_by_auto_is_one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert str(choose("auto", 0, 1)) == "mps"
    with pytest.raises(
        StageError, match=r"more mps devices than the 1 of this machine; set `hardware.devices: 1`"
    ):
        choose("auto", 0, 2)


def test_a_processor_is_as_many_devices_as_one_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert str(choose("cpu", 0, 64)) == "cpu"


def two_gpus(monkeypatch: pytest.MonkeyPatch, mine: str | None) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if mine is not None:
        monkeypatch.setenv("LOCAL_RANK", mine)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)


RECIPE = r"""
apiVersion: wan-recipe/v1
kind: recipe
extends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]
title: Two devices, with whole blocks and with sharded ones
model:
  transformer: {layers: 4, heads: 2, head_width: 12, feed_forward_width: 32}
  codec: {base_width: 4, width_factors: [1, 1, 1, 1]}
data:
  source: {kind: drawn, clips: 3, seed: 1}
  size: {kind: exact, width: 32, height: 32}
  frames: 5
  more: {held: {source: {kind: drawn, clips: 1, seed: 2}, role: evaluate}}
train:
  steps: 4
  batch_size: 2
  micro_batch: 1
  learning_rate: 5e-3
  adapter: {rank: 4, alpha: 4, dropout: 0}
  gradient_checkpointing: {kind: blocks, every: 1}
  feed_forward_chunks: 2
  tread: {kind: routes, routes: [{first: 2, last: 2, drop: 0.25}]}
  ema: {kind: decay, decay: 0.9, every: 1, warmup: true}
  evaluation: {kind: held_out, every: 2, samples: 1, levels: 2}
  checkpoints: {every: 2, keep: 2}
sample: {prompts: {cat: a black cat}, steps: 2, width: 32, height: 32, frames: 5}
hardware: {threads: 1}
"""
TWO = "hardware.devices=2"
SHARDED = (TWO, "hardware.shard=true")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Room, Trained]:
    """What two devices with whole blocks train, and a room in which nothing is trained yet."""
    fresh = make_room(tmp_path_factory.mktemp("whole"), RECIPE)
    fresh.run(until="encode_video")
    room = fresh.copy(tmp_path_factory.mktemp("trained") / "room")
    return fresh, room.train(TWO, runner=InItsOwnProcess())


def test_two_devices_that_share_the_blocks_train_what_two_with_whole_ones_do(
    whole: tuple[Room, Trained], tmp_path: Path
) -> None:
    fresh, expected = whole
    room = fresh.copy(tmp_path / "room")
    made = room.train(*SHARDED, runner=InItsOwnProcess())
    assert "each of 2 devices keeps its part of the frozen blocks" in room.said
    assert made.losses == pytest.approx(expected.losses, rel=1e-5)
    assert expected.losses[-1] != pytest.approx(expected.losses[0], rel=1e-3), "something was learnt"
    assert [made.evaluations[step]["loss"] for step in (0, 2, 4)] == pytest.approx(
        [expected.evaluations[step]["loss"] for step in (0, 2, 4)], rel=1e-5
    )
    assert shapes(made.folder) == shapes(expected.folder)
    assert shapes(made.shared) == shapes(expected.shared), "checkpoints are made of the same"
    for name, tensor in made.tensors.items():
        torch.testing.assert_close(tensor, expected.tensors[name], rtol=1e-4, atol=1e-5)


def test_one_device_goes_on_from_what_two_with_shared_blocks_have_saved(
    whole: tuple[Room, Trained], tmp_path: Path
) -> None:
    fresh, expected = whole
    room = fresh.copy(tmp_path / "room")
    room.train(*SHARDED, "train.steps=2", runner=InItsOwnProcess())
    made = room.train()
    assert "going on from step 2" in room.said
    assert made.losses == pytest.approx(expected.losses, rel=1e-5)


@dataclass
class Listed(Here):
    """Also notes which stages began."""

    began: list[str] = field(default_factory=list)

    def run(self, stage: Stage, order: Order, log: Path, notify: Callable[[Event], None]) -> None:
        self.began.append(stage.name)
        super().run(stage, order, log, notify)


STAGES_THAT_ASK = ("fetch_model", "rehearse", "encode_text", "encode_video")


@pytest.mark.parametrize("done", [None, *STAGES_THAT_ASK[:-1]])
def test_too_few_devices_are_met_before_anything_long_whatever_is_reused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: str | None
) -> None:
    room = make_room(tmp_path / "room", RECIPE)
    if done is not None:
        room.run(until=done)
    two_gpus(monkeypatch, None)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    runner = Listed()
    with pytest.raises(StageError, match=r"more cuda devices than the 1 of this machine"):
        room.run("hardware.device=cuda", TWO, runner=runner)
    assert runner.began[-1] == STAGES_THAT_ASK[STAGES_THAT_ASK.index(done) + 1 if done else 0]


@dataclass(frozen=True, slots=True)
class OneOfTwo(Devices):
    """A device whose neighbour is asked to stop after a moment."""

    asked: list[bool]

    def any_of(self, flag: bool) -> bool:
        self.asked.append(flag)
        return len(self.asked) > 1


def test_a_device_leaves_an_evaluation_when_another_is_asked_to(
    whole: tuple[Room, Trained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    neighbour = OneOfTwo(0, 1, [])
    monkeypatch.setattr(training, "joined", lambda: nullcontext(neighbour))
    room = whole[0].copy(tmp_path / "room")
    with pytest.raises(Interrupted):
        room.train()
    assert not any("evaluation loss" in message for message in room.said), "of two levels, one was measured"
    assert neighbour.asked == [False, False, True, True], (
        "two levels, the end of the evaluation, the end of all"
    )


def shapes(folder: Path) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return the tensors that lie in a folder: file → name → shape."""
    files = {path.relative_to(folder).as_posix(): load_file(path) for path in folder.rglob("*.safetensors")}
    return {
        file: {name: tuple(one.shape) for name, one in tensors.items()} for file, tensors in files.items()
    }
