"""What is encoded again after a change: exactly this many clips and texts, and what docs/data.md says of it is so."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import scripted
from conftest import ROOT
from place import Place

from engine.clips.write import write_video
from engine.seam import Work, canonical

RECIPE = """apiVersion: wan-recipe/v1
kind: recipe
extends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]
data:
  source: {kind: folder, path: clips}
  short_clips: fewer
  more:
    others: {source: {kind: folder, path: others}}
train: {steps: 20, checkpoints: {every: 10, keep: 2}}
sample: {prompts: {cat: a cat}}
"""
CLIPS = 4
ENCODES = ("encode_video", "encode_text")
SHADES = {"clips/square": 20, "clips/short": 60, "clips/wide": 100, "others/other": 140}


def write_clip(path: Path, shade: int) -> None:
    """A short clip has 13 frames, a wide one 40 of 160x64, and any other what the recipe asks for."""
    frames, width = {"short": (13, 64), "wide": (40, 160)}.get(path.stem, (17, 64))
    write_video(path, np.full((frames, 64, width, 3), shade, np.uint8), 16)


def add_clip(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_clip(path, shade)
    path.with_suffix(".txt").write_text(f"about {path.stem}")


def of_parts(work: Work) -> None:
    """Weights as a repository of the Hub has them: each part by itself."""
    spec = work.spec.model_dump(mode="json")
    for part in scripted.PARTS:
        words = spec["codec"] if part == "vae" else spec.get(part)
        (work.output / part).mkdir()
        (work.output / part / "weights").write_bytes(canonical([part, words, spec["source"]]))


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = Place(tmp_path_factory.mktemp("made") / "place")
    for name, shade in SHADES.items():
        add_clip(place.root / f"{name}.mp4", shade)
    place.recipe.write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(scripted.WORK, "fetch_model", of_parts)
        made = place.run().made
    # four captions, the prompt, and the empty text of dropped captions, which is the negative one as well
    assert made == {"encode_video": CLIPS, "encode_text": 4 + 1 + 1}
    return place.root


@pytest.fixture
def place(made_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A copy of a folder in which the recipe ran once."""
    monkeypatch.setitem(scripted.WORK, "fetch_model", of_parts)
    shutil.copytree(made_once, tmp_path / "place", copy_function=shutil.copy2)
    return Place(tmp_path / "place")


# changes; each returns what it sets on the command line


def both(place: Place, do: Callable[[Path, Path], object], to: str) -> list[str]:
    """Do something with the square clip and with its words."""
    for suffix in (".mp4", ".txt"):
        target = place.root / f"{to}{suffix}"
        target.parent.mkdir(exist_ok=True)
        do(place.clips / f"square{suffix}", target)
    return []


def say(place: Place, before: str, after: str) -> list[str]:
    """Change the recipe."""
    assert before in RECIPE
    place.recipe.write_text(RECIPE.replace(before, after))
    return []


def move_the_folder(place: Place) -> list[str]:
    place.clips.rename(place.root / "elsewhere")
    return say(place, "path: clips", "path: elsewhere")


Change = Callable[[Place], list[str]]


def sets(*said: str) -> Change:
    return lambda place: list(said)


@dataclass(frozen=True)
class Row:
    """A change and what follows from it.

    Attributes:
        docs: the row of docs/data.md that speaks of it; empty where none does.
        name: what is done.
        clips, texts: that are encoded.
        trains: whether there is another training.
    """

    docs: str
    name: str
    change: Change
    clips: int
    texts: int
    trains: bool


