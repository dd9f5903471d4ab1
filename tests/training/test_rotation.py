"""Corners of saving: a training made shorter, a slot that is taken, a best one, a save that fails or is killed."""

import errno
import os
import resource
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from engine.training import checkpoints
from engine.training.checkpoints import NotSaved, Spoilt, Unusable, at_step, commit, newest, rotate


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


@pytest.mark.parametrize(
    ("keep", "pinned", "left"),
    [
        (1, 2, [2, 5]),
        (2, 2, [2, 4, 5]),
        (2, 5, [4, 5]),
        (2, None, [4, 5]),
        (1, 99, [5]),
        (9, 1, [1, 2, 3, 4, 5]),
    ],
)
def test_the_pinned_one_stays_beside_the_newest(
    tmp_path: Path, keep: int, pinned: int | None, left: list[int]
) -> None:
    for step in range(1, 6):
        save(tmp_path, step)
    rotate(tmp_path, keep, pinned)
    assert steps(tmp_path) == left


def test_one_that_is_no_longer_pinned_goes(tmp_path: Path) -> None:
    for step, best in ((1, 1), (2, 1), (3, 3), (4, 3)):
        save(tmp_path, step)
        rotate(tmp_path, 1, best)
    assert steps(tmp_path) == [3, 4]


def test_a_damaged_pinned_one_is_neither_removed_nor_counted(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save(tmp_path, step)
    (tmp_path / "step-00000001" / "adapter.safetensors").write_bytes(b"")
    rotate(tmp_path, 1, 1)
    assert steps(tmp_path) == [1, 3]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The checkpoints of which a file was read and hashed, as that happens."""
    seen, hash_of = list[str](), checkpoints._hash

    def hashed(path: Path) -> str:
        seen.append(path.parent.name)
        return hash_of(path)

    monkeypatch.setattr(checkpoints, "_hash", hashed)
    return seen


def test_what_was_kept_is_not_read_again_at_every_save(tmp_path: Path, read: list[str]) -> None:
    for step in range(1, 5):
        save(tmp_path, step)
        read.clear()
        rotate(tmp_path, 9)
        assert set(read) == {f"step-{step:08d}"}


@pytest.mark.parametrize("back", [False, True], ids=["as it comes", "with its old time"])
def test_a_file_that_changed_since_it_was_read_is_read_again(
    tmp_path: Path, read: list[str], back: bool
) -> None:
    for step in (1, 2, 3):
        save(tmp_path, step)
    rotate(tmp_path, 9)
    file = tmp_path / "step-00000003" / "adapter.safetensors"
    was, content = file.stat(), file.read_bytes()
    while file.stat().st_ctime_ns == was.st_ctime_ns:  # clocks of file systems tick slowly
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        if back:
            os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
    read.clear()
    rotate(tmp_path, 1)
    assert set(read) == {"step-00000003"}
    assert steps(tmp_path) == [2, 3], "the damaged one does not count"


def test_a_clock_that_was_set_back_does_not_cost_what_was_just_saved(tmp_path: Path) -> None:
    for step in (800, 900, 1000, 100):
        save(tmp_path, step)
    for step, when in ((800, 4000), (900, 5000), (1000, 6000), (100, 1000)):
        os.utime(tmp_path / f"step-{step:08d}" / "manifest.json", (when, when))
    rotate(tmp_path, 2)
    assert steps(tmp_path) == [100, 800, 900, 1000]


def test_a_journal_that_is_torn_anywhere_costs_nothing_that_was_just_saved(tmp_path: Path) -> None:
    for step in (800, 900, 1000):
        save(tmp_path, step)
    whole = (tmp_path / "journal.jsonl").read_bytes()
    for length in range(len(whole) + 1):
        here = tmp_path / f"cut-{length}"
        shutil.copytree(tmp_path, here, ignore=shutil.ignore_patterns("cut-*"))
        (here / "journal.jsonl").write_bytes(whole[:length])
        save(here, 100)
        rotate(here, 1)
        assert steps(here)[0] == 100


def test_without_a_journal_the_newest_stay(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save(tmp_path, step)
    (tmp_path / "journal.jsonl").unlink()
    rotate(tmp_path, 2)
    assert steps(tmp_path) == [2, 3]


def test_one_step_is_opened_by_its_number(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save(tmp_path, step, value=step)
    found = at_step(tmp_path, 2, "mine")
    assert (found.step, found.tensors("adapter")["w"].tolist()) == (2, [2, 2, 2])


def test_one_step_that_cannot_be_used_is_refused_and_left_there(tmp_path: Path) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2, lineage="another")
    (tmp_path / "step-00000001" / "adapter.safetensors").write_bytes(b"")
    for step, why in ((1, "missing or damaged"), (2, "another training"), (3, "it is gone")):
        with pytest.raises(Unusable, match=f"checkpoint of step {step} .* cannot be used: .*{why}"):
            at_step(tmp_path, step, "mine")
    assert steps(tmp_path) == [1, 2]


def test_a_part_may_have_any_name(tmp_path: Path) -> None:
    parts = {
        name: {"w": torch.full((2,), float(at))}
        for at, name in enumerate(("adapter", "ema", "projector", "optimizer"))
    }
    commit(tmp_path, 1, parts, {"lineage": "mine"})
    found = at_step(tmp_path, 1, "mine")
    assert {name: found.tensors(name)["w"].tolist() for name in parts} == {
        name: tensors["w"].tolist() for name, tensors in parts.items()
    }


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("part", ["adapter", "optimizer", "ema"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_what_is_not_finite_is_never_saved(tmp_path: Path, bad: float, part: str, dtype: torch.dtype) -> None:
    save(tmp_path, 1)
    tensors = {
        name: {"sound": torch.ones(3), "counts": torch.arange(3)} for name in ("adapter", "optimizer", "ema")
    }
    tensors[part]["blocks.1.to_q"] = torch.tensor([0.0, bad, 1.0], dtype=dtype)
    with pytest.raises(Spoilt, match=rf"blocks\.1\.to_q of the {part} is not finite after step 2"):
        commit(tmp_path, 2, tensors, {"lineage": "mine"})
    assert steps(tmp_path) == [1]
    assert list(tmp_path.glob(".*")) == []


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the system refuse to make files larger than so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [0, 10, 50, 200])
def test_a_disk_that_takes_no_more_is_said_and_costs_nothing(tmp_path: Path, size: int) -> None:
    save(tmp_path, 1)
    with (
        pytest.raises(
            NotSaved, match=r"step 2 could not be written .*File too large.*those before it are kept"
        ),
        largest_file(size),
    ):
        save(tmp_path, 2)
    assert steps(tmp_path) == [1]
    assert list(tmp_path.glob(".*")) == []
    save(tmp_path, 2)
    assert newest(tmp_path, "mine", 9, print).step == 2


@pytest.mark.parametrize("at", range(1, 5))
def test_a_disk_that_cannot_promise_commits_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    save(tmp_path, 1)
    calls, real = [], os.fsync

    def fsync(handle: int) -> None:
        calls.append(handle)
        if len(calls) == at:
            raise OSError(errno.EIO, "Input/output error")
        real(handle)

    monkeypatch.setattr(checkpoints.os, "fsync", fsync)
    with pytest.raises(NotSaved, match="Input/output error"):
        save(tmp_path, 2)
    assert steps(tmp_path) == [1]


def killed_at(number: int, folder: Path) -> bool:
    """Save step 2 and rotate in a process that dies at its n-th opening, renaming, making or removing; False where it did not."""
    child = os.fork()
    if child == 0:
        seen = 0

        def die(event: str, _: object) -> None:
            nonlocal seen
            if event in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir"):
                seen += 1
                if seen == number:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(die)
        try:
            save(folder, 2, value=2)
            rotate(folder, 1)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL)
    return status != 0


def test_killed_at_any_moment_of_saving_and_rotating_one_is_whole(tmp_path: Path) -> None:
    base, number, found = tmp_path / "base", 0, list[int]()
    save(base, 1, value=1)
    while True:
        number += 1
        here = shutil.copytree(base, tmp_path / str(number))
        killed = killed_at(number, here)
        last = newest(here, "mine", 9, pytest.fail)
        assert last is not None
        assert last.tensors("adapter")["w"].tolist() == [last.step] * 3
        save(here, 2, value=2)
        rotate(here, 1)
        assert steps(here) == [2]
        assert list(here.glob(".*")) == []
        found.append(last.step)
        if not killed:
            break
    assert number > 20
    assert found == sorted(found), "once the new one is there, it stays"
    assert set(found) == {1, 2}


@pytest.mark.parametrize("name", ["manifest.json", "record.json", "adapter.safetensors"])
@pytest.mark.parametrize(
    "put",
    [os.mkfifo, os.mkdir, lambda path: path.symlink_to("nowhere")],
    ids=["pipe", "folder", "dead link"],
)
def test_what_is_no_file_is_damage_and_is_not_waited_for(tmp_path: Path, name: str, put) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    (tmp_path / "step-00000002" / name).unlink()
    put(tmp_path / "step-00000002" / name)
    assert newest(tmp_path, "mine", 9, print).step == 1
