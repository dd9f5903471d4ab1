"""What clips are for: those that the loss is measured on are never dealt, and a role follows the content, not a name."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine import pipeline
from engine.clips.write import write_video
from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.overrides import sets as sets_of
from engine.language.resolve import resolve
from engine.plan.keys import project
from engine.report.survey_page import survey_page
from engine.report.survey_text import survey_text
from engine.stages.survey.findings import foresight
from engine.stages.survey.look import Survey, look
from engine.stages.survey.report import report
from engine.stages.survey.wanted import SurveySpec
from engine.training.order import Group, Order

RECIPE = """apiVersion: wan-recipe/v1
kind: recipe
extends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]
data: {source: {kind: folder, path: clips}, frames: 1, short_clips: fewer}
sample: {prompts: {cat: a cat}}
"""
HELD = "data.more.held={source: {kind: folder, path: held}, role: evaluate}"
PEOPLE = "data.more.people={source: {kind: folder, path: people}, role: regularise}"


def still(path: Path, shade: int, words: str = "") -> None:
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (64, 64), (shade, 0, 0)).save(path)
    path.with_suffix(".txt").write_text(words or f"shade {shade}")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three clips to learn, two that are held out, two to regularise with."""
    monkeypatch.chdir(tmp_path)  # where paths of the command line begin
    (tmp_path / "x.yaml").write_text(RECIPE)
    for folder, shades in (("clips", (10, 20, 30)), ("held", (40, 50)), ("people", (60, 70))):
        for shade in shades:
            still(tmp_path / folder / f"{shade}.png", shade)
    return tmp_path


def survey(place: Path, *sets: str) -> Survey:
    return look(project(SurveySpec, resolve(place / "x.yaml", sets_of(*sets)).recipe), None, place / "memo")


def read(seen: Survey, name: str) -> Any:
    return json.loads(seen.outputs["samples"].read(name))


def words(seen: Survey, numbers: list[int]) -> list[str]:
    """The caption of each of some samples: here each names its shade."""
    samples = read(seen, "samples.json")
    return [samples[number]["captions"][0] for number in numbers]


def found(place: Path, *sets: str) -> list[Diagnostic]:
    """The findings of a plan, errors or warnings."""
    try:
        return list(pipeline.plan(place / "x.yaml", sets_of(*sets), place / "store")[2])
    except RecipeError as error:
        return list(error.findings)


# who is dealt, who is measured


def test_every_sample_says_what_it_is_for(place: Path) -> None:
    samples = read(survey(place, HELD, PEOPLE), "samples.json")
    roles = {sample["captions"][0]: sample["role"] for sample in samples}
    assert roles == {
        "shade 10": "train", "shade 20": "train", "shade 30": "train",
        "shade 40": "evaluate", "shade 50": "evaluate",
        "shade 60": "regularise", "shade 70": "regularise",
    }  # fmt: skip


def test_an_epoch_deals_what_is_learnt_or_regularises_and_the_rest_is_measured(place: Path) -> None:
    seen = survey(place, HELD, PEOPLE)
    dealt = [number for group in read(seen, "groups.json") for number in group["samples"]]
    assert sorted(words(seen, dealt)) == ["shade 10", "shade 20", "shade 30", "shade 60", "shade 70"]
    assert sorted(words(seen, read(seen, "evaluation.json"))) == ["shade 40", "shade 50"]


def test_what_is_measured_is_encoded_as_well(place: Path) -> None:
    seen = survey(place, HELD)
    clips = {clip["id"] for clip in json.loads(seen.outputs["clips"].read("clips.json"))}
    assert {sample["clip"] for sample in read(seen, "samples.json")} == clips
    assert "shade 40" in json.loads(seen.outputs["texts"].read("texts.json"))


@pytest.mark.parametrize("weights", [(1, 1), (3, 0.5)])
@pytest.mark.parametrize("mix", ["by_count", "by_weight"])
def test_the_mix_of_an_epoch_does_not_know_of_what_is_measured(
    place: Path, mix: str, weights: tuple[float, float]
) -> None:
    mine, theirs = weights
    people = PEOPLE.replace("role", f"weight: {theirs}, role")
    sets = (f"data.mix={mix}", f"data.weight={mine}", people)
    assert survey(place, HELD, *sets).takes == survey(place, *sets).takes


