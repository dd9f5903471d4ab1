"""Several datasets: the first is `data`, further ones stand in `data.more`, and each means what it did."""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.importing.datasets import OF_THE_WHOLE
from engine.importing.given import Dropped, Mapped, Unsupported
from engine.importing.recipe import Imported, from_ai_toolkit, from_musubi, from_simpletuner
from engine.language.merge import values
from engine.language.nodes import Source, plain
from engine.language.overrides import Override
from engine.language.read import read_text
from engine.language.resolve import compose, resolve
from engine.words.data import Data, Dataset

CONFIG = {
    "pretrained_model_name_or_path": "Wan-AI/Wan2.1-T2V-1.3B-Diffusers", "max_train_steps": 900, "model_type": "lora",
    "validation_prompt": "A black cat walks to the right past two houses under a crescent moon.",
}  # fmt: skip


def simpletuner(folder: Path, *entries: dict, **config: Any) -> Imported:
    (folder / "c.json").write_text(json.dumps(CONFIG | config))
    (folder / "d.json").write_text(json.dumps(entries))
    return from_simpletuner(folder / "c.json", folder / "d.json")


def video(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "dataset_type": "video", "instance_data_dir": f"clips/{name}"} | more


def recipe(made: Imported, folder: Path) -> Any:
    """The complete recipe: what counts for each dataset, whether or not it is written there."""
    (folder / "x.yaml").write_text(made.text)
    return resolve(folder / "x.yaml").recipe


def data(made: Imported) -> Any:
    node, findings = read_text(Source("x", made.text, Path()))
    assert findings == []
    said: Any = plain(node)
    return said["data"]


def outcome(made: Imported, name: str) -> Any:
    return next(outcome for one, outcome in made.outcomes if one.name == name)


def test_words_of_the_whole_are_those_that_a_dataset_does_not_have() -> None:
    assert set(OF_THE_WHOLE) == {
        f"data.{name}" for name in Data.model_fields.keys() - Dataset.model_fields.keys()
    }


def test_the_first_that_is_not_disabled_is_data_and_others_have_names(tmp_path: Path) -> None:
    made = simpletuner(tmp_path, video("a", disabled=True), video("b"), video("c", disable=True), video("d"))
    assert data(made)["source"]["path"] == "clips/b"
    assert {name: more["source"]["path"] for name, more in data(made)["more"].items()} == {"d": "clips/d"}
    assert isinstance(outcome(made, "[0].instance_data_dir"), Dropped)
    assert outcome(made, "[3].instance_data_dir") == Mapped(("data.more.d.source",))
    assert outcome(made, "[3].id") == Mapped(("data.more.d",))


def test_of_a_dataset_that_is_like_the_first_only_the_source_is_written(tmp_path: Path) -> None:
    like = {"resolution": 512, "caption_strategy": "textfile", "repeats": 2, "video": {"num_frames": 33}}
    made = simpletuner(tmp_path, video("a", **like), video("b", **like))
    assert data(made)["more"] == {"b": {"source": {"kind": "folder", "path": "clips/b"}}}
    assert outcome(made, "[1].resolution") == Mapped(("data.size",))
    assert re.search(r"edge: 512  # \[0\]\.resolution, \[1\]\.resolution$", made.text, re.MULTILINE)


ODD = {
    "resolution": 512, "caption_strategy": "textfile", "repeats": 4, "crop": True, "crop_style": "corner",
    "video": {"num_frames": 33, "min_frames": 40, "max_frames": 90}, "delete_problematic_images": True,
    "instance_prompt": "ohwx", "prepend_instance_prompt": True,
}  # fmt: skip


def test_a_dataset_has_the_trainers_defaults_and_nothing_of_the_first(tmp_path: Path) -> None:
    beside = recipe(simpletuner(tmp_path, video("odd", **ODD), video("bare")), tmp_path).data.more["bare"]
    alone = recipe(simpletuner(tmp_path, video("bare")), tmp_path).data
    assert alone.frames == 73, "SimpleTuner's own"
    for name in Dataset.model_fields:
        assert getattr(beside, name) == getattr(alone, name), name


