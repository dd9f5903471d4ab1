"""Layers that order, refer, include and disagree; what comes out, and where each value is said to come from."""

from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import pipeline
from engine.language.builtin import builtin_names
from engine.language.diagnostics import Diagnostic, RecipeError, render
from engine.language.merge import leaves
from engine.language.nodes import Scalar, Source
from engine.language.overrides import Override
from engine.language.overrides import sets as sets_of
from engine.language.read import read_text
from engine.language.resolve import resolve
from engine.language.write import one_line

HEADER = "apiVersion: wan-recipe/v1\nkind: recipe\nextends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]\n"
BODY = "data: {source: {kind: drawn, clips: 2, seed: 0}}\nsample: {prompts: {cat: a cat}}\n"


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str, name: str = "x.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def errors(path: Path, *said: str) -> list[Diagnostic]:
    with pytest.raises(RecipeError) as caught:
        resolve(path, sets_of(*said))
    return [found for found in caught.value.findings if found.severity == "error"]


# directives


def test_a_list_grows_and_shrinks_and_every_layer_that_touched_it_is_known(write) -> None:
    made = resolve(write(HEADER + BODY + r"train: {adapter: {targets: {$append: ['blocks\.0\.ffn\..*']}}}"))
    assert made.recipe.train.adapter.targets[-1] == r"blocks\.0\.ffn\..*"
    assert len(made.recipe.train.adapter.targets) == 2
    leaf = dict(leaves(made.merged))["train.adapter.targets"]
    assert [origin.layer for origin in leaf.origins] == [str(made.file), "builtin:base/wan"]


def test_a_directive_that_does_nothing_names_the_layer_that_was_expected_to_help(write) -> None:
    (found,) = errors(write(HEADER + BODY + "train: {adapter: {targets: {$remove: [nothing]}}}"))
    assert found.code == "RCP2203"
    assert "builtin:base/wan" in found.help
    assert [span.source.name for _, span in found.related] == ["builtin:base/wan"]
    assert "^~~~~~~" in render(found)


def test_a_misspelt_directive_is_an_unknown_word(write) -> None:
    (found,) = errors(write(HEADER + BODY + "train: {adapter: {targets: {$apend: [x]}}}"))
    assert (found.code, found.path) == ("RCP2001", "train.adapter.targets.$apend")


def test_a_word_that_was_unset_is_missing(write) -> None:
    found = errors(write(HEADER + BODY + "train: {steps: {$unset: true}}"))
    assert [(one.code, one.path) for one in found] == [("RCP2003", "train.steps")]


def test_a_demand_says_why_and_where_until_someone_meets_it(write) -> None:
    write(
        "apiVersion: wan-recipe/v1\nkind: base\ntrain: {steps: {$required: ask your mentor}}\n", "parent.yaml"
    )
    text = HEADER.replace("builtin:hardware/cpu", "builtin:hardware/cpu, parent.yaml") + BODY
    (found,) = errors(write(text))
    assert (found.code, found.path) == ("RCP2003", "train.steps")
    assert "ask your mentor" in found.help
    assert found.related[0][1].source.name.endswith("parent.yaml")
    assert resolve(write(text + "train: {steps: 7000}")).recipe.train.steps == 7000


# references


def test_a_whole_reference_keeps_its_kind_and_one_inside_a_text_is_written_out(write) -> None:
    made = resolve(write(HEADER + "data: {source: {kind: drawn, clips: 2, seed: 0}}\n"
                         "train: {adapter: {rank: 8, alpha: '${train.adapter.rank}'}}\n"
                         "sample: {prompts: {cat: a cat, dog: '${sample.prompts.cat} and ${train.adapter.rank} dogs for $${x}'}}"))  # fmt: skip
    assert made.recipe.train.adapter.alpha == 8
    assert made.recipe.sample.prompts["dog"] == "a cat and 8 dogs for ${x}"