KEPT = "rename, move, touch or copy a clip"
SAME = "rename a dataset, move its folder"
OTHERWISE = "another size, crop, window or frame count"
ALL = "`latents.precision`, another codec or frame rate"
TABLE = [
    Row("add a clip", "add", lambda p: add_clip(p.clips / "new.mp4", 180) or [], 1, 1, True),
    Row("add a clip", "add to another dataset", lambda p: add_clip(p.root / "others/new.mp4", 180) or [], 1, 1, True),
    Row("edit a clip", "edit", lambda p: write_clip(p.clips / "square.mp4", 180) or [], 1, 0, True),
    Row(KEPT, "rename", lambda p: both(p, Path.rename, "clips/another name"), 0, 0, False),
    Row(KEPT, "move", lambda p: both(p, Path.rename, "clips/deeper/square"), 0, 0, False),
    Row(KEPT, "move to another dataset", lambda p: both(p, Path.rename, "others/square"), 0, 0, True),
    Row(KEPT, "touch", lambda p: (p.clips / "square.mp4").touch() or [], 0, 0, False),
    Row(KEPT, "copy", lambda p: both(p, shutil.copy, "clips/copy"), 0, 0, True),  # it is seen twice
    Row("delete a clip", "delete", lambda p: (p.clips / "square.mp4").unlink() or [], 0, 0, True),
    Row("edit a caption", "other words", lambda p: (p.clips / "square.txt").write_text("other words") and [], 0, 1, True),
    Row(SAME, "rename a dataset", lambda p: say(p, "others: {", "more: {"), 0, 0, False),
    Row(SAME, "move the folder", move_the_folder, 0, 0, False),
    Row(OTHERWISE, "another size, which is that of the square ones", sets("data.size={kind: pixel, edge: 64}"), 1, 0, True),
    Row(OTHERWISE, "another size of every clip", sets("data.size.width=96"), 4, 0, True),
    Row(OTHERWISE, "another crop, where there is something to cut", sets("data.crop=corner"), 1, 0, True),
    Row(OTHERWISE, "another window, where there is more than one", sets("data.windows={kind: middle}"), 1, 0, True),
    Row(OTHERWISE, "one window more", sets("data.windows={kind: sliding, stride: 17}"), 1, 0, True),
    Row(OTHERWISE, "as many frames as the short clip has", sets("data.frames=13"), 3, 0, True),
    Row(OTHERWISE, "fewer frames of one dataset", sets("data.more.others.frames=5"), 1, 0, True),
    Row("`latents.compress`", "latents.compress", sets("data.latents.compress=true"), 0, 0, False),
    Row(ALL, "latents.precision", sets("data.latents.precision=bf16"), 4, 0, True),
    Row(ALL, "another codec", sets("model.codec.base_width=16"), 4, 0, True),
    Row(ALL, "another rate of the model", sets("model.fps=8"), 4, 0, True),
]  # fmt: skip

# what the docs may answer → clips and texts that are encoded, and whether there is another training if they say so
ANSWERS: dict[str, Callable[[Row], bool]] = {
    "one clip, one text": lambda row: (row.clips, row.texts) == (1, 1),
    "one clip": lambda row: (row.clips, row.texts) == (1, 0),
    "one text": lambda row: (row.clips, row.texts) == (0, 1),
    "nothing": lambda row: (row.clips, row.texts) == (0, 0),
    "nothing; training is another one": lambda row: (row.clips, row.texts, row.trains) == (0, 0, True),
    "nothing; new clips are kept compressed": lambda row: (row.clips, row.texts, row.trains) == (0, 0, False),
    "the clips that come out otherwise": lambda row: 0 < row.clips <= CLIPS and row.texts == 0,
    "every clip": lambda row: (row.clips, row.texts) == (CLIPS, 0),
}


def said_in_the_docs() -> dict[str, str]:
    """The table "What is encoded again" of docs/data.md: what you do, what is encoded."""
    text = (ROOT / "docs" / "data.md").read_text()
    _, found, section = text.partition("\n## What is encoded again\n")
    assert found, "the section was renamed"
    return dict(re.findall(r"^\| (.+?) \| (.+?) \|$", section, re.MULTILINE)[2:])


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_this_much_is_encoded_again(place: Place, row: Row) -> None:
    words = row.change(place)
    known = [step for step in place.plan(*words).steps if step.stage.name in ENCODES and step.key is not None]
    announced = {step.stage.name: step.count.missing for step in known if step.count is not None}
    ran = place.run(*words)
    made = {stage: ran.made.get(stage, 0) for stage in ENCODES}
    assert made == {"encode_video": row.clips, "encode_text": row.texts}
    assert announced.items() <= made.items(), "the plan said so, where it could"
    assert ("train" in ran.ran) == row.trains
    assert place.run(*words).ran == [], "and then nothing"


@pytest.mark.parametrize("row", [row for row in TABLE if row.docs], ids=lambda row: row.name)
def test_the_docs_say_so(row: Row) -> None:
    assert ANSWERS[said_in_the_docs()[row.docs]](row)


def test_every_row_of_the_docs_was_tried() -> None:
    docs = said_in_the_docs()
    assert len(docs) >= 9
    assert set(docs) == {row.docs for row in TABLE if row.docs}
