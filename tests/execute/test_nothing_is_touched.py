"""Nothing of the user's is deleted, rewritten or added to, whatever is asked for and whatever is wrong with it."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image
from program import recipe

from engine import pipeline
from engine.clips.write import write_video
from engine.execute.events import Event
from engine.execute.run_plan import Outcome
from engine.execute.runner import Order, make_work, work_of
from engine.language.diagnostics import RecipeError
from engine.language.overrides import sets as sets_of
from engine.seam import Stage
from engine.stages import STAGES
from engine.words.data import Data

RECIPE = """apiVersion: wan-recipe/v1
kind: recipe
extends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]
model:
  transformer: {{layers: 1, heads: 2, head_width: 12, feed_forward_width: 32}}
  codec: {{base_width: 4, width_factors: [1, 1, 1, 1]}}
data:
  source: {{kind: folder, path: mine/clips}}
  size: {{kind: exact, width: 32, height: 32}}
  bad_files: skip
  short_clips: fewer
  no_caption: drop
  more:
    named: {{source: {{kind: table, path: mine/named.csv, column: file}}, captions: {{kind: column, column: text}}}}
    listed: {{source: {{kind: list, path: mine/listed.txt}}, captions: {{kind: filename}}}}
    stills: {{source: {{kind: folder, path: mine/stills}}, captions: {{kind: column, column: text}}}}
    far: {{source: {{kind: remote, url: "file://{root}/mine/far", as_of: one}}}}
train: {{steps: 2, batch_size: 2, checkpoints: {{every: 1, keep: 1}}}}
sample: {{prompts: {{cat: a cat}}, steps: 1, frames: 5, width: 32, height: 32}}
hardware: {{threads: 1}}
"""


def clip(path: Path, frames: int = 17, words: str | None = "a cat") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shades = np.arange(frames, dtype=np.uint8)[:, None, None, None] + len(path.name)
    write_video(path, np.broadcast_to(shades, (frames, 48, 64, 3)), 16)
    if words is not None:
        path.with_suffix(".txt").write_text(words)


def still(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (48, 48), "red").save(path, format="png")


def make_mine(mine: Path) -> None:
    """What a user may have: good, broken, short, silent and odd clips, pictures, tables, and what is no clip at all."""
    clips = mine / "clips"
    clip(clips / "good.mp4", words="a cat\na black cat\n")
    clip(clips / "deep" / "er" / "long.mp4", frames=40)
    clip(clips / "short.mp4", frames=6)
    clip(clips / "silent.mp4", words=None)
    clip(clips / "line\nbreak é.mp4")
    still(clips / "picture.png")
    (clips / "picture.txt").write_bytes(b"\xef\xbb\xbfa picture\r\n")
    still(clips / "a picture.mp4")
    (clips / "truncated.mp4").write_bytes((clips / "good.mp4").read_bytes()[:900])
    (clips / "empty.mp4").touch()
    (clips / "playlist.mp4").write_text("#EXTM3U\n#EXTINF:1,\ngood.mp4\n#EXT-X-ENDLIST\n")
    (clips / "link.mp4").symlink_to("good.mp4")
    (clips / "gone.mp4").symlink_to("nowhere.mp4")
    (clips / "notes.md").write_text("mine")
    (clips / ".hidden.mp4").write_bytes(b"mine")
    (clips / "good.mp4").chmod(0o444)
    still(mine / "stills" / "one.png")
    (mine / "stills" / "metadata.jsonl").write_text('{"file_name": "one.png", "text": "a still"}\n')
    (mine / "named.csv").write_text("file,text\nclips/good.mp4,a named cat\nclips/none.mp4,nothing\n")
    (mine / "listed.txt").write_text("# mine\nclips/good.mp4\nclips/empty.mp4\n")
    clip(mine / "far" / "away.mp4", words="far away")
    for number, path in enumerate(sorted(mine.rglob("*"))):
        if not path.is_symlink():
            os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))


def everything(mine: Path) -> dict[str, tuple[object, ...]]:
    """All that can be known of a tree: names, contents, times, inodes and rights of files, folders and links."""
    found: dict[str, tuple[object, ...]] = {}
    for path in [mine, *sorted(mine.rglob("*"))]:
        stat = path.lstat()
        holds = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[str(path)] = (
            holds,
            stat.st_mtime_ns,
            stat.st_ctime_ns,
            stat.st_ino,
            stat.st_mode,
            stat.st_nlink,
        )
    return found


class Here:
    """Runs the real stages, without a process for each."""

    def stopping(self) -> bool:
        return False

    def run(self, stage: Stage, order: Order, log: Path, notify: Callable[[Event], None]) -> None:
        tell = lambda type_, **said: notify({"type": type_, **said})  # noqa: E731 - handed on whole
        work_of(stage)(make_work(stage, order, tell, self.stopping))


@dataclass
class Place:
    """A folder with a recipe, a store, and what is the user's.

    Attributes:
        before: what is the user's, before anything ran.
        ran: the stages of the first run.
    """

    root: Path
    before: dict[str, tuple[object, ...]]
    ran: tuple[str, ...] = ()

    @property
    def recipe(self) -> Path:
        return self.root / "x.yaml"

    def refused(self, *sets: str) -> set[str]:
        """The codes of what a plan says is wrong; none where it can be run."""
        try:
            pipeline.plan(self.recipe, sets_of(*sets), self.root / "store")
        except RecipeError as error:
            return {found.code for found in error.findings if found.severity == "error"}
        return set()

    def run(self, *sets: str) -> Outcome:
        made, resolved, _ = pipeline.plan(self.recipe, sets_of(*sets), self.root / "store")
        return pipeline.run(made, resolved, self.root / "store", self.root / "out", lambda _: None, Here())


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Place:
    root = tmp_path_factory.mktemp("place")
    make_mine(root / "mine")
    (root / "x.yaml").write_text(RECIPE.format(root=root))
    (root / "y.yaml").write_text(RECIPE.format(root=root).replace("steps: 1,", "steps: 2,"))
    made = Place(root, everything(root / "mine"))
    made.ran = made.run().ran
    return made


@pytest.fixture
def place(made_once: Place) -> Iterator[Place]:
    """A place in which the recipe ran once; whatever a test does there, the user's files are as before all of it."""
    yield made_once
    assert everything(made_once.root / "mine") == made_once.before