@pytest.mark.parametrize("sets", [(), ("data.mix=by_weight", "train.batch_size=2")])
def test_training_sees_the_same_clips_in_the_same_order_with_held_out_clips_and_without(
    place: Path, sets: tuple[str, ...]
) -> None:
    for shade in range(100, 200, 7):  # their numbers lie between those of the others
        still(place / "held" / f"{shade}.png", shade)

    def dealt(seen: Survey) -> list[str]:
        groups = [Group(tuple(group["samples"]), group["take"]) for group in read(seen, "groups.json")]
        order = Order((tuple(groups),), seen.spec.batch_size, 3)
        return [text for step in range(20) for text in words(seen, list(order.batch(step)))]

    with_them, without = survey(place, HELD, PEOPLE, *sets), survey(place, PEOPLE, *sets)
    assert read(with_them, "groups.json") != read(without, "groups.json"), "the numbers differ"
    assert dealt(with_them) == dealt(without)


def test_what_is_measured_stands_in_order_of_content_and_each_once(place: Path) -> None:
    before = survey(place, HELD)
    ids = [sample["clip"] for sample in read(before, "samples.json")]
    measured = [ids[number] for number in read(before, "evaluation.json")]
    assert measured == sorted(set(measured))
    still(place / "held" / "again.png", 40)
    after = survey(place, HELD)
    ids = [sample["clip"] for sample in read(after, "samples.json")]
    assert [ids[number] for number in read(after, "evaluation.json")] == measured


def test_every_window_of_a_held_out_clip_is_measured(place: Path) -> None:
    shades = np.arange(51, dtype=np.uint8)[:, None, None, None]
    write_video(place / "held" / "long.mp4", np.broadcast_to(shades, (51, 64, 64, 3)).copy(), 16)
    (place / "held" / "long.txt").write_text("long")
    windows = HELD.replace("role", "frames: 17, windows: {kind: sliding, stride: 17}, role")
    assert len(survey(place, windows).measured) == 3 + 2


# keys


def test_names_of_datasets_files_and_folders_are_in_nothing_that_training_reads(place: Path) -> None:
    before = survey(place, HELD, PEOPLE).outputs
    (place / "held").rename(place / "away")
    (place / "away" / "40.png").rename(place / "away" / "zz.png")
    (place / "away" / "40.txt").rename(place / "away" / "zz.txt")
    other = "data.more.a={source: {kind: folder, path: away}, role: evaluate}"
    after = survey(place, PEOPLE.replace("people=", "zoo="), other).outputs
    assert {part: after[part].digest for part in after} == {part: before[part].digest for part in before}


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_the_same_clip_in_two_roles_stands_in_one_order_whatever_the_datasets_are_called(
    place: Path, names: tuple[str, str]
) -> None:
    one, other = names
    sets = (
        f"data.more.{one}={{source: {{kind: folder, path: people}}, role: regularise}}",
        f"data.more.{other}={{source: {{kind: folder, path: people}}, role: evaluate}}",
    )
    seen = survey(place, *sets)
    samples = read(seen, "samples.json")
    both = [sample["role"] for sample in samples if sample["captions"] == ["shade 60"]]
    assert both == ["evaluate", "regularise"]


@pytest.mark.parametrize("role", ["train", "regularise"])
def test_another_role_is_another_training_and_encodes_nothing_anew(place: Path, role: str) -> None:
    before, after = survey(place, HELD).outputs, survey(place, HELD.replace("evaluate", role)).outputs
    assert after["samples"].digest != before["samples"].digest
    assert after["clips"].digest == before["clips"].digest
    assert after["texts"].digest == before["texts"].digest


# what is said


def test_a_clip_that_is_measured_and_trained_on_is_said_whatever_it_is_called(place: Path) -> None:
    assert "RCP4080" not in {one.code for one in found(place, HELD)}
    still(place / "held" / "copy.png", 20, "other words")
    (warned,) = [one for one in found(place, HELD) if one.code == "RCP4080"]
    assert (warned.severity, warned.path) == ("warning", "data.more.held.role")
    assert "1 of 3 clips" in warned.message
    assert "copy.png (data: 20.png)" in warned.message


def test_a_clip_to_regularise_with_may_be_measured(place: Path) -> None:
    still(place / "held" / "copy.png", 60)
    assert "RCP4080" not in {one.code for one in found(place, HELD, PEOPLE)}


