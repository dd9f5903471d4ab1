"""A checkpoint is whole or not there, and the last good one is never lost."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from engine.training import checkpoints
from engine.training.checkpoints import Checkpoint, NoRoom, commit, newest, rotate, whole

LINEAGE = "this training"


def parts(step: int) -> dict[str, dict[str, Tensor]]:
    return {
        "adapter": {"w": torch.full((2, 3), float(step)), "v": torch.arange(5)},
        "optimizer": {"0.exp_avg": torch.full((4,), step / 7, dtype=torch.float64)},
    }


def save(folder: Path, *steps: int, lineage: str = LINEAGE) -> None:
    for step in steps:
        commit(folder, step, parts(step), {"lineage": lineage, "step": step})


def find(folder: Path, at_most: int = 1000, said: list[str] | None = None) -> Checkpoint | None:
    return newest(folder, LINEAGE, at_most, [].append if said is None else said.append)


def steps(folder: Path) -> list[int]:
    return [int(path.name.removeprefix("step-")) for path in sorted(folder.glob("step-*"))]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a flipped bit": lambda folder: flip(folder / "adapter.safetensors"),
    "a flipped bit in the optimizer": lambda folder: flip(folder / "optimizer.safetensors"),
    "a cut file": lambda folder: cut(folder / "adapter.safetensors"),
    "an empty file": lambda folder: (folder / "optimizer.safetensors").write_bytes(b""),
    "a missing part": lambda folder: (folder / "adapter.safetensors").unlink(),
    "a changed record": lambda folder: (folder / "record.json").write_text(
        '{"lineage": "this training", "step": 9}'
    ),
    "a missing record": lambda folder: (folder / "record.json").unlink(),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "a cut manifest": lambda folder: cut(folder / "manifest.json"),
    "an empty manifest": lambda folder: (folder / "manifest.json").write_text(""),
    "a manifest that lists nothing": lambda folder: (folder / "manifest.json").write_text('{"files": {}}'),
    "a manifest of another shape": lambda folder: (folder / "manifest.json").write_text('["files"]'),
    "a manifest whose files are a list": lambda folder: (folder / "manifest.json").write_text(
        '{"files": [1]}'
    ),
    "a manifest that is not text": lambda folder: (folder / "manifest.json").write_bytes(b"\xff\xfe\x00"),
}
damages = pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)


def test_what_was_saved_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    save(tmp_path, 3)
    found = find(tmp_path)
    assert (found.step, found.record) == (3, {"lineage": LINEAGE, "step": 3})
    for part, tensors in parts(3).items():
        loaded = found.tensors(part)
        assert loaded.keys() == tensors.keys()
        assert all(torch.equal(loaded[name], value) for name, value in tensors.items())
        assert all(loaded[name].dtype == value.dtype for name, value in tensors.items())


def test_the_newest_is_chosen(tmp_path: Path) -> None:
    save(tmp_path, 100, 9, 20)
    assert find(tmp_path).step == 100


def test_where_nothing_was_saved_nothing_is_found(tmp_path: Path) -> None:
    assert find(tmp_path) is None
    assert find(tmp_path / "not there") is None


@pytest.mark.parametrize(("at_most", "expected"), [(100, 30), (30, 30), (29, 20), (10, 10), (9, None)])
def test_none_is_chosen_that_goes_further_than_asked(
    tmp_path: Path, at_most: int, expected: int | None
) -> None:
    save(tmp_path, 10, 20, 30)
    found = find(tmp_path, at_most)
    assert (found and found.step) == expected
    assert steps(tmp_path) == [10, 20, 30]


@damages
def test_where_the_newest_is_damaged_the_one_before_is_taken(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    save(tmp_path, 1, 2)
    damage(tmp_path / "step-00000002")
    assert whole(tmp_path / "step-00000002") != ""
    assert find(tmp_path).step == 1


@damages
def test_a_damaged_one_is_moved_aside_and_never_deleted(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    save(tmp_path, 1, 2)
    damage(tmp_path / "step-00000002")
    left = {path.name: path.read_bytes() for path in (tmp_path / "step-00000002").iterdir()}
    find(tmp_path)
    rotate(tmp_path, 1)
    [aside] = (tmp_path / "rejected").iterdir()
    assert aside.name.startswith("step-00000002-")
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == left


def test_damage_is_said_aloud(tmp_path: Path) -> None:
    save(tmp_path, 1, 2)
    flip(tmp_path / "step-00000002" / "adapter.safetensors")
    said: list[str] = []
    find(tmp_path, said=said)
    [aside] = (tmp_path / "rejected").iterdir()
    assert said == [
        f"the checkpoint of step 2 is damaged (adapter.safetensors is missing or damaged); it was moved to {aside}"
    ]


def test_where_all_are_damaged_none_is_found_and_all_are_kept(tmp_path: Path) -> None:
    save(tmp_path, 1, 2, 3)
    for path in tmp_path.glob("step-*"):
        cut(path / "adapter.safetensors")
    assert find(tmp_path) is None
    assert len([*(tmp_path / "rejected").iterdir()]) == 3


def test_a_step_can_be_saved_again_after_its_checkpoint_was_damaged(tmp_path: Path) -> None:
    save(tmp_path, 1)
    flip(tmp_path / "step-00000001" / "adapter.safetensors")
    save(tmp_path, 1)
    assert find(tmp_path).step == 1
    assert len([*(tmp_path / "rejected").iterdir()]) == 1


def test_a_whole_checkpoint_is_not_written_twice(tmp_path: Path) -> None:
    first = commit(tmp_path, 1, parts(1), {"lineage": LINEAGE})
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    assert commit(tmp_path, 1, parts(2), {"lineage": LINEAGE}) == first
    assert {path.name: path.read_bytes() for path in first.iterdir()} == before
    assert not [*tmp_path.glob(".step-*")]


def test_another_training_is_left_alone(tmp_path: Path) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2, lineage="another")
    said: list[str] = []
    assert find(tmp_path, said=said).step == 1
    assert said == ["the checkpoint of step 2 belongs to another training; it is left alone"]
    assert steps(tmp_path) == [1, 2]


def half_written(folder: Path, step: int) -> Path:
    draft = folder / f".step-{step:08d}-0123"
    draft.mkdir()
    (draft / "adapter.safetensors").write_bytes(b"half")
    return draft


def test_a_half_written_one_is_ignored_and_cleared(tmp_path: Path) -> None:
    save(tmp_path, 1)
    draft = half_written(tmp_path, 2)
    assert find(tmp_path).step == 1
    rotate(tmp_path, 3)
    assert not draft.exists()
    assert steps(tmp_path) == [1]


def test_a_save_that_breaks_off_leaves_nothing_that_looks_like_a_checkpoint(tmp_path: Path) -> None:
    save(tmp_path, 1)
    with pytest.raises(TypeError):
        commit(tmp_path, 2, parts(2), {"lineage": LINEAGE, "not plain": object()})
    assert find(tmp_path).step == 1
    assert steps(tmp_path) == [1]


@pytest.mark.parametrize(
    ("keep", "left"), [(1, [4]), (2, [3, 4]), (3, [2, 3, 4]), (9, [1, 2, 3, 4]), (0, [4]), (-2, [4])]
)
def test_rotation_keeps_the_newest_and_never_fewer_than_one(
    tmp_path: Path, keep: int, left: list[int]
) -> None:
    save(tmp_path, 1, 2, 3, 4)
    rotate(tmp_path, keep)
    assert steps(tmp_path) == left
    assert not [*tmp_path.glob(".*")]


@damages
def test_a_damaged_one_does_not_count_when_others_go(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    save(tmp_path, 1, 2, 3, 4)
    damage(tmp_path / "step-00000004")
    rotate(tmp_path, 2)
    assert steps(tmp_path) == [2, 3, 4]
    assert find(tmp_path).step == 3


def test_of_those_saved_at_the_same_moment_the_last_step_is_the_newest(tmp_path: Path) -> None:
    save(tmp_path, 1, 2, 3)
    for path in tmp_path.glob("step-*/manifest.json"):
        os.utime(path, (1000, 1000))
    rotate(tmp_path, 1)
    assert steps(tmp_path) == [3]


def test_rotation_of_nothing_is_nothing(tmp_path: Path) -> None:
    rotate(tmp_path, 2)
    assert [*tmp_path.iterdir()] == []


def test_rotation_leaves_what_is_no_checkpoint(tmp_path: Path) -> None:
    save(tmp_path, 1, 2)
    (tmp_path / "steps.jsonl").write_text("a log")
    (tmp_path / "step-best").mkdir()
    rotate(tmp_path, 1)
    assert {path.name for path in tmp_path.iterdir()} == {
        "step-00000002",
        "step-best",
        "steps.jsonl",
        "journal.jsonl",
    }


def test_the_journal_lists_what_was_saved(tmp_path: Path) -> None:
    save(tmp_path, 1, 2)
    rotate(tmp_path, 1)
    assert [json.loads(line) for line in (tmp_path / "journal.jsonl").open()] == [{"step": 1}, {"step": 2}]


class Usage(NamedTuple):
    total: int
    used: int
    free: int


BYTES = 2 * 3 * 4 + 5 * 8 + 4 * 8


@pytest.mark.parametrize("free", [0, 2 * BYTES - 1])
def test_without_room_for_two_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int
) -> None:
    save(tmp_path, 1)
    monkeypatch.setattr(checkpoints.shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - free, free))
    with pytest.raises(NoRoom, match=f"needs {BYTES} bytes twice"):
        save(tmp_path, 2)
    assert find(tmp_path).step == 1
    assert not [*tmp_path.glob(".step-*")]


def test_with_room_for_two_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints.shutil, "disk_usage", lambda _: Usage(10**9, 0, 2 * BYTES))
    save(tmp_path, 2)
    assert find(tmp_path).step == 2
