"""All problems at once, each at its token, in the layer that has it."""

import re
from pathlib import Path

import pytest

from engine.language.diagnostics import RecipeError, render
from engine.language.foreign import TABLES, foreign
from engine.language.overrides import sets as sets_of
from engine.language.resolve import resolve
from engine.words.table import HEADER_WORDS, MEANINGS

HEADER = "apiVersion: wan-recipe/v1\nkind: recipe\nextends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]\n"
BODY = "data: {source: {kind: drawn, clips: 2, seed: 0}}\nsample: {prompts: {cat: a cat}}\n"


def findings(path: Path, *sets: str):
    with pytest.raises(RecipeError) as caught:
        resolve(path, sets_of(*sets))
    return caught.value.findings


@pytest.fixture
def recipe(tmp_path: Path):
    def write(text: str, name: str = "x.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_a_small_recipe_resolves(recipe) -> None:
    made = resolve(recipe(HEADER + BODY))
    assert made.recipe.train.adapter.rank == 16
    assert made.layers[:2] == ("builtin:base/wan", "builtin:flavours/wan2.1-t2v-micro")
    assert made.origin("train.adapter.rank").layer == "builtin:base/wan"


def test_seven_slips_in_two_files_are_seven_findings_at_their_tokens(recipe) -> None:
    recipe("apiVersion: wan-recipe/v1\nkind: flavour\nextends: [builtin:flavours/wan2.1-t2v-micro]\n"
           "train:\n  adapter: {rnk: 8}\n  seed: -1\n", "parent.yaml")  # fmt: skip
    child = recipe(
        "apiVersion: wan-recipe/v1\nkind: recipe\nextends: [parent.yaml, builtin:hardware/cpu]\n"
        "data:\n  source: {kind: drawn, clips: 2, seed: 0}\n  frames: 80\n  short_clips: dorp\n"
        "trian: {steps: 5}\n"
        "train: {steps: '10', learning_rate: fast}\n"
        "sample: {prompts: {cat: a cat}}\n"
    )
    found = [(f.span.source.name.rpartition("/")[2], f.span.line, f.code, f.path) for f in findings(child)]
    assert found == [
        ("parent.yaml", 5, "RCP2001", "train.adapter.rnk"),
        ("parent.yaml", 6, "RCP2002", "train.seed"),
        ("x.yaml", 6, "RCP4001", "data.frames"),
        ("x.yaml", 7, "RCP2002", "data.short_clips"),
        ("x.yaml", 8, "RCP2001", "trian"),
        ("x.yaml", 9, "RCP2002", "train.steps"),
        ("x.yaml", 9, "RCP2002", "train.learning_rate"),
    ]


def test_the_caret_stands_under_the_token(recipe) -> None:
    path = recipe(HEADER + BODY + "train:\n  adapter:\n    rnk: 8\n")
    (found,) = findings(path)
    line, marks = render(found).splitlines()[1:3]
    start = marks.index("^")
    assert line[start : start + len(marks[start:])] == "rnk"
    assert "did you mean `rank`?" in render(found)


def test_a_word_at_the_wrong_level_is_told_where_it_belongs(recipe) -> None:
    (found,) = findings(recipe(HEADER + BODY + "train: {rank: 8}\n"))
    assert "`rank` belongs under `train.adapter`" in found.help


def test_a_name_from_another_trainer_leads_home(recipe) -> None:
    for name in ("network_dim", "lora_rank", "--lora_rank"):
        (found,) = findings(recipe(HEADER + BODY + f"train: {{{name}: 8}}\n"))
        assert found.help == "here it is called `train.adapter.rank`"
    (found,) = findings(recipe(HEADER + BODY + "train: {unet_lr: 1e-4}\n"))
    assert found.help == "here it is called `train.learning_rate`"
    (found,) = findings(recipe(HEADER + BODY + "train: {enable_model_cpu_offload: true}\n"))
    assert found.code == "RCP4207"  # it has a reason of its own
    known = {*MEANINGS, *HEADER_WORDS}
    names = {name for file in TABLES.glob("*.yaml") for name in re.findall(r"(\w+):", file.read_text())}
    told = [other for name in names if (other := foreign(name))]
    assert len(told) > 200
    assert [other for other in told if other.word and other.word not in known] == []


def test_nonsense_gets_no_suggestion(recipe) -> None:
    (found,) = findings(recipe(HEADER + BODY + "train: {adapter: {zzzz: 8}}\n"))
    assert "did you mean" not in found.help


def test_a_choice_names_the_branch_that_was_meant(recipe) -> None:
    text = HEADER + "data: {source: {kind: hub, path: x}}\nsample: {prompts: {cat: a cat}}\n"
    said = {(f.code, f.path) for f in findings(recipe(text))}
    assert said == {
        ("RCP2001", "data.source.path"), ("RCP2003", "data.source.kind"),
    }  # fmt: skip


def test_a_choice_by_its_bare_name_is_shown_how_it_is_written(recipe) -> None:
    (found,) = findings(recipe(HEADER + BODY + "train: {optimizer: adamw}\n"))
    assert "write `{kind: adamw, …}`" in found.help


def test_a_word_of_another_kind_is_told_which_kind_it_met(recipe) -> None:
    (found,) = findings(recipe(HEADER + BODY), "data.size={edge: 96}")
    assert found.message == "`data.size` of kind `exact` has no word `edge`"


def test_a_header_that_lacks_something_is_told_what_to_write(recipe) -> None:
    text = "extends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]\n" + BODY
    assert {f.help for f in findings(recipe(text))} == {
        "write `apiVersion: wan-recipe/v1`",
        "write `kind: recipe`",
    }


def test_what_is_missing_is_named_with_its_meaning(recipe) -> None:
    found = findings(recipe(HEADER))
    assert {f.path for f in found} == {"data.source", "sample.prompts"}
    assert all(f.help for f in found)


def test_a_changed_kind_replaces_the_section(recipe) -> None:
    text = HEADER + BODY + "train: {optimizer: {kind: lion, betas: [0.9, 0.99], weight_decay: 0}}\n"
    assert "epsilon" not in resolve(recipe(text)).recipe.train.optimizer.model_dump()


def test_a_hardware_profile_may_not_touch_what_is_learnt(recipe) -> None:
    recipe(
        "apiVersion: wan-recipe/v1\nkind: hardware\ntrain: {learning_rate: 1e-3, micro_batch: 2}\n", "hw.yaml"
    )
    text = HEADER.replace("builtin:hardware/cpu", "hw.yaml") + BODY
    (found,) = findings(recipe(text))
    assert (found.code, found.path) == ("RCP2301", "train.learning_rate")


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ("data.frames=75", "RCP4001", "use 73 of them and drop 2 silently"),
        ("data.size.width=100", "RCP4002", "not a multiple of 16"),
        ("train.schedule.warmup_steps=2000", "RCP4003", "not over"),
        ("train.adapter.targets=['(']", "RCP4006", "not a pattern"),
        ("model.frames.step=8", "RCP4005", "`model.frames.step` is 8 but `model.codec.time_stride` is 4"),
        ("sample.prompts.Ünïcode=x", "RCP4007", "file name"),
        ("train.steps", "RCP2401", "not path=value"),
        ("train.stesp=3", "RCP2001", "unknown word"),
        ("train.steps=[", "RCP2401", "not YAML"),
        ("train.adapter=3", "RCP2002", "not a section"),
        ("train.adapter=null", "RCP2002", "is null, not a section"),
        ("title=x", "RCP2401", "cannot be set from outside"),
        ("train.optimizer.betas=[2, -1]", "RCP2002", "must be below 1"),
        ("model.codec.halve_time=[true]", "RCP4005", "has 1 levels"),
    ],
)
def test_a_slip_on_the_command_line_is_located_there(recipe, change: str, code: str, words: str) -> None:
    found = findings(recipe(HEADER + BODY), change)
    assert found[0].code == code
    assert words in found[0].message
    assert found[0].span.source.name == "--set #1"
    assert found[0].span.source.text == change


