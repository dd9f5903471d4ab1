"""The teacher's weights: linked, never copied or changed, refused in words where they are none."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from place import Place, make_place

from engine.endings import StageError
from engine.execute.runner import _StageItems
from engine.language.diagnostics import RecipeError
from engine.language.rules import crepa
from engine.seam import Work
from engine.stages import digests
from engine.stages.digests import digests_of
from engine.stages.fetch_teacher import run
from engine.stages.fetch_teacher.run import fetch_teacher
from engine.stages.fetch_teacher.spec import (
    BUILT,
    GIANT,
    LEAF,
    FetchTeacherRuntime,
    FetchTeacherSpec,
    teacher_at,
)
from engine.store import Store, digest_file
from engine.training.teacher import build_teacher, load_teacher

CREPA = ("train.crepa={kind: dinov2, encoder: ENCODER, image_size: 28, block: 2, weight: 0.5, falls: constant, "
         "distance: 1, neighbours: nearest, decay: 1}")  # fmt: skip
HUB = {"kind": "hub", "repository": "someone/dino", "revision": "0a" * 20}


def folder(place: Place, name: str = "teacher") -> str:
    return CREPA.replace("ENCODER", f"{{kind: folder, path: {place.root / name}}}")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A recipe beside a folder with a teacher."""
    build_teacher(tmp_path / "teacher", width=32, patch=14, seed=0)
    return make_place(tmp_path, 1)


def leaf(place: Place) -> str:
    (step,) = [step for step in place.plan(folder(place)).steps if step.stage.name == "fetch_teacher"]
    assert step.digests is not None
    return step.digests[LEAF]


def work(place: Place, encoder: dict[str, object], **digests: str) -> Work:
    output = place.root / f"output-{time.monotonic_ns()}"
    output.mkdir()
    return Work(
        spec=FetchTeacherSpec.model_validate({"encoder": encoder}), runtime=FetchTeacherRuntime(), inputs={},
        digests=digests, output=output, shared=place.root / "shared", identity="identity", files={},
        memo=place.root / "memo", items=_StageItems(Store(place.root / "store"), "fetch_teacher"),
        tell=lambda *_, **__: None, stopping=lambda: False,
    )  # fmt: skip


def here(place: Place) -> dict[str, object]:
    return {"kind": "folder", "path": str(place.root / "teacher")}


