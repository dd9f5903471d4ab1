"""What ``plan`` announces is what ``run`` does: after any edit, and no more and no less."""

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from place import RECIPE, Place, make_place, write_clip
from scripted import Scripted

from engine import pipeline
from engine.endings import Interrupted, StageError
from engine.header import read_notes


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = make_place(tmp_path_factory.mktemp("made") / "place")
    place.run()
    return place.root


@pytest.fixture
def place(made_once: Path, tmp_path: Path) -> Place:
    """A copy of a folder in which the recipe ran once."""
    shutil.copytree(made_once, tmp_path / "place", copy_function=shutil.copy2)
    return Place(tmp_path / "place")


def test_the_first_plan_runs_everything_and_counts_items(tmp_path: Path) -> None:
    place = make_place(tmp_path / "place")
    steps = {step.stage.name: step for step in place.plan().steps}
    assert {step.action.value for step in steps.values()} == {"run"}
    assert (steps["encode_video"].count.missing, steps["encode_video"].count.total) == (3, 3)
    assert (
        steps["encode_text"].count.total == 3 + 1 + 1
    )  # captions, prompt, and the empty text, which negative shares
    assert steps["encode_video"].bytes == 3 * 16 * 5 * 8 * 8 * 4
    assert not (tmp_path / "place" / "store").exists(), "planning changes nothing"


def test_a_second_run_does_nothing(place: Place) -> None:
    assert place.run().ran == []


TRAINED = ["train", "export", "sample"]


@pytest.mark.parametrize(
    ("change", "ran"),
    [
        ("train.learning_rate=1e-3", TRAINED),
        ("train.adapter.rank=8", ["rehearse", *TRAINED]),
        ("train.steps=30", TRAINED),
        ("train.micro_batch=4", []),
        ("train.gradient_checkpointing={kind: keep_attention}", []),
        ("train.attention=native_math", []),
        ("train.feed_forward_chunks=2", []),
        ("sample.attention=native_math", []),
        ("sample.sampler=euler", ["sample"]),
        ("train.checkpoints.every=5", []),
        ("hardware.threads=1", []),
        ("hardware.name=mine", []),
        ("model.name=mine", []),
        ("model.advice.guidance=[1, 9]", []),
        ("sample.guidance=4", ["sample"]),
        ("sample.prompts.dog=a dog", ["encode_text", "sample"]),
        ("data.frames=13", ["survey", "encode_video", *TRAINED]),
        ("data.bad_files=skip", ["survey"]),
        ("model.source.seed=1", ["fetch_model", "rehearse", "encode_text", "encode_video", *TRAINED]),
        ("train.precision=bf16", ["rehearse", "encode_text", *TRAINED]),
    ],
)
def test_a_change_reruns_exactly_what_depends_on_it(place: Place, change: str, ran: list[str]) -> None:
    assert place.run(change).ran == ran


def test_a_number_is_the_same_however_it_is_written(place: Place) -> None:
    assert place.run("train.learning_rate=0.0001", "train.adapter.alpha=16.0").ran == []


def test_a_new_clip_encodes_one_clip(place: Place) -> None:
    place.run()  # so that this recipe file has a past
    write_clip(place.clips / "new.mp4", 200)
    (place.clips / "new.txt").write_text("a new one")
    step = next(step for step in place.plan().steps if step.stage.name == "encode_video")
    assert (step.action.value, step.count.missing, step.count.total) == ("partial", 1, 4)
    assert step.reasons == ("clips of survey changed", "latents: 1 new, 0 gone, 4 in all")
    ran = place.run()
    assert (ran.made["encode_video"], ran.made["encode_text"]) == (1, 1)
    assert ran.ran == ["survey", "encode_text", "encode_video", *TRAINED]


def test_an_edited_caption_encodes_one_caption(place: Place) -> None:
    (place.clips / "clip1.txt").write_text("other words")
    ran = place.run()
    assert ran.made == {"encode_text": 1}
    assert ran.ran == ["survey", "encode_text", *TRAINED]


def test_a_renamed_or_touched_clip_is_the_same_clip(place: Place) -> None:
    for suffix in (".mp4", ".txt"):
        (place.clips / f"clip1{suffix}").rename(place.clips / f"other name{suffix}")
    (place.clips / "clip0.mp4").touch()
    assert place.run().ran == ["survey"], "its page says the name, and nothing else depends on it"
    assert place.run().ran == []


def test_a_removed_clip_encodes_nothing(place: Place) -> None:
    (place.clips / "clip1.mp4").unlink()
    ran = place.run()
    assert (ran.made["encode_video"], ran.made["encode_text"]) == (0, 0)


