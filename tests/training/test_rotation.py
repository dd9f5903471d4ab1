"""Corners of saving: a training made shorter, a slot that is taken, a save that fails."""

import os
import shutil
from pathlib import Path

import pytest
import torch

from engine.training.checkpoints import commit, newest, rotate


def save(folder: Path, step: int, lineage: str = "mine", value: float = 0) -> Path:
    return commit(folder, step, {"adapter": {"w": torch.full((3,), value)}}, {"lineage": lineage})


def steps(folder: Path) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in folder.glob("step-*"))


def test_in_a_training_that_was_made_shorter_what_was_just_saved_stays(tmp_path: Path) -> None:
    for step in (800, 900, 1000):
        manifest = save(tmp_path, step) / "manifest.json"
        os.utime(manifest, (step, step))  # long ago
    for step in (100, 200, 300):
        save(tmp_path, step)
        rotate(tmp_path, 2)
        found = newest(tmp_path, "mine", 500, print)
        assert found is not None
        assert found.step == step
    assert steps(tmp_path) == [200, 300, 800, 900, 1000]


def test_another_training_s_checkpoint_gives_up_the_place_and_is_kept(tmp_path: Path) -> None:
    save(tmp_path, 1, lineage="another", value=7)
    save(tmp_path, 1, value=8)
    found = newest(tmp_path, "mine", 1, print)
    assert found is not None
    assert found.tensors("adapter")["w"].tolist() == [8, 8, 8]
    assert len(list((tmp_path / "rejected").iterdir())) == 1


def test_a_checkpoint_under_another_step_s_name_is_damaged(tmp_path: Path) -> None:
    shutil.copytree(save(tmp_path, 1), tmp_path / "step-00000009")
    said: list[str] = []
    found = newest(tmp_path, "mine", 9, said.append)
    assert found is not None
    assert found.step == 1
    assert "its manifest is that of step-00000001" in said[0]


def test_a_save_that_fails_gives_its_room_back(tmp_path: Path) -> None:
    save(tmp_path, 1)
    with pytest.raises(ValueError, match="JSON"):
        commit(tmp_path, 2, {}, {"lineage": "mine", "loss": float("nan")})
    assert list(tmp_path.glob(".*")) == []
    assert steps(tmp_path) == [1]