def everything(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    found = {path: path.stat() for path in folder.iterdir()}
    return {path.name: (path.read_bytes(), stat.st_mtime_ns, stat.st_ino) for path, stat in found.items()}


# what is made


def test_a_folder_is_linked_and_left_as_it_is(place: Place) -> None:
    theirs = place.root / "teacher"
    (theirs / "notes.txt").write_text("mine")
    before = everything(theirs)
    made = work(place, here(place), **{LEAF: leaf(place)})
    fetch_teacher(made)
    links = sorted((made.output / "teacher").iterdir())
    assert [link.name for link in links] == ["config.json", "model.safetensors"]
    assert [link.readlink() for link in links] == [theirs / "config.json", theirs / "model.safetensors"]
    assert everything(theirs) == before
    assert load_teacher(made.output / "teacher", torch.device("cpu")).config.hidden_size == 32


def test_a_built_teacher_has_the_numbers_that_the_plan_counts_with(place: Place) -> None:
    made = work(place, {"kind": "built", "seed": 3})
    fetch_teacher(made)
    assert teacher_at(made.output / "teacher") == BUILT


def test_a_commit_of_the_hub_is_linked_without_pickles(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def link_commit(
        kind: str, repository: str, revision: str, files: tuple[str, ...], output: Path, stopping: object
    ) -> str:
        asked.append((kind, repository, revision, files))
        assert callable(stopping)
        build_teacher(output, width=32, patch=14, seed=0)
        return revision

    monkeypatch.setattr(run, "link_commit", link_commit)
    made = work(place, HUB)
    fetch_teacher(made)
    assert asked == [
        ("model", "someone/dino", "0a" * 20, ("config.json", "*.safetensors", "*.safetensors.index.json"))
    ]
    assert json.loads((made.output / "source.json").read_text()) == {
        "repository": "someone/dino",
        "commit": "0a" * 20,
    }
    assert teacher_at(made.output / "teacher") == BUILT


def test_a_commit_that_holds_another_model_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def link_commit(*asked: object) -> str:
        (Path(str(asked[-2])) / "config.json").write_text(json.dumps({"model_type": "clip"}))
        return "0a" * 20

    monkeypatch.setattr(run, "link_commit", link_commit)
    with pytest.raises(
        StageError, match=r"train\.crepa\.encoder: someone/dino at .* type `clip`, not `dinov2`"
    ):
        fetch_teacher(work(place, HUB))


def test_a_damaged_file_is_told_here_and_not_after_the_long_stages(place: Place) -> None:
    weights = place.root / "teacher" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(
        StageError, match=r"train\.crepa\.encoder: .*/teacher: the weights of DINOv2 cannot be loaded"
    ):
        fetch_teacher(work(place, here(place), **{LEAF: leaf(place)}))


def test_a_strange_config_is_told_here_and_not_by_a_traceback(place: Place) -> None:
    config = place.root / "teacher" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_attention_heads": 0}))
    with pytest.raises(StageError, match=r"train\.crepa\.encoder: .*/teacher: no DINOv2 can be made by its"):
        fetch_teacher(work(place, here(place), **{LEAF: leaf(place)}))


def test_the_rule_about_its_size_and_the_plan_know_the_same_patch() -> None:
    assert crepa.PATCH == GIANT.patch == BUILT.patch


def test_a_folder_that_changed_since_the_plan_is_refused(place: Place) -> None:
    planned = leaf(place)
    build_teacher(place.root / "teacher", width=32, patch=14, seed=1)
    with pytest.raises(StageError, match="/teacher changed since the plan was made; run again"):
        fetch_teacher(work(place, here(place), **{LEAF: planned}))


# the plan


def test_a_folder_counts_by_what_it_holds_and_not_by_where_it_lies(place: Place) -> None:
    def key(sets: str) -> str | None:
        (step,) = [step for step in place.plan(sets).steps if step.stage.name == "fetch_teacher"]
        return step.key

    first = key(folder(place))
    (place.root / "teacher").rename(place.root / "elsewhere")
    assert key(folder(place, "elsewhere")) == first
    build_teacher(place.root / "teacher", width=32, patch=14, seed=1)
    assert key(folder(place)) != first


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def saying(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "config.json").write_text(text) and None


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def gone(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(gone, "is no folder", id="no folder"),
        pytest.param(without("config.json"), "has no config.json", id="no config"),
        pytest.param(saying("{"), "cannot be read", id="half a config"),
        pytest.param(lambda folder: (folder / "config.json").write_bytes(b"\xff\xff") and None, "cannot be read", id="a config that is no text"),
        pytest.param(saying("[]"), "says no `model_type`", id="a list"),
        pytest.param(saying('{"model_type": "dinov2"}'), "says no `model_type`", id="no numbers"),
        pytest.param(saying('{"model_type": "dinov2", "hidden_size": "32", "patch_size": 14}'), "says no", id="a text for a number"),
        pytest.param(saying('{"model_type": "dinov2", "hidden_size": 32, "patch_size": 0}'), "says no", id="patches of nothing"),
        pytest.param(saying('{"model_type": "dinov2_with_registers"}'), "type `dinov2_with_registers`, not `dinov2`", id="registers"),
        pytest.param(saying('{"model_type": "clip"}'), "type `clip`", id="another model"),
        pytest.param(without("model.safetensors"), "has no model.safetensors", id="no weights"),
        pytest.param(pickled, "has no model.safetensors", id="pickles"),
    ],
)  # fmt: skip
def test_a_folder_without_a_teacher_is_told_in_the_plan(
    place: Place, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(place.root / "teacher")
    with pytest.raises(RecipeError) as caught:
        place.plan(folder(place))
    (found,) = caught.value.findings
    assert (found.code, found.path, found.severity) == ("RCP4060", "train.crepa.encoder.path", "error")
    assert said in found.message
    assert str(place.root / "teacher") in found.message
    assert "facebook/dinov2-giant" in found.help


# digests that are remembered


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are really read."""
    found: list[str] = []
    monkeypatch.setattr(digests, "digest_file", lambda path: (found.append(path.name), digest_file(path))[1])
    return found


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that was written ten seconds before anybody reads it."""
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    monkeypatch.setattr(digests.time, "time_ns", lambda: path.parent.stat().st_mtime_ns + 10_000_000_000)
    return path


def test_a_file_is_read_once_while_nothing_changes(tmp_path: Path, old: Path, reads: list[str]) -> None:
    told: list[tuple[int, int]] = []
    for _ in range(3):
        found = digests_of(
            [old], tmp_path / "memo", lambda done, total: told.append((done, total)), keep=True
        )
        assert found == {old: digest_file(old)}
    assert (reads, told) == (["weights"], [(1, 1)])
    (link := tmp_path / "link").symlink_to(old)
    assert digests_of([link], tmp_path / "memo", keep=True) == {link: digest_file(old)}
    assert reads == ["weights"]


def in_its_place(path: Path) -> None:
    """Write other content of the same length and give the file its old time back."""
    before = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: path.write_bytes(b"other"), id="another length"),
        pytest.param(in_its_place, id="same length and time"),
        pytest.param(lambda path: (path.unlink(), path.write_bytes(b"one")), id="another file"),
    ],
)  # fmt: skip
def test_a_file_that_changed_is_read_again(
    tmp_path: Path, old: Path, reads: list[str], change: Callable[[Path], object]
) -> None:
    digests_of([old], tmp_path / "memo", keep=True)
    change(old)
    assert digests_of([old], tmp_path / "memo", keep=True) == {old: digest_file(old)}
    assert reads == ["weights", "weights"]