@pytest.mark.parametrize(
    "config", [{}, {"resolution": 640, "caption_strategy": "instanceprompt", "instance_prompt": "x"}]
)
def test_a_dataset_means_the_same_beside_others_as_alone(tmp_path: Path, config: dict) -> None:
    """Three datasets in every order; what each means is what it means when it is the only one."""
    entries = {
        "odd": ODD,
        "bare": {},
        "by-side": {"resolution": 480, "resolution_type": "pixel", "crop": True, "repeats": 1},
    }
    for first in entries:
        names = [first, *(name for name in entries if name != first)]
        found = recipe(
            simpletuner(tmp_path, *(video(name, **entries[name]) for name in names), **config), tmp_path
        ).data
        for name, beside in {first: found, **found.more}.items():
            alone = recipe(simpletuner(tmp_path, video(name, **entries[name]), **config), tmp_path).data
            said = {field: getattr(beside, field) for field in Dataset.model_fields}
            assert said == {field: getattr(alone, field) for field in Dataset.model_fields}, (first, name)


KEYS = {
    "resolution": [480, 512], "resolution_type": ["pixel", "pixel_area"], "crop": [True, False], "crop_style": ["center", "corner", "face"],
    "crop_aspect": ["square", "closest", "preserve"], "crop_aspect_buckets": [[1.0, 1.5]], "minimum_image_size": [0, 256],
    "caption_strategy": ["textfile", "filename", "instanceprompt"], "instance_prompt": ["ohwx", "a cat"], "repeats": [0, 3],
    "prepend_instance_prompt": [True, False], "only_instance_prompt": [True, False], "disable_multiline_split": [True, False],
    "delete_problematic_images": [True, False],
    "video": [{"num_frames": 33}, {"min_frames": 90}, {"max_frames": 200, "bucket_strategy": "resolution_frames"}],
}  # fmt: skip
ENTRY = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in KEYS.items()})


def meant(made: Imported, folder: Path) -> dict[str, Any]:
    """What each dataset is, by name: all its words, said or inherited, without a look at the rules."""
    (folder / "x.yaml").write_text(made.text)
    whole: Any = values(compose(folder / "x.yaml").merged)["data"]
    more = whole.pop("more")
    return {"": {name: whole[name] for name in Dataset.model_fields}, **more}


@settings(max_examples=25, deadline=None)
@given(st.lists(ENTRY, min_size=2, max_size=3), ENTRY)
def test_no_dataset_changes_what_another_means(entries: list[dict], config: dict) -> None:
    config.pop("video", None)  # no option of the config
    with tempfile.TemporaryDirectory() as made_in:
        folder = Path(made_in)
        datasets = [video(name, **entry) for name, entry in zip("abc", entries, strict=False)]
        beside = meant(simpletuner(folder, *datasets, **config), folder)
        assert len(beside) == len(entries)
        for place, entry in zip(("", "b", "c"), datasets, strict=False):
            assert beside[place] == meant(simpletuner(folder, entry, **config), folder)[""], (place, entry)


def test_a_value_that_no_key_says_is_told_as_such(tmp_path: Path) -> None:
    made = simpletuner(tmp_path, video("a", repeats=3), video("b"))
    assert data(made)["more"]["b"]["repeats"] == 1
    assert "repeats: 1  # as where nothing is said" in made.text


def test_what_the_config_says_counts_where_a_dataset_says_nothing(tmp_path: Path) -> None:
    made = simpletuner(tmp_path, video("a", resolution=640), video("b"), resolution=512)
    assert (data(made)["size"]["edge"], data(made)["more"]["b"]["size"]["edge"]) == (640, 512)
    assert outcome(made, "resolution") == Mapped(("data.more.b.size",))
    made = simpletuner(tmp_path, video("a", resolution=640), resolution=512)
    assert outcome(made, "resolution") == Dropped("what counts is `[0].resolution`")