def test_a_chain_of_references_is_followed_whatever_its_order(write) -> None:
    text = (
        HEADER + BODY + "train: {adapter: {alpha: '${train.adapter.rank}', rank: '${train.seed}'}, seed: 4}"
    )
    assert resolve(write(text)).recipe.train.adapter.alpha == 4


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("train: {adapter: {alpha: '${train.adapter.rnk}'}}", "refers to nothing"),
        ("train: {adapter: {alpha: '${train.adapter}'}}", "is a section"),
        ("train: {adapter: {alpha: '${train.adapter.rank'}}", "does not end"),
        (
            "train: {adapter: {alpha: '${train.adapter.rank}', rank: '${train.adapter.alpha}'}}",
            "in a circle: train.adapter.",
        ),
        ("train: {adapter: {alpha: '${train.seed}'}, seed: {$unset: true}}", "refers to nothing"),
        ("train: {seed: '${env:SEED}'}", "may not depend on the environment"),
    ],
)
def test_a_reference_that_leads_nowhere_is_located(write, body: str, words: str) -> None:
    (found,) = [one for one in errors(write(HEADER + BODY + body)) if one.code == "RCP2205"]
    assert words in found.message
    assert found.span.line == 6


def test_the_environment_may_say_where_clips_lie(write, monkeypatch: pytest.MonkeyPatch) -> None:
    text = HEADER + "sample: {prompts: {cat: a cat}}\ndata: {source: {kind: folder, path: '%s'}}"
    monkeypatch.delenv("CLIPS", raising=False)
    (found,) = errors(write(text % "${env:CLIPS}/a"))
    assert (found.code, found.message) == ("RCP2205", "the environment has no CLIPS")
    folder = resolve(write(text % "${env:CLIPS:-b}/a")).recipe.data.source.path
    assert folder == str(write("", "y").parent / "b" / "a")
    monkeypatch.setenv("CLIPS", "/c")
    assert resolve(write(text % "${env:CLIPS}/a")).recipe.data.source.path == "/c/a"


# fragments


FRAGMENT = (
    "apiVersion: wan-recipe/v1\nkind: fragment\ndata:\n  source: {kind: folder, path: clips}\n  frames: 33\n"
)
INCLUDES = HEADER + "sample: {prompts: {cat: a cat}}\ndata: {$include: parts/clips.yaml, short_clips: drop}\n"


def test_a_fragment_is_a_layer_right_below_the_file_that_includes_it(write) -> None:
    path = write(FRAGMENT, "parts/clips.yaml")
    made = resolve(write(INCLUDES))
    assert (made.recipe.data.frames, made.recipe.data.short_clips) == (33, "drop")
    assert made.recipe.data.source.path == str(path.parent / "clips")
    assert [Path(name).name for name in made.layers[-2:]] == ["clips.yaml", "x.yaml"]


@pytest.mark.parametrize(
    ("fragment", "words"),
    [
        (FRAGMENT.replace("kind: fragment", "kind: recipe"), "is not a fragment but of kind `recipe`"),
        (FRAGMENT + "train: {steps: 3}\n", "speaks of `steps` outside of `data`"),
        ("apiVersion: wan-recipe/v1\nkind: fragment\n", "says nothing at `data`"),
        (FRAGMENT + "  captions: {$include: more.yaml}\n", "includes another"),
    ],
)
def test_a_fragment_that_does_not_fit_its_place_is_refused(write, fragment: str, words: str) -> None:
    write(fragment, "parts/clips.yaml")
    found = errors(write(INCLUDES))
    assert found[0].code == "RCP2207"
    assert words in found[0].message


def test_a_fragment_is_validated_like_every_layer(write) -> None:
    write(FRAGMENT.replace("frames: 33", "frmes: 33"), "parts/clips.yaml")
    found = errors(write(INCLUDES))
    assert [(one.code, Path(one.span.source.name).name, one.span.line) for one in found] == [
        ("RCP2001", "clips.yaml", 5)
    ]


def test_a_fragment_alone_is_valid_and_does_not_run(write) -> None:
    path = write(FRAGMENT)
    assert pipeline.validate(path) == ()
    assert "RCP2302" in {one.code for one in errors(path)}


# layers side by side