def test_a_file_that_was_just_written_is_read_again(tmp_path: Path, reads: list[str]) -> None:
    (path := tmp_path / "new").write_bytes(b"one")
    for _ in range(2):
        digests_of([path], tmp_path / "memo", keep=True)
    assert reads == ["new", "new"]


def test_a_plan_that_is_only_shown_writes_nothing_down(tmp_path: Path, old: Path, reads: list[str]) -> None:
    for _ in range(2):
        digests_of([old], tmp_path / "memo", keep=False)
    assert len(reads) == 2
    assert not (tmp_path / "memo").exists()


@pytest.mark.parametrize(
    "note", ["", "[1]", "{", '{"NAME": 3}', '{"NAME": [[1, 2], 3, "x"]}', '{"NAME": [[3, 0, 0, 0], 9, 5]}']
)
def test_a_damaged_memo_is_forgotten(tmp_path: Path, old: Path, reads: list[str], note: str) -> None:
    (tmp_path / "memo").mkdir()
    (tmp_path / "memo" / "digests.json").write_text(note.replace("NAME", str(old)))
    assert digests_of([old], tmp_path / "memo", keep=True) == {old: digest_file(old)}
    assert reads == ["weights"]
    digests_of([old], tmp_path / "memo", keep=True)
    assert reads == ["weights"]


def test_files_that_are_gone_are_forgotten(tmp_path: Path, old: Path) -> None:
    (other := tmp_path / "other").write_bytes(b"two")
    digests_of([old, other], tmp_path / "memo", keep=True)
    old.unlink()
    other.write_bytes(b"three")
    digests_of([other], tmp_path / "memo", keep=True)
    assert list(json.loads((tmp_path / "memo" / "digests.json").read_text())) == [str(other)]
