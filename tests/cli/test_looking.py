"""``resolve``, ``why`` and ``diff`` as a person meets them."""

import json
from pathlib import Path

import pytest
from conftest import ROOT
from program import recipe

from engine import pipeline
from engine.language.overrides import sets
from engine.language.resolve import resolve
from engine.plan.compare import Effect, affected
from engine.stages import STAGES

MICRO = "recipes/examples/micro-cartoon.yaml"


def line_of(text: str) -> int:
    lines = (ROOT / MICRO).read_text().splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


EXAMPLES = sorted((ROOT / "recipes" / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_what_resolve_prints_is_the_same_recipe(path: Path, tmp_path: Path) -> None:
    once = recipe("resolve", str(path))
    (tmp_path / "r.yaml").write_text(once.stdout)
    assert recipe("resolve", str(tmp_path / "r.yaml")).stdout == once.stdout
    assert "extends" not in once.stdout
    mine, _, _ = pipeline.plan(path, (), tmp_path / "store")
    same, _, _ = pipeline.plan(tmp_path / "r.yaml", (), tmp_path / "store")
    assert [step.spec for step in mine.steps] == [step.spec for step in same.steps]
    assert [step.key for step in mine.steps] == [step.key for step in same.steps]
    assert any(step.key for step in mine.steps)


def test_resolve_says_who_set_each_value() -> None:
    lines = recipe("resolve", MICRO, "--show-origin", "--set", "train.steps=7").stdout.splitlines()
    assert "  steps: 7  # --set #1:1:13" in lines
    assert "  fps: 16  # builtin:base/wan:9:8" in lines


def test_resolve_as_json_has_every_origin() -> None:
    made = json.loads(recipe("resolve", MICRO, "--format", "json").stdout)
    assert made["values"]["train"]["steps"] == 400
    assert [origin["layer"] for origin in made["origins"]["train.steps"]] == [MICRO, "builtin:base/wan"]
    assert made["origins"]["train.steps"][0]["at"]["line"] == line_of("steps: 400")


def test_why_shows_the_stack_with_the_winner_first() -> None:
    said = recipe("why", "train.learning_rate", MICRO).stdout
    assert said.splitlines()[0] == "train.learning_rate: 0.002"
    assert said.index(MICRO) < said.index("builtin:base/wan")
    assert f"overridden by {MICRO}" in said


def test_why_of_a_section_says_what_another_kind_dropped() -> None:
    said = recipe("why", "train.optimizer", "recipes/examples/wan21-disney.yaml").stdout
    assert "it said betas, epsilon, weight_decay" in said


def test_why_of_a_word_of_another_kind_says_which_kind_it_is() -> None:
    done = recipe("why", "train.optimizer.epsilon", "recipes/examples/wan21-disney.yaml")
    assert done.returncode == 2
    assert "is lion" in " ".join(done.stderr.split())


def test_equal_recipes_do_not_differ(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(recipe("resolve", MICRO).stdout)
    done = recipe("diff", MICRO, str(tmp_path / "r.yaml"))
    assert (done.returncode, done.stdout) == (0, "no stage runs again\n")


def test_different_recipes_exit_1_and_show_values_places_and_stages(tmp_path: Path) -> None:
    text = (ROOT / MICRO).read_text().replace("learning_rate: 2e-3", "learning_rate: 1e-3")
    (tmp_path / "y.yaml").write_text(text)
    done = recipe("diff", MICRO, str(tmp_path / "y.yaml"))
    assert done.returncode == 1
    line = line_of("learning_rate")
    assert done.stdout.startswith(
        f"train.learning_rate: 0.002 ({MICRO}:{line}:18) → 0.001 ({tmp_path / 'y.yaml'}:{line}:18)\n"
    )
    assert "train         runs again: train.learning_rate" in done.stdout


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("train.steps=500", {"train": Effect.RESUMES, "export": Effect.INPUT, "sample": Effect.INPUT}),
        ("train.seed=5", {"train": Effect.AGAIN, "export": Effect.INPUT, "sample": Effect.INPUT}),
        ("sample.seed=5", {"sample": Effect.AGAIN}),
        ("train.checkpoints.every=7", {}),
        ("hardware.threads=2", {}),
    ],
)
def test_the_effect_of_a_change_follows_from_the_classes_of_words(
    change: str,
    expected: dict[str, Effect],
) -> None:
    before, after = resolve(ROOT / MICRO), resolve(ROOT / MICRO, sets(change))
    assert {one.stage: one.effect for one in affected(before, after, STAGES)} == expected


def test_another_folder_is_looked_at_by_its_content(tmp_path: Path) -> None:
    body = ("apiVersion: wan-recipe/v1\nkind: recipe\nextends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]\n"
            "data: {source: {kind: folder, path: %s}}\nsample: {prompts: {cat: a cat}}\n")  # fmt: skip
    (tmp_path / "x.yaml").write_text(body % "a")
    (tmp_path / "y.yaml").write_text(body % "b")
    (tmp_path / "z.yaml").write_text(body % str(tmp_path / "a"))
    done = recipe("diff", "x.yaml", "y.yaml", "--format", "json", cwd=tmp_path)
    stages = {one["stage"]: one["effect"] for one in json.loads(done.stdout)["stages"]}
    assert stages["survey"] == Effect.CONTENT
    assert recipe("diff", "x.yaml", "z.yaml", cwd=tmp_path).returncode == 0, "the same folder by another path"


def test_why_answers_of_a_recipe_with_problems_and_in_either_order(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(
        (ROOT / MICRO).read_text().replace("steps: 400", "steps: 400\n  stesp: 3")
    )
    done = recipe("why", "x.yaml", "train.steps", cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "train.steps: 400")
    assert "has problems" in done.stderr


def test_why_of_the_last_part_of_a_word_says_the_whole() -> None:
    assert "train.adapter.rank" in " ".join(recipe("why", "rank", MICRO).stderr.split())