FLAVOUR = "apiVersion: wan-recipe/v1\nkind: flavour\nextends: [builtin:flavours/wan2.1-t2v-micro]\ntrain: {seed: %d}\n"


def test_two_flavours_that_disagree_are_a_question_to_the_file_above(write) -> None:
    write(FLAVOUR % 1, "a.yaml")
    write(FLAVOUR % 2, "b.yaml")
    text = HEADER.replace("builtin:flavours/wan2.1-t2v-micro", "a.yaml, b.yaml") + BODY
    (found,) = resolve(write(text)).warnings
    assert (found.code, found.path) == ("RCP2206", "train.seed")
    assert "a.yaml" in found.message
    assert "b.yaml" in found.message
    assert resolve(write(text + "train: {seed: 3}")).warnings == ()


def test_a_flavour_over_the_flavour_that_it_extends_is_no_disagreement(write) -> None:
    write(FLAVOUR % 1, "a.yaml")
    write(FLAVOUR.replace("builtin:flavours/wan2.1-t2v-micro", "a.yaml") % 2, "b.yaml")
    text = HEADER.replace("builtin:flavours/wan2.1-t2v-micro", "a.yaml, b.yaml") + BODY
    assert resolve(write(text)).warnings == ()


def test_two_hardware_profiles_that_disagree_are_an_error(write) -> None:
    write("apiVersion: wan-recipe/v1\nkind: hardware\nhardware: {threads: 7}\n", "hw.yaml")
    (found,) = errors(write(HEADER.replace("builtin:hardware/cpu", "builtin:hardware/cpu, hw.yaml") + BODY))
    assert (found.code, found.severity) == ("RCP2206", "error")


@pytest.mark.parametrize("flavour", [name for name in builtin_names() if name.startswith("flavours/")])
@pytest.mark.parametrize("hardware", [name for name in builtin_names() if name.startswith("hardware/")])
def test_every_flavour_meets_every_machine(write, flavour: str, hardware: str) -> None:
    text = f"apiVersion: wan-recipe/v1\nkind: recipe\nextends: ['builtin:{flavour}', 'builtin:{hardware}']\n{BODY}"
    made = resolve(write(text))
    assert not {one.code for one in made.warnings} & {"RCP2206", "RCP2301"}


# the program


def test_a_file_may_ask_for_another_program(write) -> None:
    path = write(HEADER + 'requires: {engine: ">=7"}\n' + BODY)
    with pytest.raises(RecipeError) as caught:
        resolve(path)
    assert [one.code for one in caught.value.findings] == ["RCP2304"]
    assert caught.value.exit_code == 8
    assert resolve(write(HEADER + 'requires: {engine: ">=0.1"}\n' + BODY))
    assert [one.code for one in errors(write(HEADER + 'requires: {engine: "7 or so"}\n' + BODY))] == [
        "RCP2002"
    ]


def test_words_that_begin_with_x_are_nobodys_business(write) -> None:
    assert resolve(write(HEADER + "x-mine: {any: [thing]}\n" + BODY))


# the command line