@pytest.mark.parametrize(
    ("learnt", "measured", "known"),
    [(0, 0, True), (0, 24, True), (24, 0, True), (0, 25, False), (25, 0, False)],
)
def test_parts_of_one_clip_are_apart_only_where_they_share_no_frame(
    place: Path, learnt: int, measured: int, known: bool
) -> None:
    """Of a clip of 50 frames 25 are learnt, and 25 measured, from frames of these numbers on."""
    noise_FHWC = np.random.default_rng(0).integers(0, 255, (50, 64, 64, 3), dtype=np.uint8)
    for folder in ("clips", "held"):
        write_video(place / folder / "long.mp4", noise_FHWC, 16)
        (place / folder / "long.txt").write_text("long")
    seen = survey(place, "data.frames=25", "data.windows={kind: sliding, stride: 1}", HELD)
    starts = {"data": learnt, "data.more.held": measured}
    clips = [
        replace(one, cuts=tuple(cut for cut in one.cuts if cut.start == starts[one.dataset]))
        for one in seen.clips if one.shown == "long.mp4"
    ]  # fmt: skip
    assert [[(cut.start, cut.period) for cut in one.cuts] for one in clips] == [
        [(learnt, 25)],
        [(measured, 25)],
    ]
    codes = {trouble.code for trouble in foresight(replace(seen, clips=tuple(clips))).troubles}
    assert ("RCP4080" in codes) is known


@pytest.mark.parametrize(
    ("folder", "sets", "path", "said"),
    [
        ("held", (HELD.replace("role", "no_caption: drop, role"),), "data.more.held.source", "no clip of 2 is left to measure the loss on"),
        ("clips", ("data.no_caption=drop", HELD), "data.source", "no clip of 3 is left to train on"),
        ("clips", ("data.no_caption=drop", HELD, "data.mix=by_weight"), "data.source", "no clip of 3 is left to train on"),
    ],
)  # fmt: skip
def test_a_role_that_nobody_is_left_for_is_refused(
    place: Path, folder: str, sets: tuple[str, ...], path: str, said: str
) -> None:
    for file in (place / folder).glob("*.txt"):
        file.unlink()
    (wrong,) = [one for one in found(place, *sets) if one.severity == "error"]
    assert (wrong.code, wrong.path, wrong.message) == ("RCP4101", path, said)


def test_the_plan_says_how_many_clips_are_measured(place: Path) -> None:
    notes = foresight(survey(place, HELD, PEOPLE)).notes
    assert "2 clips to measure the loss on" in notes
    assert "an epoch: 3 of data (60%), 2 of data.more.people (40%, to regularise)" in notes
    assert not any("measure" in note for note in foresight(survey(place, PEOPLE)).notes)


def test_the_report_says_what_each_dataset_is_for(place: Path) -> None:
    said = report(survey(place, HELD, PEOPLE))
    outcome = "That gives 5 training clips (2 to regularise) and 2 clips to measure the loss on"
    roles = {each["name"]: (each["role"], each["kept"], each["per epoch"]) for each in said["datasets"]}
    assert roles == {
        "data": ("train", 3, 3), "data.more.held": ("evaluate", 2, 0), "data.more.people": ("regularise", 2, 2),
    }  # fmt: skip
    for shown in (survey_text(said), survey_page(said, {})):
        assert "7 of 7 files are used" in shown
        assert outcome in shown
        assert "evaluate" in shown
    (bucket,) = said["buckets"]
    assert (bucket["clips"], bucket["per epoch"]) == (7, 5)


def test_a_shape_that_is_only_measured_is_a_bucket_that_an_epoch_takes_nothing_of(place: Path) -> None:
    held = HELD.replace("role", "size: {kind: exact, width: 32, height: 32}, role")
    buckets = {each["bucket"]: each for each in report(survey(place, held))["buckets"]}
    assert (buckets["32x32x1"]["clips"], buckets["32x32x1"]["per epoch"]) == (2, 0)
    assert (buckets["64x64x1"]["clips"], buckets["64x64x1"]["per epoch"]) == (3, 3)
    assert "RCP4107" not in {one.code for one in found(place, held)}, "and no bucket that is too small"


def test_where_all_clips_are_learnt_nothing_is_said_of_measuring(place: Path) -> None:
    text = survey_text(report(survey(place)))
    assert "3 of 3 files are trained on." in text
    assert "That gives 3 training clips." in text