def test_one_folder_can_be_there_twice(tmp_path: Path) -> None:
    twice = [{"dataset_type": "video", "instance_data_dir": "clips", "id": name} for name in ("wide", "near")]
    made = simpletuner(tmp_path, twice[0], twice[1] | {"crop": True})
    assert data(made)["source"] == data(made)["more"]["near"]["source"]
    assert data(made)["more"]["near"]["crop"] == "random"


@pytest.mark.parametrize(
    ("said", "name"),
    [("a b: (c)", "a-b-c"), ("../x", "x"), ("日本", "clips"), ("", "clips"), (None, "clips"), ("12", "12"), ("null", "null"),
     ("-_a_-", "a"), ("x" * 99, "x" * 60), ("first", "first")],
)  # fmt: skip
def test_names_are_made_legal(tmp_path: Path, said: str | None, name: str) -> None:
    made = simpletuner(
        tmp_path, video("first"), {"id": said, "dataset_type": "video", "instance_data_dir": "c"}
    )
    assert list(data(made)["more"]) == [name]
    assert recipe(made, tmp_path).data.more.keys() == {name}


def test_names_differ(tmp_path: Path) -> None:
    made = simpletuner(tmp_path, *(video(name) for name in ("a", "b", "b", "b!", "b-2")))
    assert list(data(made)["more"]) == ["b", "b-2", "b-3", "b-2-2"]


def test_a_note_on_the_same_value_is_told_beside_the_others(tmp_path: Path) -> None:
    made = simpletuner(tmp_path, video("a", video={"num_frames": 73}), video("b", video={"num_frames": 75}))
    assert data(made)["more"] == {"b": {"source": {"kind": "folder", "path": "clips/b"}}}
    assert "SimpleTuner rounds 75 down to 8n+1 = 73" in made.text.replace("\n  # ", " ")


def test_a_secret_is_no_name(tmp_path: Path) -> None:
    token = "hf_" + "a1B2" * 8
    made = simpletuner(tmp_path, video("a"), video("b", id=token))
    assert token not in made.text
    assert isinstance(outcome(made, "[1].id"), Unsupported)
    assert len(data(made)["more"]) == 1


def test_a_dataset_without_a_source_still_has_to_say_it(tmp_path: Path) -> None:
    made = simpletuner(tmp_path, video("a"), {"id": "b", "dataset_type": "video"})
    assert made.lacks == ("data.more.b.source",)


def test_what_a_recipe_has_once_is_that_of_the_first(tmp_path: Path) -> None:
    made = simpletuner(
        tmp_path,
        video("a", train_batch_size=2),
        video("b", train_batch_size=4),
        video("c", train_batch_size=2),
        video("d"),
    )
    assert recipe(made, tmp_path).train.batch_size == 2
    assert outcome(made, "[1].train_batch_size") == Unsupported(
        "`train.batch_size` is one for all datasets: here it is `2`", learns=True
    )
    assert outcome(made, "[2].train_batch_size") == Mapped(("train.batch_size", "train.micro_batch"))
    assert "It counts for all datasets, and not each of them says it." in made.text
    late = simpletuner(tmp_path, video("a"), video("b", train_batch_size=4))
    assert "the first does not say it" in outcome(late, "[1].train_batch_size").reason
    assert recipe(late, tmp_path).train.batch_size == 1


def test_a_value_that_is_refused_takes_only_its_own_dataset_with_it(tmp_path: Path) -> None:
    made = simpletuner(tmp_path, video("a", repeats=1), video("b", repeats=99_999), video("c", repeats=1))
    assert isinstance(outcome(made, "[1].repeats"), Unsupported)
    assert outcome(made, "[2].repeats") == Mapped(("data.repeats",))
    assert data(made)["repeats"] == 2
    assert "repeats" not in data(made)["more"]["b"]


@pytest.mark.parametrize(
    ("chances", "kinds"),
    [((0.5,), Dropped), ((0.5, 0.5), Dropped), ((1, None), Dropped), ((0.5, None), Unsupported), ((0.5, 1), Unsupported)],
)  # fmt: skip
def test_a_probability_orders_an_epoch_and_is_no_weight(tmp_path: Path, chances: tuple, kinds: type) -> None:
    entries = [
        video(str(number), **({} if chance is None else {"probability": chance}))
        for number, chance in enumerate(chances)
    ]
    made = simpletuner(tmp_path, *entries)
    assert {type(found) for one, found in made.outcomes if one.key == "probability"} == {kinds}
    assert recipe(made, tmp_path).data.mix == "by_count"