def test_whatever_happens_to_a_tree_would_be_seen(tmp_path: Path) -> None:
    make_mine(tmp_path / "mine")
    seen, clips = [everything(tmp_path / "mine")], tmp_path / "mine" / "clips"
    content = (clips / "short.mp4").read_bytes()
    changes: list[Callable[[], object]] = [
        lambda: (clips / "short.mp4").write_bytes(content),
        lambda: os.utime(clips / "short.txt"),
        lambda: (clips / "good.mp4").chmod(0o644),
        (clips / "cache").mkdir,
        (clips / "link.mp4").unlink,
        lambda: (clips / "silent.mp4").rename(clips / "quiet.mp4"),
        lambda: os.link(clips / "short.mp4", tmp_path / "short.mp4"),
    ]
    for change in changes:
        change()
        seen.append(everything(tmp_path / "mine"))
        assert seen[-1] not in seen[:-1]


def test_a_whole_run_of_the_real_stages_reads_and_no_more(place: Place) -> None:
    others = {"encode_image", "fetch_teacher", "encode_features"}  # this recipe asks for none of them
    assert place.ran == tuple(stage.name for stage in STAGES if stage.name not in others)
    again = place.run()
    assert again.ran == ()
    assert {file.suffix for file in again.files} >= {".html", ".json", ".safetensors", ".mp4"}


VALUES = {
    word: get_args(Data.model_fields[word].annotation)
    for word in ("bad_files", "short_clips", "no_caption", "small_buckets", "crop", "mix")
}


@pytest.mark.parametrize(
    ("word", "value"), [(word, value) for word, values in VALUES.items() for value in values]
)
def test_no_value_of_a_word_about_clips_touches_them(place: Place, word: str, value: str) -> None:
    codes = {"bad_files": {"RCP4102", "RCP4110"}, "short_clips": {"RCP4104"}, "no_caption": {"RCP4103"}}
    change = ["data.size={kind: pixel, edge: 32}"] if value == "none" else []
    change.append(f"data.{word}={value}")
    if value == "error":
        assert place.refused(*change) == codes[word]
    else:
        place.run(*change)


def test_a_survey_of_clips_that_are_all_wrong_leaves_them_so(place: Place) -> None:
    strict = sets_of("data.bad_files=error", "data.short_clips=error", "data.no_caption=error")
    _, findings = pipeline.survey(
        place.recipe, strict, place.root / "store", place.root / "out", lambda _: None
    )
    assert {found.code for found in findings if found.severity == "error"} >= {
        "RCP4102",
        "RCP4103",
        "RCP4104",
    }


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["validate", "x.yaml"], 0),
        (["plan", "x.yaml"], 0),
        (["plan", "x.yaml", "--set", "data.bad_files=error"], 1),
        (["survey", "x.yaml"], 0),
        (["resolve", "x.yaml"], 0),
        (["why", "data.source.path", "x.yaml"], 0),
        (["diff", "x.yaml", "y.yaml"], 1),
        (["run", "x.yaml"], 0),
        (["run", "y.yaml"], 0),
        (["run", "x.yaml", "--set", "data.no_caption=error"], 1),
        (["lock", "x.yaml"], 0),
        (["card", "x.yaml", "--output", "card"], 0),
        (["vendor", "x.yaml", "--output", "vendored"], 0),
        (["fmt", "x.yaml"], 0),
        (["migrate", "x.yaml"], 0),
    ],
    ids=lambda said: " ".join(said) if isinstance(said, list) else "",
)
def test_no_verb_touches_them(place: Place, arguments: list[str], code: int) -> None:
    done = recipe(*arguments, cwd=place.root)
    assert done.returncode == code, done.stderr


def test_results_are_not_put_among_the_clips(place: Place) -> None:
    """Not even where a person works in the folder of the clips: results go to the folder at hand."""
    clips = place.root / "mine" / "clips"
    for verb in ("survey", "run"):
        done = recipe(verb, "../../x.yaml", "--store", str(place.root / "store"), cwd=clips)
        assert done.returncode == 1
        assert "RCP4106" in done.stderr
    done = recipe("run", "x.yaml", "--store", "mine/clips/store", cwd=place.root)
    assert done.returncode == 1
    assert "RCP4106" in done.stderr


def test_no_link_in_the_store_leads_to_what_is_the_users(place: Place) -> None:
    """Who empties the store by a careless command loses nothing but time."""
    links = [path.readlink() for path in (place.root / "store").rglob("*") if path.is_symlink()]
    assert links, "what was fetched is linked"
    assert [link for link in links if link.is_relative_to(place.root / "mine")] == []
