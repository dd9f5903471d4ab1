"""A dataset of ``data.more`` has what ``data`` says, unless it says otherwise."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from program import recipe

from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.merge import leaves, values
from engine.language.overrides import sets as sets_of
from engine.language.resolve import Resolved, compose, resolve
from engine.language.write import to_yaml
from engine.words.data import Dataset

HEADER = """apiVersion: wan-recipe/v1
kind: recipe
extends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]
sample: {prompts: {cat: a cat}}
"""
SOURCE = {"kind": "folder", "path": "clips"}
RECIPE = f"""{HEADER}data:
  source: {{kind: folder, path: clips}}
  frames: 13
  size: {{kind: pixel, edge: 96}}
  more:
    stills:
      source: {{kind: folder, path: stills}}
      repeats: 3
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "x.yaml").write_text(RECIPE)
    return tmp_path


def resolved(place: Path, *sets: str) -> Resolved:
    return resolve(place / "x.yaml", sets_of(*sets))


def findings(place: Path, text: str = RECIPE, *sets: str) -> list[Diagnostic]:
    (place / "x.yaml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        resolved(place, *sets)
    return list(caught.value.findings)


# the rule, held against a merge of plain dicts

WORDS: dict[str, st.SearchStrategy[Any]] = {
    "captions": st.sampled_from(
        [{"kind": "beside", "lines": "joined"}, {"lines": "joined"}, {"kind": "filename"}, {"kind": "one", "text": "a cat"},
         {"kind": "one"}, {"kind": "column", "column": "text"}]
    ),
    "caption_prefix": st.sampled_from(["", "ohwx"]),
    "caption_filter": st.lists(st.sampled_from(["a", "b+"]), max_size=2),
    "no_caption": st.sampled_from(["error", "drop"]),
    "size": st.sampled_from(
        [{"kind": "exact", "width": 96, "height": 32}, {"width": 48}, {"height": 48}, {"edge": 64},
         {"kind": "pixel", "edge": 96}, {"kind": "area", "megapixels": 0.1}, {"kind": "pixel_area"}]
    ),
    "aspect": st.sampled_from([{"kind": "square"}, {"kind": "closest", "of": ["1:1"]}, {"of": ["2:1", "1:1"]}, {}]),
    "scale": st.sampled_from([{"kind": "cover"}, {"kind": "downsample", "above": 64, "to": 32}, {"to": 48}]),
    "crop": st.sampled_from(["centre", "random"]),
    "min_size": st.integers(0, 64),
    "frames": st.sampled_from([5, 9, 13]),
    "windows": st.sampled_from([{"kind": "head"}, {"kind": "random", "count": 2}, {"count": 3}, {"kind": "sliding"}, {"stride": 4}]),
    "short_clips": st.sampled_from(["error", "drop", "fewer", "loop"]),
    "frame_interval": st.sampled_from([4, 8]),
    "min_frames": st.integers(1, 4),
    "max_frames": st.integers(100, 200),
    "bad_files": st.sampled_from(["error", "skip"]),
    "role": st.sampled_from(["train", "evaluate", "regularise"]),
    "repeats": st.integers(0, 3),
    "weight": st.sampled_from([1, 0.5]),
}  # fmt: skip
SAID = st.fixed_dictionaries({}, optional=WORDS)


def below(said: Any, own: Any) -> Any:
    """What is said, under what a dataset says itself."""
    if not isinstance(said, dict) or not isinstance(own, dict):
        return own
    if "kind" in own and own["kind"] != said["kind"]:
        return own
    return said | {name: below(said[name], value) if name in said else value for name, value in own.items()}


def test_every_word_of_a_dataset_but_its_source_is_drawn_below() -> None:
    assert {*WORDS, "source"} == set(Dataset.model_fields)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=SAID, one=SAID, two=SAID)