@pytest.mark.parametrize(
    ("said", "datasets", "kind"),
    [("uniform", 1, Dropped), ("uniform", 2, Unsupported), ("auto-weighting", 2, Dropped)],
)
def test_drawing_datasets_alike_orders_an_epoch_too(
    tmp_path: Path, said: str, datasets: int, kind: type
) -> None:
    made = simpletuner(tmp_path, *map(video, "abc"[:datasets]), data_backend_sampling=said)
    assert isinstance(outcome(made, "data_backend_sampling"), kind)


def test_an_epoch_is_the_sum_of_its_datasets(tmp_path: Path) -> None:
    made = simpletuner(tmp_path, video("a", repeats=2), video("b"), max_train_steps=0, num_train_epochs=3)
    assert "3 × (clips of dataset 1 × 3 (repeats + 1) + clips of dataset 2 × 1 (repeats + 1))" in made.text


MUSUBI = """
[general]
resolution = [832, 480]
caption_extension = ".txt"
batch_size = 2

[[datasets]]
video_directory = "clips/dog"
target_frames = [33]
num_repeats = 3

[[datasets]]
video_directory = "clips/dog"
target_frames = [33, 81]
frame_extraction = "chunk"
resolution = [640, 480]

[[datasets]]
image_directory = "stills"
batch_size = 4
"""


def test_datasets_of_musubi_have_the_names_of_their_folders_and_what_is_general(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text(MUSUBI)
    made = from_musubi(tmp_path / "d.toml", "--task t2v-1.3B --max_train_epochs 2")
    (tmp_path / "x.yaml").write_text(made.text)
    overrides = [Override("--set", "train.steps=9"), Override("--set", "sample.prompts={cat: a cat}")]
    found = resolve(tmp_path / "x.yaml", overrides).recipe.data
    assert list(found.more) == ["dog", "stills"]
    dog, stills = found.more["dog"], found.more["stills"]
    assert (found.repeats, dog.repeats, stills.repeats) == (3, 1, 1)
    assert (found.frames, dog.frames, stills.frames) == (33, 81, 1)
    assert (found.windows.kind, dog.windows.kind, stills.windows.kind) == ("head", "sliding", "head")
    assert (found.size.width, dog.size.width, stills.size.width) == (832, 640, 832)
    assert {one.captions.lines for one in (found, dog, stills)} == {"joined"}
    assert outcome(made, "general.resolution") == Mapped(("data.size",))
    assert isinstance(outcome(made, "datasets[2].batch_size"), Unsupported)
    assert "windows of dataset 2 × 2 lengths of each × 1 repeats" in made.text


def test_datasets_of_ai_toolkit_share_one_dropout(tmp_path: Path) -> None:
    datasets = [
        {"folder_path": "clips/boat", "num_frames": 33, "caption_dropout_rate": 0.2},
        {"folder_path": "more/boat", "num_frames": 33, "resolution": [632], "caption_dropout_rate": 0.3},
        {"folder_path": "clips/boat"},
    ]
    process = {"trigger_word": "ohwx", "datasets": datasets}
    (tmp_path / "x.yaml").write_text(json.dumps({"config": {"process": [process]}}))
    made = from_ai_toolkit(tmp_path / "x.yaml")
    assert data(made)["caption_prefix"] == "ohwx"
    assert list(data(made)["more"]) == ["boat", "boat-2"]
    assert data(made)["more"]["boat"]["size"] == {"kind": "pixel_area", "edge": 632}
    assert data(made)["more"]["boat-2"] == {"source": {"kind": "folder", "path": "clips/boat"}, "frames": 1}
    assert isinstance(outcome(made, "datasets[1].caption_dropout_rate"), Unsupported)
    assert outcome(made, "trigger_word") == Mapped(("data.caption_prefix",))