def test_an_edit_within_the_same_second_and_size_is_seen(place: Place) -> None:
    clip = place.clips / "clip1.mp4"
    stat = clip.stat()
    content = bytearray(clip.read_bytes())
    content[-1] ^= 1
    clip.write_bytes(content)
    os.utime(clip, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert clip.stat().st_size == stat.st_size
    assert "survey" in place.run().ran


def test_more_steps_resume_and_another_rate_does_not(place: Place) -> None:
    longer = next(step for step in place.plan("train.steps=30").steps if step.stage.name == "train")
    assert (longer.action.value, longer.count.missing, longer.count.total) == ("resume", 10, 30)
    place.run("train.learning_rate=2e-4")  # so that this recipe file has a past
    other = next(step for step in place.plan("train.learning_rate=1e-3").steps if step.stage.name == "train")
    assert other.action.value == "run"
    assert other.reasons[0].startswith("train.learning_rate 0.0002 → 0.001  (--set #1:1:21)")


def test_an_interrupted_training_is_compared_with_all_the_same(place: Place) -> None:
    runner = Scripted()
    runner.stops_at = "train"
    with pytest.raises(Interrupted):
        place.run("train.learning_rate=2e-4", runner=runner)
    steps = {step.stage.name: step for step in place.plan("train.learning_rate=3e-4").steps}
    assert steps["train"].reasons[0].startswith("train.learning_rate 0.0002 → 0.0003")
    again = {step.stage.name: step for step in place.plan("train.learning_rate=2e-4").steps}
    assert again["train"].reasons == ("not finished last time, or its output is gone",)


def test_another_training_is_called_one(place: Place) -> None:
    place.run("train.learning_rate=2e-4")
    step = next(step for step in place.plan("train.learning_rate=3e-4").steps if step.stage.name == "train")
    assert step.reasons[-1] == "so this is a new training; the one before is kept"


def test_a_file_that_is_handed_out_carries_the_recipe_of_its_own_run(place: Place) -> None:
    place.recipe.write_text(RECIPE.replace("A test", "Another title"))
    assert place.run().ran == []
    texts = [read_notes(path.read_bytes())["recipe"] for path in (place.root / "out").rglob("*.safetensors")]
    assert {json.loads(text)["title"] for text in texts} == {"A test", "Another title"}
    assert {json.loads(text)["train"]["steps"] for text in texts} == {20}
    assert not any(str(place.root) in text for text in texts), "no path of this machine leaves the house"


def test_more_steps_of_a_schedule_that_depends_on_them_are_another_training(place: Place) -> None:
    cosine = "train.schedule={kind: cosine, warmup_steps: 0}"
    place.run(cosine)
    assert place.actions(cosine, "train.steps=30")["train"] == "run"


def test_a_damaged_artifact_is_made_again_and_kept_aside(place: Place) -> None:
    (weights,) = (place.root / "store/v1/artifacts/export").glob("*/lora/*")
    weights.write_bytes(b"x" * weights.stat().st_size)
    step = next(step for step in place.plan().steps if step.stage.name == "export")
    assert "damaged" in step.reasons[0]
    assert place.run().ran == ["export"]
    assert len(list((place.root / "store/v1/rejected").iterdir())) == 1
    assert place.run().ran == []


def test_a_lost_item_is_made_again(place: Place) -> None:
    item = next((place.root / "store/v1/items/encode_video").glob("*/*"))
    shutil.rmtree(item)
    ran = place.run()
    assert (ran.ran, ran.made) == (["encode_video"], {"encode_video": 1})


def test_a_failure_publishes_nothing_and_leaves_no_draft(tmp_path: Path) -> None:
    place = make_place(tmp_path / "place")
    runner = Scripted()
    runner.fails_at = "train"
    with pytest.raises(StageError):
        place.run(runner=runner)
    assert place.actions()["train"] == "run"
    assert place.actions()["encode_video"] == "reuse"
    assert list((place.root / "store/v1/tmp").iterdir()) == []


def test_an_interruption_goes_on_where_it_stopped(tmp_path: Path) -> None:
    place = make_place(tmp_path / "place")
    runner = Scripted()
    runner.stops_at = "encode_video"
    with pytest.raises(Interrupted):
        place.run(runner=runner)
    assert place.run().ran == ["encode_video", *TRAINED]


def test_what_another_run_made_meanwhile_is_not_made_again(tmp_path: Path) -> None:
    place = make_place(tmp_path / "place")
    planned = pipeline.plan(place.recipe, (), place.root / "store")
    place.run()
    late = Scripted()
    pipeline.run(planned[0], planned[1], place.root / "store", place.root / "out", lambda _: None, late)
    assert late.ran == []


def test_the_clips_are_never_written(place: Place) -> None:
    def snapshot() -> dict[str, tuple[bytes, int]]:
        return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in place.clips.iterdir()}

    before = snapshot()
    place.run("data.frames=13", "train.learning_rate=1e-3")
    assert snapshot() == before


EDITS = {
    "steps": lambda place, n: [f"train.steps={10 + n}"],
    "rate": lambda place, n: [f"train.learning_rate={1 + n}e-4"],
    "frames": lambda place, n: [f"data.frames={(9, 13, 17)[n % 3]}"],
    "prompt": lambda place, n: [f"sample.prompts.p{n}=prompt {n}"],
    "guidance": lambda place, n: [f"sample.guidance={1 + n}"],
    "title": lambda place, n: place.recipe.write_text(RECIPE.replace("A test", f"Test {n}")) and [],
    "threads": lambda place, n: [f"hardware.threads={1 + n}"],
    "lost": lambda place, n: shutil.rmtree(sorted((place.root / "store/v1/artifacts").glob("*/*"))[n]) or [],
    "workers": lambda place, n: [f"data.workers={1 + n}"],
    "seed": lambda place, n: [f"model.source.seed={n}"],
    "caption": lambda place, n: (place.clips / f"clip{n % 3}.txt").write_text(f"words {n}") and [],
    "touch": lambda place, n: (place.clips / f"clip{n % 3}.txt").touch() or [],
    "clip": lambda place, n: write_clip(place.clips / f"clip{n % 3}.mp4", 7 * n) or [],
}


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(edits=st.lists(st.tuples(st.sampled_from(sorted(EDITS)), st.integers(0, 4)), min_size=1, max_size=6))
def test_after_any_edits_a_run_does_what_its_plan_says_and_then_nothing(
    made_once: Path, tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[str, int]]
) -> None:
    root = tmp_path_factory.mktemp("edited") / "place"
    shutil.copytree(made_once, root, copy_function=shutil.copy2)
    place, sets = Place(root), list[str]()
    for name, number in edits:
        sets += EDITS[name](place, number)
        place.run(*sets)
        assert place.run(*sets).ran == []
