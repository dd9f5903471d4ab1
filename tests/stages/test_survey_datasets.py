"""Several datasets, windows, sizes and captions: what a recipe asks for is what each clip becomes."""

import csv
import json
import os
import re
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from engine import pipeline
from engine.clips.decode import read_frames
from engine.clips.sizes import Bucket, Cut
from engine.clips.write import write_video
from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.overrides import sets as sets_of
from engine.language.resolve import resolve
from engine.plan.keys import project
from engine.stages.survey.look import Survey, look
from engine.stages.survey.memo import read_memo
from engine.stages.survey.mix import LONGEST, mixed
from engine.stages.survey.report import report
from engine.stages.survey.shape import size_of
from engine.stages.survey.wanted import SurveySpec

RECIPE = """apiVersion: wan-recipe/v1
kind: recipe
extends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]
data: {source: {kind: folder, path: clips}}
sample: {prompts: {cat: a cat}}
"""


def clip(
    path: Path, frames: int = 17, width: int = 64, height: int = 64, fps: int = 16, shade: int = 90
) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    write_video(path, np.full((frames, height, width, 3), shade, np.uint8), fps)
    path.with_suffix(".txt").write_text(f"about {path.stem}")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # where paths of the command line begin
    (tmp_path / "x.yaml").write_text(RECIPE)
    clip(tmp_path / "clips" / "good.mp4")
    return tmp_path


