"""What becomes of every clip is said before anything is written."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import pipeline
from engine.clips.write import write_video
from engine.language.diagnostics import RecipeError
from engine.language.overrides import sets as sets_of
from engine.language.resolve import resolve
from engine.plan.keys import project
from engine.stages.survey.findings import foresight
from engine.stages.survey.look import look
from engine.stages.survey.memo import MEMO_VERSION, Seen, read_memo, write_memo
from engine.stages.survey.report import report
from engine.stages.survey.wanted import SurveySpec

RECIPE = """apiVersion: wan-recipe/v1
kind: recipe
extends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]
data: {source: {kind: folder, path: clips}}
sample: {prompts: {cat: a cat}}
"""


def clip(path: Path, frames: int = 17, width: int = 64, height: int = 64, fps: int = 16) -> None:
    write_video(path, np.full((frames, height, width, 3), 90, np.uint8), fps)
    path.with_suffix(".txt").write_text(f"about {path.stem}")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    (tmp_path / "x.yaml").write_text(RECIPE)
    (tmp_path / "clips").mkdir()
    clip(tmp_path / "clips" / "good.mp4")
    return tmp_path / "clips"


def survey(clips: Path, *sets: str):
    spec = project(SurveySpec, resolve(clips.parent / "x.yaml", sets_of(*sets)).recipe)
    return look(spec, None, clips.parent / "memo")


def refused(clips: Path, *sets: str):
    before = sorted(clips.parent.rglob("*"))
    with pytest.raises(RecipeError) as caught:
        pipeline.plan(clips.parent / "x.yaml", sets_of(*sets), clips.parent / "store")
    assert sorted(clips.parent.rglob("*")) == before, "bad input costs nothing"
    return caught.value.findings


def test_an_empty_folder_is_refused(clips: Path) -> None:
    for path in clips.iterdir():
        path.unlink()
    (found,) = refused(clips)
    assert found.code == "RCP4101"
    assert "holds no clips" in found.message


@pytest.mark.parametrize(
    "content",
    [pytest.param(b"", id="zero length"), pytest.param(b"no video", id="text"),
     pytest.param(b"#EXTM3U\n#EXTINF:1,\ngood.mp4\n#EXT-X-ENDLIST\n", id="playlist")],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_refused_by_name_or_left_out(clips: Path, content: bytes) -> None:
    (clips / "bad.mp4").write_bytes(content)
    (clips / "bad.txt").write_text("words")
    (found,) = refused(clips)
    assert found.code == "RCP4102"
    assert "bad.mp4" in found.message
    assert [kept.path.name for kept in survey(clips, "data.bad_files=skip").kept] == ["good.mp4"]


def test_a_short_clip_is_refused_dropped_or_used_as_far_as_it_goes(clips: Path) -> None:
    clip(clips / "short.mp4", frames=12)
    (found,) = refused(clips)
    assert (found.code, "short.mp4 (12 frames at 16 fps, 17 asked)" in found.message) == ("RCP4104", True)
    assert [kept.path.name for kept in survey(clips, "data.short_clips=drop").kept] == ["good.mp4"]
    buckets = {
        kept.path.name: kept.cuts[0].bucket.frames for kept in survey(clips, "data.short_clips=fewer").kept
    }
    assert buckets == {"good.mp4": 17, "short.mp4": 9}


@pytest.mark.parametrize("words", [None, "", " \n"])
def test_a_missing_caption_is_refused(clips: Path, words: str | None) -> None:
    clip(clips / "silent.mp4")
    (clips / "silent.txt").unlink()
    if words is not None:
        (clips / "silent.txt").write_text(words)
    (found,) = refused(clips)
    assert (found.code, "silent.mp4" in found.message) == ("RCP4103", True)


def test_a_caption_that_is_not_utf_8_is_refused_with_the_reason(clips: Path) -> None:
    (clips / "good.txt").write_bytes(b"caf\xe9")
    (found,) = refused(clips)
    assert "good.mp4 (good.txt is not UTF-8)" in found.message


def test_all_problems_of_a_folder_come_at_once(clips: Path) -> None:
    clip(clips / "short.mp4", frames=5)
    (clips / "bad.mp4").write_bytes(b"x")
    clip(clips / "silent.mp4")
    (clips / "silent.txt").unlink()
    assert sorted(found.code for found in refused(clips)) == ["RCP4102", "RCP4103", "RCP4104"]


def test_captions_can_come_from_the_name_or_be_one_for_all(clips: Path) -> None:
    (clips / "good.mp4").rename(clips / "a_black-cat.mp4")
    by_name = survey(clips, "data.captions={kind: filename}").kept[0].captions
    for_all = survey(clips, "data.captions={kind: one, text: words}").kept[0].captions
    assert (by_name, for_all) == (("a black cat",), ("words",))


def test_a_clip_keeps_its_shape_and_an_image_is_one_frame(clips: Path) -> None:
    clip(clips / "tall.mp4", width=96, height=160)
    Image.new("RGB", (200, 100)).save(clips / "still.png")
    (clips / "still.txt").write_text("a still")
    found = {
        kept.path.name: str(kept.cuts[0].bucket)
        for kept in survey(clips, "data.size={kind: pixel_area, edge: 64}").kept
    }
    # edge·sqrt(aspect) and edge/sqrt(aspect), to the nearest 16: 49.6→48, 82.6→80; 90.5→96, 45.3→48
    assert found == {"good.mp4": "64x64x17", "tall.mp4": "48x80x17", "still.png": "96x48x1"}


def test_twice_the_same_content_is_one_clip_with_two_captions(clips: Path) -> None:
    (clips / "copy.mp4").write_bytes((clips / "good.mp4").read_bytes())
    (clips / "copy.txt").write_text("other words")
    outputs = survey(clips).outputs
    assert len(json.loads(outputs["clips"].read("clips.json"))) == 1
    assert [sample["captions"] for sample in json.loads(outputs["samples"].read("samples.json"))] == [
        ["about good"], ["other words"],
    ]  # fmt: skip


def memo_of(clips: Path) -> dict[str, Seen]:
    """What a survey knows of each file."""
    return {str(one.path): one.seen for one in survey(clips).clips}


def remembered(clips: Path):
    """The memo as it will be when enough time has gone by: then a change within the same moment is ruled out."""
    known = {name: replace(seen, seen=seen.seen + 10_000_000_000) for name, seen in memo_of(clips).items()}
    write_memo(clips.parent / "memo", known)
    return known


def test_what_was_learnt_is_used_while_nothing_speaks_for_a_change(clips: Path) -> None:
    known = remembered(clips)
    assert read_memo(clips.parent / "memo") == known
    assert memo_of(clips) == known, "the same moment of looking: the file was not read again"


def test_a_swap_that_sets_size_and_time_back_is_seen(clips: Path) -> None:
    (known,) = remembered(clips).values()
    clip, content = clips / "good.mp4", bytearray((clips / "good.mp4").read_bytes())
    stat = clip.stat()
    content[-1] ^= 1
    clip.write_bytes(content)
    os.utime(clip, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    (now,) = memo_of(clips).values()
    assert now.digest != known.digest


@pytest.mark.parametrize(
    "memo",
    [
        b"",
        b"{",
        b"[]",
        b'{"version": 0, "files": {}}',
        f'{{"version": "{MEMO_VERSION}", "files": {{"a": {{}}}}}}'.encode(),
    ],
)
def test_a_damaged_memo_is_no_memo(clips: Path, memo: bytes) -> None:
    (clips.parent / "memo").mkdir()
    (clips.parent / "memo" / "clips.json").write_bytes(memo)
    assert len(survey(clips).kept) == 1


def test_a_pipe_is_not_waited_for(clips: Path) -> None:
    os.mkfifo(clips / "pipe.mp4")
    (clips / "pipe.txt").write_text("words")
    (found,) = refused(clips)
    assert "pipe.mp4 (is not a file)" in found.message


def test_a_name_that_is_not_utf_8_is_said_and_not_a_crash(clips: Path) -> None:
    Path(os.fsdecode(bytes(clips) + b"/caf\xe9.mp4")).write_bytes(b"x")
    (found,) = refused(clips)
    assert "caf\\xe9.mp4 (has a name that is not UTF-8)" in found.message


def test_what_is_not_looked_at_is_said(clips: Path) -> None:
    (clips / "old.gif").write_bytes(b"x")
    assert "not looked at: 1 .gif" in foresight(survey(clips)).notes


def test_results_among_the_clips_are_refused_before_anything_runs(clips: Path) -> None:
    made, resolved, _ = pipeline.plan(clips.parent / "x.yaml", (), clips.parent / "store")
    with pytest.raises(RecipeError) as caught:
        pipeline.run(made, resolved, clips.parent / "store", clips / "outputs", lambda _: None)
    assert [found.code for found in caught.value.findings] == ["RCP4106"]
    assert not (clips / "outputs").exists()


def test_every_file_is_reported_with_what_becomes_of_it(clips: Path) -> None:
    clip(clips / "short.mp4", frames=5)
    rows = report(survey(clips, "data.short_clips=drop"))["clips"]
    assert {row["file"]: row["use"] for row in rows} == {"good.mp4": "kept", "short.mp4": "left out"}


def test_hidden_files_and_captions_are_not_clips(clips: Path) -> None:
    clip(clips / ".hidden.mp4")
    assert len(survey(clips).clips) == 1