def test_overrides_are_typed_and_later_ones_win(recipe) -> None:
    made = resolve(recipe(HEADER + BODY), sets_of("train.learning_rate=2e-5", "train.steps=3", "train.schedule.warmup_steps=0",
                                           "sample.prompts.cat=a = b", "train.steps=4"))  # fmt: skip
    assert (made.recipe.train.learning_rate, made.recipe.train.steps) == (2e-5, 4)
    assert made.recipe.sample.prompts["cat"] == "a = b"


def test_layers_that_are_not_there_or_go_in_circles_are_located(recipe) -> None:
    recipe("apiVersion: wan-recipe/v1\nkind: base\nextends: [x.yaml]\n", "loop.yaml")
    text = HEADER.replace("builtin:hardware/cpu", "loop.yaml, gone.yaml, builtin:hardware/cpuu") + BODY
    found = findings(recipe(text))
    assert [f.code for f in found] == ["RCP2201"] * 3
    assert any("x.yaml → " in f.message and " → " in f.message for f in found)
    assert any("did you mean `builtin:hardware/cpu`?" in f.help for f in found)


def test_what_a_missing_layer_would_have_said_is_not_reported_as_missing(recipe) -> None:
    found = findings(recipe("apiVersion: wan-recipe/v1\nkind: recipe\nextends: [gone.yaml]\n" + BODY))
    assert [f.code for f in found] == ["RCP2201"]


def test_a_layer_that_is_reached_twice_is_laid_once(recipe) -> None:
    text = HEADER.replace("extends: [", "extends: [builtin:base/wan, ") + BODY
    assert resolve(recipe(text)).layers.count("builtin:base/wan") == 1


def test_a_path_is_relative_to_the_file_that_says_it(recipe, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    recipe("apiVersion: wan-recipe/v1\nkind: flavour\nextends: [builtin:flavours/wan2.1-t2v-micro]\n"
           "data: {source: {kind: folder, path: clips}}\n", "deep/data.yaml")  # fmt: skip
    text = (
        HEADER.replace("builtin:flavours/wan2.1-t2v-micro", "deep/data.yaml")
        + "sample: {prompts: {cat: a cat}}\n"
    )
    assert resolve(recipe(text)).recipe.data.source.path == str(tmp_path / "deep" / "clips")


def test_a_byte_order_mark_is_no_part_of_the_first_word(tmp_path: Path) -> None:
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbf" + (HEADER + BODY).encode())
    assert resolve(tmp_path / "bom.yaml").recipe.data.frames == 17


def test_a_layer_with_a_name_that_no_file_can_have_is_not_there(recipe) -> None:
    found = findings(recipe(HEADER.replace("builtin:hardware/cpu", '"a\\0b", ' + "x" * 5000) + BODY))
    assert {f.code for f in found} == {"RCP1003", "RCP2201"}


def test_only_a_recipe_runs(recipe) -> None:
    found = findings(recipe(HEADER.replace("kind: recipe", "kind: flavour") + BODY))
    assert [f.code for f in found] == ["RCP2302"]
