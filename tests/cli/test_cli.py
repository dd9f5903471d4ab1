"""The three verbs as a person meets them: words, exit codes, and never a traceback."""

import json
from pathlib import Path

import pytest
from conftest import ROOT
from program import recipe

GOOD = """apiVersion: wan-recipe/v1
kind: recipe
extends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]
data: {source: {kind: folder, path: clips}}
sample: {prompts: {cat: a cat}}
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "x.yaml").write_text(GOOD)
    return tmp_path


def test_a_valid_recipe_says_so_and_exits_0() -> None:
    done = recipe("validate", "recipes/examples/micro-cartoon.yaml")
    assert (done.returncode, done.stdout) == (0, "recipes/examples/micro-cartoon.yaml: valid\n")


def test_a_layer_can_be_validated_by_itself() -> None:
    assert recipe("validate", "recipes/hardware/cpu.yaml").returncode == 0


def test_a_wrong_recipe_exits_1_with_place_caret_and_count(here: Path) -> None:
    (here / "x.yaml").write_text(GOOD + "train: {adapter: {rnk: 3}}\n")
    done = recipe("validate", "x.yaml", cwd=here)
    assert done.returncode == 1
    assert "x.yaml:6:19: error[RCP2001]: unknown word `rnk` under `train.adapter`" in done.stderr
    assert "\n    6 | train: {adapter: {rnk: 3}}\n      |                   ^~~\n" in done.stderr
    assert "did you mean `rank`?" in done.stderr
    assert "1 problem" in done.stderr


def test_findings_can_be_read_by_a_machine(here: Path) -> None:
    (here / "x.yaml").write_text(GOOD + "train: {adapter: {rnk: 3}}\n")
    done = recipe("validate", "x.yaml", "--format", "json", cwd=here)
    (found,) = json.loads(done.stdout)["findings"]
    assert (found["code"], found["at"]["line"], found["at"]["column"]) == ("RCP2001", 6, 19)


def test_a_file_that_is_not_there_is_said_without_a_traceback(here: Path) -> None:
    done = recipe("plan", "gone.yaml", cwd=here)
    assert done.returncode == 1
    assert "cannot read" in done.stderr


def test_a_wrong_command_line_exits_2() -> None:
    assert recipe("validate").returncode == 2


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_clips_that_are_not_there_stop_plan_and_run_before_anything_is_written(here: Path, verb: str) -> None:
    before = sorted(here.rglob("*"))
    done = recipe(verb, "x.yaml", cwd=here)
    assert done.returncode == 1
    assert "x.yaml:4:37: error[RCP4101]: the folder" in done.stderr
    assert sorted(here.rglob("*")) == before


def test_a_plan_can_be_read_by_a_machine() -> None:
    done = recipe("plan", "recipes/examples/micro-cartoon.yaml", "--format", "json")
    made = json.loads(done.stdout)
    assert made["steps"][0]["stage"] == "fetch_model"
    assert {step["action"] for step in made["steps"]} <= {"run", "reuse", "partial", "resume"}
    assert made["findings"] == []


def test_a_plan_of_the_quickstart_needs_no_network_and_says_what_will() -> None:
    done = recipe("plan", "recipes/examples/wan21-disney.yaml")
    assert done.returncode == 0
    assert done.stdout.count("network") == 2
    assert "warning[RCP4004]" in done.stderr


def test_set_is_the_last_layer(here: Path) -> None:
    done = recipe("validate", "x.yaml", "--set", "train.adapter.rank=0", cwd=here)
    assert "--set #1:1:20: error[RCP2002]: `train.adapter.rank` is 0; it must be at least 1" in done.stderr


def test_a_tab_is_told_to_be_one(here: Path) -> None:
    (here / "x.yaml").write_text(GOOD + "train:\n\tsteps: 3\n")
    done = recipe("validate", "x.yaml", cwd=here)
    assert "x.yaml:7:1: error[RCP1001]" in done.stderr
    assert "spaces, never with tabs" in done.stderr


@pytest.mark.parametrize("option", ["--store", "--output"])
def test_a_folder_that_is_a_file_is_said_before_anything_runs(here: Path, option: str) -> None:
    (here / "file").write_text("mine")
    done = recipe("run", str(ROOT / "recipes/examples/micro-cartoon.yaml"), option, "file", cwd=here)
    assert done.returncode == 8
    assert "/file: " in done.stderr or "error: file: " in done.stderr
    assert (here / "file").read_text() == "mine"