@pytest.fixture(scope="module")
def place_of_rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe alone: nothing is looked at."""
    folder = tmp_path_factory.mktemp("rules")
    (folder / "x.yaml").write_text(RECIPE)
    return folder


def survey(place: Path, *sets: str) -> Survey:
    return look(project(SurveySpec, resolve(place / "x.yaml", sets_of(*sets)).recipe), None, place / "memo")


def found(place: Path, *sets: str) -> list[Diagnostic]:
    """The findings of a plan, errors or warnings."""
    try:
        return list(pipeline.plan(place / "x.yaml", sets_of(*sets), place / "store")[2])
    except RecipeError as error:
        return list(error.findings)


def cuts(place: Path, name: str, *sets: str) -> list[Cut]:
    return [cut for one in survey(place, *sets).clips if one.path.stem == name for cut in one.cuts]


# sizes and shapes


@pytest.mark.parametrize(
    ("sets", "size"),
    [
        (["data.size={kind: exact, width: 96, height: 48}"], (96, 48)),
        # sqrt(128·32)=64: 16:9 → 85.3→80, 48
        (["data.size={kind: pixel_area, edge: 64}"], (80, 48)),
        (["data.size={kind: area, megapixels: 0.004096}"], (80, 48)),
        (["data.size={kind: pixel, edge: 48}"], (80, 48)),
        (["data.size={kind: pixel, edge: 48}", "data.aspect={kind: square}"], (48, 48)),
        (["data.size={kind: pixel, edge: 48}", "data.aspect={kind: closest, of: ['1:1', '2:1', '1:2']}"], (96, 48)),
        (["data.size={kind: pixel, edge: 48}", "data.aspect={kind: random, of: ['1:3']}"], (48, 144)),
    ],
)  # fmt: skip
def test_a_clip_gets_the_size_that_is_asked_for(place: Path, sets: list[str], size: tuple[int, int]) -> None:
    clip(place / "clips" / "wide.mp4", width=160, height=90)
    (cut,) = cuts(place, "wide", *sets)
    assert (cut.bucket.width, cut.bucket.height) == size


def test_a_random_aspect_is_the_same_every_day_and_uses_all_of_the_list(place: Path) -> None:
    for number in range(12):
        clip(place / "clips" / f"{number}.mp4", shade=20 * number)
    sets = ("data.size={kind: pixel, edge: 32}", "data.aspect={kind: random, of: ['1:1', '2:1', '1:2']}")
    shapes = [cut.bucket for one in survey(place, *sets).clips for cut in one.cuts]
    assert len(set(shapes)) == 3
    assert [cut.bucket for one in survey(place, *sets).clips for cut in one.cuts] == shapes


@pytest.mark.parametrize(
    ("crop", "corner"),
    [("centre", (32, 0)), ("corner", (0, 0)), ("none", (0, 0))],
)
def test_what_is_cut_is_where_it_is_said(place: Path, crop: str, corner: tuple[int, int]) -> None:
    clip(place / "clips" / "wide.mp4", width=128, height=64)
    sets = [f"data.crop={crop}"]
    if crop == "none":
        sets.append("data.size={kind: pixel, edge: 64}")
    (cut,) = cuts(place, "wide", *sets)
    assert cut.scaled == (128, 64)
    assert cut.corner == corner


def test_a_random_crop_lies_within_the_picture_and_follows_from_the_content(place: Path) -> None:
    corners = set()
    for number in range(8):
        clip(place / "clips" / f"{number}.mp4", width=160, height=64, shade=30 * number)
        (cut,) = cuts(place, str(number), "data.crop=random")
        assert 0 <= cut.corner[0] <= 160 - 64
        assert cut.corner[1] == 0
        corners.add(cut.corner)
    assert len(corners) > 3


def test_a_part_of_a_large_picture_can_be_seen_closely(place: Path) -> None:
    clip(place / "clips" / "large.mp4", width=256, height=128)
    sets = ("data.scale={kind: downsample, above: 100, to: 80}",)
    (cut,) = cuts(place, "large", *sets)
    assert (cut.scaled, cut.corner) == ((160, 80), (48, 8))
    (kept,) = cuts(place, "large", "data.scale={kind: downsample, above: 128, to: 80}")
    assert kept.scaled == (256, 128), "not above: as it is"


def test_a_clip_outside_of_the_limits_is_left_out_and_said(place: Path) -> None:
    clip(place / "clips" / "small.mp4", width=32, height=48)
    clip(place / "clips" / "long.mp4", frames=40)
    clip(place / "clips" / "short.mp4", frames=18)
    limits = ("data.min_size=48", "data.max_frames=30", "data.min_frames=18")
    (place / "clips" / "good.mp4").unlink()
    clip(place / "clips" / "fits.mp4", frames=20)
    out = {one.path.stem: one.word for one in survey(place, *limits).clips}
    assert out == {"small": "min_size", "long": "max_frames", "short": "", "fits": ""}
    warned = [one for one in found(place, *limits) if one.code == "RCP4108"]
    assert {one.severity for one in warned} == {"warning"}
    assert "small.mp4 (32x48: its shorter side has 32 px, 48 asked)" in warned[0].message


def test_an_enlarged_clip_is_said(place: Path) -> None:
    clip(place / "clips" / "tiny.mp4", width=32, height=32)
    (warned,) = [one for one in found(place) if one.code == "RCP4111"]
    assert "tiny.mp4 (2 times)" in warned.message
    assert [one.code for one in found(place, "data.min_size=64")] == ["RCP4108"]


# frames and windows


@pytest.mark.parametrize(
    ("windows", "starts"),
    [
        ("{kind: head}", [0]),
        ("{kind: middle}", [17]),  # (51 - 17) // 2
        ("{kind: uniform, count: 3}", [0, 17, 34]),
        ("{kind: sliding, stride: 10}", [0, 10, 20, 30]),
    ],
)
def test_windows_are_where_they_are_said(place: Path, windows: str, starts: list[int]) -> None:
    clip(place / "clips" / "long.mp4", frames=51)
    assert [cut.start for cut in cuts(place, "long", f"data.windows={windows}")] == starts


def test_every_window_is_a_training_clip_with_an_id_of_its_own(place: Path) -> None:
    clip(place / "clips" / "long.mp4", frames=51)
    seen = survey(place, "data.windows={kind: sliding, stride: 17}")
    ids = [key for key, one, _ in seen.samples if one.path.stem == "long"]
    assert len(set(ids)) == 3
    longer = survey(place, "data.windows={kind: sliding, stride: 34}")
    assert {key for key, one, _ in longer.samples if one.path.stem == "long"} < set(ids), (
        "the same frames are the same clip"
    )


def test_random_windows_stay_when_more_are_asked_for(place: Path) -> None:
    clip(place / "clips" / "long.mp4", frames=97)
    two = {cut.start for cut in cuts(place, "long", "data.windows={kind: random, count: 2}")}
    five = {cut.start for cut in cuts(place, "long", "data.windows={kind: random, count: 5}")}
    assert len(two) == 2
    assert two < five


def test_a_short_clip_can_be_looped(place: Path) -> None:
    clip(place / "clips" / "short.mp4", frames=12)
    (cut,) = cuts(place, "short", "data.short_clips=loop")
    assert (cut.period, cut.bucket.frames) == (12, 17)


@pytest.mark.parametrize(("interval", "frames"), [(4, 13), (8, 9), (64, 13)])
def test_fewer_frames_come_in_steps_of_the_interval(place: Path, interval: int, frames: int) -> None:
    clip(place / "clips" / "short.mp4", frames=15)
    (cut,) = cuts(place, "short", "data.short_clips=fewer", f"data.frame_interval={interval}")
    assert cut.bucket.frames == frames


def test_what_takes_three_seconds_takes_three_seconds_at_the_rate_of_the_model(place: Path) -> None:
    """A ball crosses from left to right in 3 s at 30 fps; at 16 fps it is where it was at the same moments."""
    frames_FHWC = np.zeros((90, 64, 192, 3), np.uint8)
    for number in range(90):
        left = round(number / 89 * 168)
        frames_FHWC[number, 20:44, left : left + 24] = 255
    write_video(place / "clips" / "ball.mp4", frames_FHWC, 30)
    (place / "clips" / "ball.txt").write_text("a ball")
    (cut,) = cuts(
        place,
        "ball",
        "data.frames=45",
        "data.size={kind: exact, width: 192, height: 64}",
        "data.short_clips=drop",
    )
    seen_FHWC = read_frames(place / "clips" / "ball.mp4", cut, 16)
    columns = np.arange(192)
    for number, frame_HWC in enumerate(seen_FHWC):
        light_W = frame_HWC[30, :, 0].astype(float)
        centre = (columns * light_W).sum() / light_W.sum()
        at = min(89, int(number / 16 * 30)) / 89 * 168 + 11.5  # where the film shows it at that moment
        assert abs(centre - at) < 3, number


# several datasets


MORE = "data.more={stills: {source: {kind: folder, path: stills}, frames: 1, repeats: 2}}"


def still(path: Path, shade: int) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (64, 64), (shade, 0, 0)).save(path)
    path.with_suffix(".txt").write_text(f"still {path.stem}")


def test_a_further_dataset_has_what_data_says_unless_it_says_otherwise(place: Path) -> None:
    (place / "x.yaml").write_text(RECIPE.replace(
        "path: clips}}", "path: clips}, size: {kind: pixel_area, edge: 64}, short_clips: fewer, "
        "more: {other: {source: {kind: folder, path: other}, size: {edge: 32}, frames: 5}}}"))  # fmt: skip
    data = resolve(place / "x.yaml").recipe.data
    other = data.more["other"]
    assert (other.size.kind, other.size.edge, other.frames, other.short_clips) == (
        "pixel_area",
        32,
        5,
        "fewer",
    )
    assert resolve(place / "x.yaml").origin("data.more.other.short_clips").span.line == 4
    assert other.source.path == str(place / "other"), "its place is relative to the file as well"


def test_a_dataset_of_another_kind_of_size_takes_nothing_of_the_one_below(place: Path) -> None:
    sets = sets_of("data.more={o: {source: {kind: folder, path: o}, size: {kind: pixel, edge: 32}}}")
    assert resolve(place / "x.yaml", sets).recipe.data.more["o"].size.model_dump() == {
        "kind": "pixel",
        "edge": 32,
    }


def test_images_and_videos_of_several_datasets_make_one_epoch(place: Path) -> None:
    for number in range(3):
        still(place / "stills" / f"{number}.png", 60 * number)
    seen = survey(place, MORE)
    takes = {(group.dataset, str(group.bucket)): group.take for group in seen.groups}
    assert takes == {("data", "64x64x17"): 1, ("data.more.stills", "64x64x1"): 6}


def test_weights_share_an_epoch(place: Path) -> None:
    for number in range(8):
        still(place / "stills" / f"{number}.png", 30 * number)
    more = "data.more={stills: {source: {kind: folder, path: stills}, weight: 2}}"
    takes = survey(place, more, "data.mix=by_weight").takes
    assert takes["data.more.stills"] == pytest.approx(2 * takes["data"], rel=0.01)
    assert takes["data.more.stills"] >= 8, "every clip is seen"
    assert found(place, more)[0].code == "RCP4027", "a weight that nothing reads is said"


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=5), min_size=1, max_size=4),
    weights=st.lists(st.floats(0.02, 50), min_size=4, max_size=4),
)
def test_every_clip_of_a_weighted_epoch_is_seen_and_the_shares_are_kept(
    place_of_rules: Path, counts: list[list[int]], weights: list[float]
) -> None:
    """Datasets with clips of several shapes: the share of each shape is its dataset's, by its part of the clips."""
    names = ["data", "data.more.a", "data.more.b", "data.more.c"][: len(counts)]
    more = {name[-1]: {"source": {"kind": "folder", "path": name[-1]}, "weight": weight}
            for name, weight in zip(names[1:], weights[1:], strict=False)}  # fmt: skip
    sets = (f"data.more={json.dumps(more)}", f"data.weight={weights[0]!r}", "data.mix=by_weight")
    spec = project(SurveySpec, resolve(place_of_rules / "x.yaml", sets_of(*sets)).recipe)
    numbers = iter(range(10_000))
    places = {
        name: {
            Bucket(16 * shape, 16, 1): [next(numbers) for _ in range(count)]
            for shape, count in enumerate(shapes, 1)
        }
        for name, shapes in zip(names, counts, strict=True)
    }
    groups = mixed(places, spec)
    whole, clips = sum(group.take for group in groups), sum(len(group.samples) for group in groups)
    assert whole <= (LONGEST + 1) * clips
    due = [
        weights[names.index(group.dataset)] / sum(weights[: len(names)])
        * len(group.samples) / sum(len(each) for each in places[group.dataset].values())
        for group in groups
    ]  # fmt: skip
    assert all(group.take >= len(group.samples) for group in groups), "every clip is seen"
    # an epoch in which each group gives 110 samples, or all of its own, rounds none by more than half a percent
    long_enough = max(
        max(110, len(group.samples)) / (share * clips) for group, share in zip(groups, due, strict=True)
    )
    if long_enough <= LONGEST - 1:
        for group, share in zip(groups, due, strict=True):
            assert group.take / whole == pytest.approx(share, rel=0.01)