def test_a_dataset_has_what_data_says_unless_it_says_otherwise(
    place: Path, data: dict[str, Any], one: dict[str, Any], two: dict[str, Any]
) -> None:
    more = {name: {"source": SOURCE, **said} for name, said in (("one", one), ("two", two))}
    path = place / "x.yaml"
    path.write_text(f"{HEADER}data: {json.dumps({'source': SOURCE, **data, 'more': more})}\n")
    made = values(compose(path).merged)["data"]
    shared = {name: made[name] for name in WORDS}
    for name, said in more.items():
        assert made["more"][name] == below(shared, said), name


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=SAID, one=SAID)
def test_a_dataset_is_what_data_would_be_with_its_words_laid_over(
    place: Path, data: dict[str, Any], one: dict[str, Any]
) -> None:
    under, over = place / "under.yaml", place / "over.yaml"
    under.write_text(f"{HEADER}data: {json.dumps({'source': SOURCE, **data})}\n")
    over.write_text(
        f"apiVersion: wan-recipe/v1\nkind: recipe\nextends: [under.yaml]\ndata: {json.dumps(one)}\n"
    )
    laid_over = values(compose(over).merged)["data"]
    more = {"one": {"source": SOURCE, **one}}
    (place / "x.yaml").write_text(f"{HEADER}data: {json.dumps({'source': SOURCE, **data, 'more': more})}\n")
    inherited = values(compose(place / "x.yaml").merged)["data"]["more"]["one"]
    assert inherited == {name: laid_over[name] for name in inherited}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=SAID, one=SAID)
def test_a_complete_recipe_that_is_printed_says_the_same(
    place: Path, data: dict[str, Any], one: dict[str, Any]
) -> None:
    path, again = place / "x.yaml", place / "again.yaml"
    words = {"source": SOURCE, **data, "more": {"one": {"source": SOURCE, **one}}}
    path.write_text(f"{HEADER}data: {json.dumps(words)}\n")
    assume(not compose(path).wrong)
    first = resolve(path)
    again.write_text(f"apiVersion: wan-recipe/v1\nkind: recipe\n{to_yaml(first.values)}")
    assert resolve(again).values == first.values


# its corners


def test_what_a_layer_or_the_command_line_says_of_data_reaches_the_datasets(place: Path) -> None:
    assert resolved(place).recipe.data.more["stills"].bad_files == "error"  # of the base
    made = resolved(place, "data.frames=9", "data.bad_files=skip")
    assert (made.recipe.data.more["stills"].frames, made.recipe.data.more["stills"].bad_files) == (9, "skip")


def test_what_a_lower_layer_says_of_a_dataset_stays(place: Path) -> None:
    child = place / "child.yaml"
    child.write_text(
        "apiVersion: wan-recipe/v1\nkind: recipe\nextends: [x.yaml]\ndata: {repeats: 5, crop: random}\n"
    )
    made = resolve(child).recipe.data
    assert (made.repeats, made.more["stills"].repeats) == (5, 3)
    assert made.more["stills"].crop == "random"


def test_another_kind_takes_the_whole_place(place: Path) -> None:
    made = resolved(place, "data.more.stills.size={kind: exact, width: 64, height: 32}").values["data"]
    assert made["more"]["stills"]["size"] == {"kind": "exact", "width": 64, "height": 32}
    assert made["size"] == {"kind": "pixel", "edge": 96}


def test_an_inherited_word_stands_where_data_says_it(place: Path) -> None:
    made = resolved(place)
    for word in ("frames", "size.kind", "size.edge", "crop", "captions.lines"):
        above, here = made.origin(f"data.{word}"), made.origin(f"data.more.stills.{word}")
        assert here == above, word
    assert str(made.span("data.more.stills.frames")).endswith("x.yaml:7:11")
    assert str(made.span("data.more.stills.repeats")).endswith("x.yaml:12:16")


def test_a_dataset_can_be_taken_away_again(place: Path) -> None:
    child = place / "child.yaml"
    child.write_text(
        "apiVersion: wan-recipe/v1\nkind: recipe\nextends: [x.yaml]\ndata: {more: {stills: {$unset: true}}}\n"
    )
    made = resolve(child)
    assert made.values["data"]["more"] == {}
    assert [path for path, _ in leaves(made.merged) if "stills" in path] == []