def test_json_and_unset_are_layers_too(write) -> None:
    said = (
        Override("--set-json", 'sample.prompts={"dog": "a dog"}'),
        Override("--unset", "sample.prompts.cat"),
    )
    assert resolve(write(HEADER + BODY), said).recipe.sample.prompts == {"dog": "a dog"}


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        (Override("--set-json", "train.steps={a: 1}"), "RCP2401", "not JSON"),
        (Override("--unset", "train.steps=3"), "RCP2401", "is not a path"),
        (Override("--unset", "train.stps"), "RCP2001", "unknown word"),
        (Override("--unset", "data.captions.text"), "RCP2203", "finds nothing"),
    ],
)
def test_what_cannot_be_read_points_into_the_argument(write, said: Override, code: str, words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        resolve(write(HEADER + BODY), (said,))
    (found,) = caught.value.findings
    assert (found.code, found.span.source.name) == (code, f"{said.option} #1")
    assert words in found.message


# origins


@pytest.mark.parametrize("name", [name for name in builtin_names() if name.startswith("examples/")])
def test_without_the_winner_the_next_one_wins(name: str) -> None:
    """Unset each value of the example and see that what the second layer said counts, or nothing."""
    path = ROOT / "recipes" / f"{name}.yaml"
    made = resolve(path)
    for at, leaf in leaves(made.merged):
        if len(leaf.origins) > 1 and leaf.origins[0].layer == made.layers[-1]:
            said = one_line(leaf.origins[1].value)
            again = resolve(path, sets_of(f"{at}={said}"))
            assert again.origin(at).value == leaf.origins[1].value
            assert [one.layer for one in dict(leaves(again.merged))[at].origins][1:] == [
                one.layer for one in leaf.origins
            ]


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
    | st.sampled_from(["1e-4", "NO", "on", "16:9", "012", "1_000", "0x1F", "null", "~", "- a", "a: b", "# c", "2024-01-02", "", " x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(PLAIN)
def test_what_is_written_reads_back_as_it_was(value: object) -> None:
    from engine.language.nodes import plain

    node, findings = read_text(Source("", f"a: {one_line(value)}", Path()))
    assert findings == []
    assert plain(node) == {"a": value}


def test_a_text_of_several_lines_stays_in_one() -> None:
    text = one_line("two\nlines")
    node, _ = read_text(Source("", text, Path()))
    assert "\n" not in text
    assert isinstance(node, Scalar)
    assert node.value == "two\nlines"


def test_a_fragment_that_is_extended_is_told_how_it_is_taken_in(write) -> None:
    write(FRAGMENT, "part.yaml")
    (found,) = errors(write(HEADER.replace("builtin:hardware/cpu", "builtin:hardware/cpu, part.yaml") + BODY))
    assert (found.code, found.message) == ("RCP2201", "`part.yaml` is a fragment")
    assert "$include" in found.help


def test_a_reference_that_leads_nowhere_is_said_once_and_hides_nothing_else(write) -> None:
    text = HEADER + "data: {source: {kind: drawn, clips: 2}}\nsample: {prompts: {cat: a cat}}\n"
    found = errors(write(text + "train: {adapter: {rank: '${train.rnk}', alpha: '${train.adapter.rank}'}}"))
    assert [(one.code, one.path) for one in found] == [
        ("RCP2003", "data.source.seed"),
        ("RCP2205", "train.adapter.rank"),
    ]


def test_null_where_nothing_is_allowed_is_told_about_unset(write) -> None:
    (found,) = errors(write(HEADER + BODY + "train: {steps: null}"))
    assert (found.code, found.path) == ("RCP2002", "train.steps")
    assert "$unset: true" in found.help


def test_many_large_layers_end_at_the_limit_of_all_of_them(write) -> None:
    names = []
    for number in range(20):
        names.append(f"l{number}.yaml")
        write(f"apiVersion: wan-recipe/v1\nkind: base\n{'# filler ' * 110_000}\n", names[-1])
    found = errors(
        write(HEADER.replace("builtin:hardware/cpu", f"builtin:hardware/cpu, {', '.join(names)}") + BODY)
    )
    assert [one.code for one in found] == ["RCP1005"]
    assert "16,777,216 characters" in found[0].message


def test_a_name_whose_value_is_wrong_is_not_also_missing_from_its_map(write) -> None:
    (found,) = errors(
        write(HEADER + "data: {source: {kind: drawn, clips: 2, seed: 0}}\nsample: {prompts: {cat: 2024}}\n")
    )
    assert found.path == "sample.prompts.cat"


# what is said to the author of the file


def test_a_forgotten_flavour_is_said_once(write) -> None:
    (found,) = errors(
        write("apiVersion: wan-recipe/v1\nkind: recipe\nextends: [builtin:hardware/cpu]\n" + BODY)
    )
    assert (found.code, found.span.line) == ("RCP2003", 3)
    assert "no flavour is extended" in found.message
    assert "builtin:flavours/" in found.help


def test_a_flavour_without_its_prefix_is_told_its_name(write) -> None:
    (found,) = errors(write(HEADER.replace("builtin:flavours/wan2.1-t2v-micro", "wan2.1-t2v-micro") + BODY))
    assert found.help == "write `builtin:flavours/wan2.1-t2v-micro`"


def test_a_missing_word_stands_in_the_file_that_lacks_it(write) -> None:
    (found,) = errors(
        write(HEADER + "data: {source: {kind: drawn, clips: 2, seed: 0}}\nsample: {steps: 4}\n")
    )
    assert (found.path, found.span.source.name.endswith("x.yaml"), found.span.line) == (
        "sample.prompts",
        True,
        5,
    )


def test_a_rule_that_the_file_has_a_part_in_points_at_the_file(write) -> None:
    text = HEADER.replace("micro", "1.3b") + BODY.replace(
        "a cat", "A black cat walks past two old houses in the rain"
    )
    found = errors(write(text + "train: {steps: 40}"))
    (rule,) = [one for one in found if one.code == "RCP4003"]
    assert (rule.span.source.name.endswith("x.yaml"), rule.span.line) == (True, 6)
    assert [span.source.name for _, span in rule.related] == ["builtin:base/wan"]
    assert "warmup_steps: 2" in rule.help


def test_two_models_are_one_question(write) -> None:
    text = HEADER.replace(
        "[builtin:flavours/wan2.1-t2v-micro,",
        "[builtin:flavours/wan2.1-t2v-micro, builtin:flavours/wan2.1-t2v-1.3b,",
    )
    found = [one for one in errors(write(text + BODY)) if one.code == "RCP2206"]
    assert [(one.severity, "keep one" in one.help) for one in found] == [("error", True)]


def test_a_fragment_extends_nothing(write) -> None:
    write(FRAGMENT + "extends: [builtin:base/wan]\n", "parts/clips.yaml")
    assert [one.code for one in errors(write(INCLUDES))] == ["RCP2207"]
    with pytest.raises(RecipeError):
        pipeline.validate(write(FRAGMENT + "extends: [builtin:nope]\n"))


# what a machine may say, and what may decide what is learnt


MACHINE = "apiVersion: wan-recipe/v1\nkind: hardware\n"


@pytest.mark.parametrize(
    "profile",
    [
        "train: {$include: tf.yaml}\n",
        "train: {adapter: {$unset: true}}\n",
        "train: {adapter: {$replace: {rank: 3}}}\n",
        "train: {seed: {$unset: true}}\n",
        "extends: [style.yaml]\n",
    ],
)
def test_there_is_no_way_round_the_contract_of_a_machine(write, profile: str) -> None:
    write("apiVersion: wan-recipe/v1\nkind: fragment\ntrain: {learning_rate: 0.0123}\n", "tf.yaml")
    write("apiVersion: wan-recipe/v1\nkind: flavour\ntrain: {learning_rate: 0.0123}\n", "style.yaml")
    write(MACHINE + profile, "hw.yaml")
    text = HEADER.replace("builtin:hardware/cpu", "builtin:hardware/cpu, hw.yaml") + BODY
    assert "RCP2301" in {one.code for one in errors(write(text))}


def test_a_machine_may_include_how(write) -> None:
    write(
        "apiVersion: wan-recipe/v1\nkind: fragment\ntrain: {gradient_checkpointing: {kind: keep_attention}}\n",
        "how.yaml",
    )
    write(MACHINE + "train: {$include: how.yaml}\n", "hw.yaml")
    made = resolve(write(HEADER.replace("builtin:hardware/cpu", "hw.yaml") + BODY))
    assert made.recipe.train.gradient_checkpointing.kind == "keep_attention"


@pytest.mark.parametrize(
    "body",
    [
        "sample: {prompts: {cat: 'a ${data.source.path} cat'}}",
        "sample: {prompts: {cat: 'a ${hardware.name} cat'}}",
        "sample: {prompts: {cat: a cat}}\ntrain: {seed: '${data.workers}'}",
    ],
)
def test_what_decides_what_is_made_takes_nothing_from_the_machine(write, body: str) -> None:
    (found,) = errors(write(HEADER + "data: {source: {kind: folder, path: '${env:HOME}'}}\n" + body))
    assert found.code == "RCP2205"
    assert "must not" in found.message


def test_references_that_double_each_other_end_at_a_limit(write) -> None:
    lines = [
        f'  p{number}: "${{sample.prompts.p{number - 1}}}${{sample.prompts.p{number - 1}}}"'
        for number in range(1, 30)
    ]
    (found,) = errors(write(HEADER + "data: {source: {kind: drawn, clips: 2, seed: 0}}\n"
                            "sample:\n prompts:\n" + "  p0: " + "cat " * 100 + "\n" + "\n".join(lines)))  # fmt: skip
    assert "1,048,576 characters" in found.message


def test_directives_do_not_nest(write) -> None:
    found = errors(write(HEADER + BODY + "train: {adapter: {$replace: {$replace: {rank: 3}}}}"))
    assert [one.code for one in found] == ["RCP2203"]


def test_a_directive_that_cannot_be_used_is_one_finding(write) -> None:
    text = HEADER + "sample: {prompts: {cat: a cat}}\ndata: {$include: [x]}\n"
    found = errors(write(text))
    assert [(one.code, one.path) for one in found] == [("RCP2002", "data.$include")]


def test_three_flavours_two_of_which_know_each_other(write) -> None:
    write(FLAVOUR % 1, "a.yaml")
    write(FLAVOUR % 2, "b.yaml")
    write(FLAVOUR.replace("builtin:flavours/wan2.1-t2v-micro", "b.yaml") % 3, "c.yaml")
    text = HEADER.replace("builtin:flavours/wan2.1-t2v-micro", "a.yaml, c.yaml") + BODY
    (found,) = resolve(write(text)).warnings
    assert (found.code, "a.yaml" in found.message, "c.yaml" in found.message) == ("RCP2206", True, True)


# the command line, once more


@pytest.mark.parametrize("said", ["train=", "train.steps=", "data.source=#foo", "train.steps=  "])
def test_a_value_that_is_none_is_refused(write, said: str) -> None:
    (found,) = errors(write(HEADER + BODY), said)
    assert (found.code, "has no value" in found.message) == ("RCP2401", True)


def test_json_is_json(write) -> None:
    emoji = Override("--set-json", 'sample.prompts.cat="a \\ud83d\\ude00 cat\\/dog"')
    assert resolve(write(HEADER + BODY), (emoji,)).recipe.sample.prompts["cat"] == "a 😀 cat/dog"
    with pytest.raises(RecipeError) as caught:
        resolve(write(HEADER + BODY), (Override("--set-json", "sample.prompts=" + "[" * 100_000),))
    assert caught.value.findings[0].code == "RCP1005"


def test_what_is_set_over_a_layer_is_checked_as_well(write) -> None:
    hardware = write(MACHINE + "hardware: {threads: 2}\n", "hw.yaml")
    assert pipeline.validate(hardware, sets_of("hardware.threads=3")) == ()
    for said, code in (("train.stps=1", "RCP2001"), ("train.seed=1", "RCP2301")):
        with pytest.raises(RecipeError) as caught:
            pipeline.validate(hardware, sets_of(said))
        assert [one.code for one in caught.value.findings] == [code]


def test_a_link_that_leads_to_itself_is_nobodys_traceback(write, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    text = HEADER + "sample: {prompts: {cat: a cat}}\ndata: {source: {kind: folder, path: loop/x}}\n"
    assert resolve(write(text)).values["data"]["source"]["path"].endswith("loop/x")


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        ('{"--model_family": "wan", "train_batch_size": 2, "lora_rank": 16}', "simpletuner"),
        ("job: extension\nconfig: {name: x, process: [{type: sd_trainer}]}\n", "ai-toolkit"),
    ],
)
def test_a_file_of_another_trainer_is_told_how_it_becomes_a_recipe(write, text: str, tool: str) -> None:
    (found,) = errors(write(text))
    assert found.code == "RCP3201"
    assert found.help.startswith(f"`recipe import {tool} ")