def test_one_folder_can_be_used_twice_with_other_settings(place: Path) -> None:
    clip(place / "clips" / "long.mp4", frames=51)
    again = "data.more={again: {source: {kind: folder, path: clips}, windows: {kind: middle}}}"
    seen = survey(place, again)
    starts = sorted((one.dataset, cut.start) for _, one, cut in seen.samples if one.path.stem == "long")
    assert starts == [("data", 0), ("data.more.again", 17)]
    good = [key for key, one, _ in seen.samples if one.path.stem == "good"]
    assert len(good) == 2, "seen twice in an epoch"
    assert len(set(good)) == 1, "and encoded once"


def test_a_dataset_that_is_left_out_is_not_looked_at(place: Path) -> None:
    assert found(place, "data.more={gone: {source: {kind: folder, path: nowhere}, repeats: 0}}") == []
    assert [
        one.code for one in found(place, "data.more={gone: {source: {kind: folder, path: nowhere}}}")
    ] == ["RCP4101"]


def test_small_shapes_are_repeated_until_they_fill_a_batch_where_that_is_asked_for(place: Path) -> None:
    batch = "train.batch_size=4"
    assert [one.code for one in found(place, batch)] == ["RCP4107"]
    repeated = survey(place, batch, "data.small_buckets=repeat")
    assert [group.take for group in repeated.groups] == [4]
    assert found(place, batch, "data.small_buckets=repeat") == []


