"""A warning that was thought about stands in a comment on its line; nothing else can be silenced, and not without a word."""

import time
from pathlib import Path

import pytest
from program import recipe

from engine.language.allow import allowed
from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.nodes import Source, Span
from engine.language.resolve import resolve
from engine.pipeline import validate

HEADER = "apiVersion: wan-recipe/v1\nkind: recipe\nextends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]\n"
BODY = "data: {source: {kind: drawn, clips: 2, seed: 0}}\nsample: {prompts: {cat: a cat}}\ntrain:\n"
WARNS = "  learning_rate: 0"  # RCP4017


def codes(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "x.yaml").write_text(HEADER + BODY + text + "\n")
    try:
        found = resolve(tmp_path / "x.yaml").warnings
    except RecipeError as wrong:
        found = wrong.findings
    return [one.code + "!" * (one.severity == "error") for one in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (WARNS, ["RCP4017"]),
        (f"{WARNS}  # recipe: allow RCP4017 a control that must not learn", []),
        (f"  # recipe: allow RCP4017 a control that must not learn\n{WARNS}", []),
        (f"{WARNS}  # why not?  # recipe: allow RCP4017 a control", []),
        (f"\n# recipe: allow RCP4017 too far above\n\n{WARNS}", ["RCP2502", "RCP4017"]),
        (f"{WARNS}  # recipe: allow RCP4010 another one", ["RCP4017", "RCP2502"]),
        ("  seed: 1  # recipe: allow RCP4017 nothing to allow", ["RCP2502"]),
        (f"{WARNS}  # recipe: allow RCP4017", ["RCP4017", "RCP2501!"]),
        (f"{WARNS}  # recipe: allow", ["RCP4017", "RCP2501!"]),
        (f"{WARNS}  # recipe: allow RCP9999 no such code", ["RCP4017", "RCP2501!"]),
        ("  stesp: 1  # recipe: allow RCP2001 I like it so", ["RCP2001!", "RCP2501!"]),
        (f"  # recipe: allow RCP4017 a control\n  # recipe: allow RCP4018 not high\n{WARNS}", ["RCP2502"]),
        ("  stesp: 1\n  seed: 1  # recipe: allow RCP4017 rules were not asked", ["RCP2001!"]),
        ("  seed: 1  # recipe: allow RCP4107 only a plan knows the buckets", []),
        ("  seed: 1\nx-note: 'train: 1 # recipe: allow RCP4017 a text'", []),
        ("  seed: 1\nx-note: |\n  # recipe: allow RCP4017 a block\n  more", []),
        ("  seed: 1\nx-note: |\n  a block\n# recipe: allow RCP4017 behind a block\n", ["RCP2502"]),
    ],
)
def test_what_an_allowance_does(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert codes(tmp_path, text) == expected


def test_a_layer_alone_may_allow_what_only_a_recipe_shows(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(
        "apiVersion: wan-recipe/v1\nkind: flavour\nextends: [builtin:flavours/wan2.1-t2v-micro]\n"
        "train:\n  learning_rate: 0  # recipe: allow RCP4017 a control\n"
    )
    assert validate(tmp_path / "x.yaml") == ()


def test_a_flood_of_allowances_takes_no_longer_than_it_is_long() -> None:
    def seconds(lines: int) -> float:
        source = Source("x.yaml", "a: 1\n" * 300 + "# recipe: allow RCP4017 x\n" * lines, Path())
        started = time.perf_counter()
        assert len(allowed([], [source])) == lines
        return time.perf_counter() - started

    seconds(100)
    assert seconds(32_000) < 30 * seconds(4_000) + 1


def test_strict_takes_warnings_for_errors_but_not_those_that_are_allowed(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(HEADER + BODY + WARNS + "\n")
    assert recipe("validate", "x.yaml", cwd=tmp_path).returncode == 0
    done = recipe("validate", "--strict", "x.yaml", cwd=tmp_path)
    assert (done.returncode, "error[RCP4017]" in done.stderr) == (1, True)
    assert recipe("plan", "--strict", "x.yaml", cwd=tmp_path).returncode == 1
    (tmp_path / "x.yaml").write_text(HEADER + BODY + WARNS + "  # recipe: allow RCP4017 a control\n")
    assert recipe("validate", "--strict", "x.yaml", cwd=tmp_path).returncode == 0


def test_what_only_the_plan_finds_can_be_allowed_as_well() -> None:
    source = Source("x.yaml", "a: 1\ntrain: 2  # recipe: allow RCP4107 a trial with two clips\n", Path())
    few = Diagnostic("RCP4107", "too few", Span(source, 2, 1, 6), severity="warning")
    other = Diagnostic("RCP4103", "no caption", Span(source, 2, 1, 6), severity="warning")
    assert allowed([few, other], [source], by_plan=True) == [other]