def test_a_word_of_a_dataset_that_is_taken_away_is_inherited_again(place: Path) -> None:
    child = place / "child.yaml"
    text = "apiVersion: wan-recipe/v1\nkind: recipe\nextends: [x.yaml]\ndata: {more: {stills: {repeats: {$unset: true}}}}\n"
    child.write_text(text)
    assert resolve(child).recipe.data.more["stills"].repeats == 1


@pytest.mark.parametrize("word", ["more", "mix", "small_buckets", "latents", "workers"])
def test_what_is_said_once_of_all_datasets_is_no_word_of_one(place: Path, word: str) -> None:
    assert word not in resolved(place).values["data"]["more"]["stills"]
    said = {"more": "{}", "latents": "{compress: true}", "workers": "1"}.get(word, "by_count")
    (found,) = findings(place, f"{RECIPE}      {word}: {said}\n")
    assert (found.code, found.path) == ("RCP2001", f"data.more.stills.{word}")
    assert found.help == f"`{word}` belongs under `data`"


# what is said of mistakes


def test_a_dataset_without_a_source_is_said_at_its_place(place: Path) -> None:
    (found,) = findings(place, RECIPE.replace("      source: {kind: folder, path: stills}\n", ""))
    assert (found.code, found.path) == ("RCP2003", "data.more.stills.source")
    assert (found.span.line, found.span.column) == (10, 5)


def test_an_unknown_word_in_a_dataset_is_told_what_was_meant(place: Path) -> None:
    (found,) = findings(place, f"{RECIPE}      framse: 5\n")
    assert (found.code, found.path, found.help) == (
        "RCP2001",
        "data.more.stills.framse",
        "did you mean `frames`?",
    )
    assert (found.span.line, found.span.column) == (13, 7)


def test_a_value_that_a_dataset_has_from_data_is_refused_once(place: Path) -> None:
    (found,) = findings(place, RECIPE.replace("frames: 13", "frames: 14"))
    assert (found.code, found.path, found.span.line) == ("RCP4001", "data.frames", 7)


def test_a_value_of_its_own_is_refused_at_the_dataset(place: Path) -> None:
    (found,) = findings(place, f"{RECIPE}      frames: 14\n")
    assert (found.code, found.path, found.span.line) == ("RCP4001", "data.more.stills.frames", 13)


def test_a_hardware_profile_adds_no_dataset(place: Path) -> None:
    profile = "apiVersion: wan-recipe/v1\nkind: hardware\ndata: {more: {stills: {repeats: 2}}}\n"
    (place / "mine.yaml").write_text(profile)
    (found,) = findings(place, RECIPE.replace("builtin:hardware/cpu", "mine.yaml"))
    assert (found.code, found.path) == ("RCP2301", "data.more.stills.repeats")
    assert found.span.source.name.endswith("mine.yaml")


# as a person asks


def test_why_names_the_line_in_data(place: Path) -> None:
    done = recipe("why", "data.more.stills.frames", "x.yaml", cwd=place)
    assert done.returncode == 0
    assert done.stdout.startswith("data.more.stills.frames: 13\n")
    assert "x.yaml:7:11" in done.stdout
    assert "7 |   frames: 13" in done.stdout


def test_the_page_of_a_word_is_the_same_for_every_dataset() -> None:
    one, other = (recipe("doc", word) for word in ("data.frames", "data.more.stills.frames"))
    assert one.returncode == other.returncode == 0
    assert one.stdout == other.stdout


def test_a_printed_recipe_prints_the_same_again(place: Path) -> None:
    once = recipe("resolve", "x.yaml", cwd=place)
    (place / "again.yaml").write_text(once.stdout)
    again = recipe("resolve", "again.yaml", cwd=place)
    assert (once.returncode, again.stdout) == (0, once.stdout)
    assert "stills:" in once.stdout