# lists, tables, captions


def table(place: Path, rows: list[dict[str, str]], name: str = "clips/clips.csv") -> str:
    with (place / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return f"data.source={{kind: table, path: {name}, column: file}}"


COLUMN = "data.captions={kind: column, column: text}"


def test_a_table_names_clips_and_their_words(place: Path) -> None:
    clip(place / "clips" / "unnamed.mp4")
    source = table(place, [{"file": "good.mp4", "text": "one"}, {"file": "good.mp4", "text": "two"}])
    (one,) = survey(place, source, COLUMN).clips
    assert one.captions == ("one", "two"), "two rows of one clip are variants"


def test_a_table_that_cannot_be_read_is_refused_with_its_line(place: Path) -> None:
    source = table(place, [{"file": "good.mp4", "text": "one"}])
    with (place / "clips/clips.csv").open("a") as file:
        file.write("a,b,c,d\n")
    (wrong,) = found(place, source, COLUMN)
    assert wrong.code == "RCP4109"
    assert "clips.csv:3" in wrong.message
    (gone,) = found(place, "data.source={kind: table, path: gone.csv, column: file}", COLUMN)
    assert gone.code == "RCP4109"


def test_a_table_that_names_what_is_not_there_is_refused_or_left_out(place: Path) -> None:
    source = table(place, [{"file": "good.mp4", "text": "one"}, {"file": "gone.mp4", "text": "two"}])
    (wrong,) = found(place, source, COLUMN)
    assert (wrong.code, wrong.severity) == ("RCP4110", "error")
    assert "clips.csv:3 names gone.mp4" in wrong.message
    (warned,) = found(place, source, COLUMN, "data.bad_files=skip")
    assert (warned.code, warned.severity) == ("RCP4110", "warning")


def test_a_list_names_clips(place: Path) -> None:
    (place / "clips.txt").write_text("# mine\nclips/good.mp4\n")
    assert [one.path.name for one in survey(place, "data.source={kind: list, path: clips.txt}").kept] == [
        "good.mp4"
    ]


def test_the_layout_of_the_hub_has_its_words_in_metadata(place: Path) -> None:
    (place / "clips" / "metadata.jsonl").write_text(
        json.dumps({"file_name": "good.mp4", "text": "from the table"}) + "\n"
    )
    (one,) = survey(place, COLUMN).kept
    assert one.captions == ("from the table",)


def test_several_lines_are_several_captions_or_one(place: Path) -> None:
    (place / "clips" / "good.txt").write_text("a cat\n\n  a black   cat \na cat\n")
    assert survey(place).kept[0].captions == ("a cat", "a black cat")
    assert survey(place, "data.captions.lines=joined").kept[0].captions == ("a cat a black cat a cat",)


def test_words_are_filtered_and_the_trigger_word_put_before(place: Path) -> None:
    (place / "clips" / "good.txt").write_text("This video shows a cat.\nohwx, a dog")
    sets = (r"data.caption_filter=['^This video shows ']", "data.caption_prefix='ohwx,'")
    assert survey(place, *sets).kept[0].captions == ("ohwx, a cat.", "ohwx, a dog")


def test_a_filter_that_leaves_nothing_is_a_missing_caption(place: Path) -> None:
    (wrong,) = found(place, "data.caption_filter=['.*']")
    assert (wrong.code, "left by `caption_filter`" in wrong.message) == ("RCP4103", True)


def test_a_pattern_of_a_stranger_cannot_hold_the_program(place: Path) -> None:
    (place / "clips" / "good.txt").write_text("a" * 60 + "!")
    (wrong,) = found(place, "data.caption_filter=['(a|aa)+$']")
    assert "takes too long" in wrong.message


def test_clips_without_words_can_be_left_out(place: Path) -> None:
    clip(place / "clips" / "silent.mp4")
    (place / "clips" / "silent.txt").unlink()
    (warned,) = found(place, "data.no_caption=drop")
    assert (warned.code, warned.severity) == ("RCP4103", "warning")


# what is said of it


def test_the_report_says_which_seconds_are_used(place: Path) -> None:
    clip(place / "clips" / "long.mp4", frames=51)
    seen = report(survey(place, "data.windows={kind: uniform, count: 2}", "train.batch_size=2"))
    rows = {row["file"]: row for row in seen["clips"]}
    assert (rows["good.mp4"]["use"], rows["good.mp4"]["used"]) == ("kept", [[0.0, 1.062]])
    assert (rows["long.mp4"]["use"], rows["long.mp4"]["used"]) == ("trimmed", [[0.0, 1.062], [2.125, 3.188]])
    assert seen["totals"]["seconds used"] == pytest.approx(3 * 17 / 16, abs=0.002)
    (bucket,) = seen["buckets"]
    assert (bucket["per epoch"], bucket["batches"], bucket["waiting"]) == (3, 1.5, 1)


def test_windows_that_overlap_count_their_seconds_once(place: Path) -> None:
    clip(place / "clips" / "long.mp4", frames=51)
    (place / "clips" / "good.mp4").unlink()
    seen = report(survey(place, "data.windows={kind: sliding, stride: 1}"))
    assert seen["totals"]["seconds used"] == pytest.approx(51 / 16, abs=0.002)


def test_a_file_of_several_datasets_is_counted_once(place: Path) -> None:
    more = "data.more={a: {source: {kind: folder, path: clips}, frames: 5}, b: {source: {kind: folder, path: clips}, frames: 33, short_clips: drop}}"
    totals = report(survey(place, more))["totals"]
    assert (totals["files"], totals["kept"], totals["trimmed"], totals["left out"]) == (1, 1, 0, 0)
    assert totals["seconds"] == totals["seconds used"] == pytest.approx(17 / 16, abs=0.002)


def test_a_name_that_changes_is_in_the_next_report(place: Path) -> None:
    before = survey(place)
    (place / "clips" / "good.mp4").rename(place / "clips" / "better.mp4")
    (place / "clips" / "good.txt").rename(place / "clips" / "better.txt")
    after = survey(place)
    assert after.leaves["clips"] == before.leaves["clips"]
    assert after.leaves["names"] != before.leaves["names"]
    assert after.outputs["samples"].digest == before.outputs["samples"].digest


@pytest.mark.parametrize("prefix", ["Mick", "  Mick  "])
def test_a_trigger_word_is_a_word(place: Path, prefix: str) -> None:
    (place / "clips" / "good.txt").write_text("Mickey runs\nMick runs\nMick, running")
    captions = survey(place, f"data.caption_prefix='{prefix}'").kept[0].captions
    assert captions == ("Mick Mickey runs", "Mick runs", "Mick, running")


def test_a_caption_that_is_a_pipe_is_not_waited_for(place: Path) -> None:
    (place / "clips" / "good.txt").unlink()
    os.mkfifo(place / "clips" / "good.txt")
    (wrong,) = found(place)
    assert "good.txt is not a file" in wrong.message


def test_a_caption_is_found_whatever_form_its_letters_have(place: Path) -> None:
    composed, apart = normalize("NFC", "café"), normalize("NFD", "café")
    clip(place / "clips" / f"{apart}.mp4")
    (place / "clips" / f"{apart}.txt").rename(place / "clips" / f"{composed}.TXT")
    assert [one.path.stem for one in survey(place).kept] == [apart, "good"]


def test_a_picture_that_would_be_too_large_is_left_out_before_anything_runs(place: Path) -> None:
    Image.new("RGB", (8000, 8)).save(place / "clips" / "line.png")
    (place / "clips" / "line.txt").write_text("a line")
    sets = ("data.size={kind: exact, width: 832, height: 480}",)
    assert {one.path.stem: one.word for one in survey(place, *sets).clips} == {"good": "", "line": "size"}


def test_a_clip_that_is_damaged_further_in_does_not_end_the_survey(place: Path) -> None:
    noise_FHWC = np.random.default_rng(0).integers(0, 255, (60, 64, 64, 3), dtype=np.uint8)
    write_video(place / "clips" / "noise.mp4", noise_FHWC, 16)
    (place / "clips" / "noise.txt").write_text("noise")
    content = bytearray((place / "clips" / "noise.mp4").read_bytes())
    content[len(content) // 2 : -4000] = bytes(len(content) - 4000 - len(content) // 2)
    (place / "clips" / "noise.mp4").write_bytes(content)
    sets = sets_of("data.windows={kind: sliding, stride: 17}", "data.short_clips=fewer")
    outcome, _ = pipeline.survey(place / "x.yaml", sets, place / "store", place / "out", lambda _: None)
    (said,) = [json.loads(file.read_text()) for file in outcome.files if file.name == "survey.json"]
    notes = {row["file"]: row["notes"] for row in said["clips"]}
    assert not any(note.startswith("damaged") for note in notes["good.mp4"])
    assert any(note.startswith("damaged: ") for note in notes["noise.mp4"])


def test_what_is_learnt_is_kept_also_when_the_look_is_broken_off(place: Path) -> None:
    for number in range(5):
        clip(place / "clips" / f"{number}.mp4", shade=10 * number)
    spec = project(SurveySpec, resolve(place / "x.yaml").recipe)

    def stop(done: int, _: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        look(spec, None, place / "memo", stop, keep=True)
    assert len(read_memo(place / "memo")) == 3
    with pytest.raises(KeyboardInterrupt):
        look(spec, None, place / "other", stop)
    assert not (place / "other").exists(), "a plan that is only shown writes nothing"


def test_the_memo_forgets_files_that_are_gone(place: Path) -> None:
    spec = project(SurveySpec, resolve(place / "x.yaml").recipe)
    clip(place / "clips" / "gone.mp4", shade=7)
    look(spec, None, place / "memo", keep=True)
    (place / "clips" / "gone.mp4").unlink()
    clip(place / "clips" / "new.mp4", shade=9)
    look(spec, None, place / "memo", keep=True)
    assert sorted(Path(name).stem for name in read_memo(place / "memo")) == ["good", "new"]


def test_surveying_touches_nothing_of_the_user(place: Path) -> None:
    still(place / "stills" / "a.png", 9)
    (place / "clips" / "broken.mp4").write_bytes(b"no clip")
    before = {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }
    for sets in ((), (MORE,), ("data.bad_files=skip", MORE), ("data.no_caption=drop", "data.bad_files=skip")):
        found(place, *sets)
        survey(place, *sets)
    assert {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(place.rglob("*"))
        if path.is_file()
    } == before


def test_the_order_of_names_and_of_datasets_does_not_matter(place: Path) -> None:
    clip(place / "clips" / "b.mp4", shade=30)
    before = survey(place).outputs["samples"].digest
    (place / "clips" / "b.mp4").rename(place / "clips" / "a.mp4")
    (place / "clips" / "b.txt").rename(place / "clips" / "a.txt")
    assert survey(place).outputs["samples"].digest == before
    one = "data.more={a: {source: {kind: folder, path: clips}, frames: 5}}"
    other = "data.more={z: {source: {kind: folder, path: clips}, frames: 5}}"
    assert survey(place, one).outputs["samples"].digest == survey(place, other).outputs["samples"].digest


SIZES = re.findall(
    r"^\| `(\{kind: .*\})` \| (\d+x\d+) \| (\d+x\d+) \|$",
    (ROOT / "docs" / "data.md").read_text(),
    re.MULTILINE,
)


@pytest.mark.parametrize(("size", "wide", "tall"), SIZES)
def test_the_sizes_in_the_docs_are_what_comes_out(size: str, wide: str, tall: str, place: Path) -> None:
    data = resolve(place / "x.yaml", sets_of(f"data.size={size}")).recipe.data
    came = ["x".join(map(str, size_of(*of, "", data, 16))) for of in ((1920, 1080), (480, 832))]
    assert came == [wide, tall]
    assert len(SIZES) >= 5
