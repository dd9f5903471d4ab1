"""Links in a circle, pipes and devices are no recipes: every verb says so, and none waits for one or breaks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from engine.cli.main import VERBS

VERBS_OF_FILES = {
    "validate": ["x"], "plan": ["x"], "run": ["x"], "survey": ["x"], "resolve": ["x"], "why": ["train.steps", "x"], "diff": ["x", "x"], "lock": ["x"],
    "vendor": ["x", "-o", "copy"], "card": ["x", "-o", "card"], "fmt": ["x"], "migrate": ["x"], "import": ["simpletuner", "x"],
}  # fmt: skip


def test_every_verb_that_reads_a_file_is_asked() -> None:
    no_file = {"verify", "init", "list", "show", "copy", "doc", "explain", "schema"}
    assert {*VERBS_OF_FILES, *no_file} == {*VERBS}


@pytest.mark.parametrize("verb", VERBS_OF_FILES)
@pytest.mark.parametrize("kind", ["loop", "pipe", "device"])
def test_what_is_no_plain_file_is_said(recipe, tmp_path: Path, verb: str, kind: str) -> None:
    file = tmp_path / "x"
    if kind == "pipe":
        os.mkfifo(file)
    else:
        file.symlink_to("x" if kind == "loop" else "/dev/zero")
    done = recipe(verb, *VERBS_OF_FILES[verb])
    assert done.code == 1
    assert "error[RCP1006]: cannot read" in done.err
    assert ("levels of symbolic links" if kind == "loop" else "not a plain file") in done.err


def test_a_layer_that_is_a_link_in_a_circle_is_one_that_is_not_there(recipe, tmp_path: Path) -> None:
    (tmp_path / "y.yaml").symlink_to("y.yaml")
    (tmp_path / "x.yaml").write_text("apiVersion: wan-recipe/v1\nkind: recipe\nextends: [y.yaml]\n")
    done = recipe("validate", "x.yaml")
    assert (done.code, "there is no layer `y.yaml`" in done.err) == (1, True)


def test_standard_input_is_read_where_it_is_a_file_and_else_refused(tmp_path: Path) -> None:
    text = (
        "apiVersion: wan-recipe/v1\nkind: recipe\nextends: [builtin:flavours/wan2.1-t2v-micro, builtin:hardware/cpu]\n"
        "data: {source: {kind: drawn, clips: 2, seed: 0}}\nsample: {prompts: {cat: a cat}}\n"
    )
    (tmp_path / "x.yaml").write_text(text)
    command = [sys.executable, "-m", "engine.cli", "validate", "/dev/stdin"]
    kept = {
        "cwd": tmp_path,
        "env": os.environ | {"PYTHONPATH": str(ROOT)},
        "capture_output": True,
    }
    with (tmp_path / "x.yaml").open() as file:
        assert subprocess.run(command, stdin=file, text=True, check=False, **kept).returncode == 0
    piped = subprocess.run(command, input=text, text=True, check=False, **kept)
    assert piped.returncode == 1
    assert "/dev/stdin: it is not a plain file" in piped.stderr
    assert "save it in a file first" in piped.stderr
