"""What comes with the program can be listed, read, and begun with."""

from pathlib import Path

import pytest
from conftest import ROOT

from engine.authoring.browse import builtins, find
from engine.authoring.form import formed
from engine.language.builtin import builtin_names
from engine.language.nodes import Source
from engine.language.resolve import check_layers, kind_of, resolve

NAMES = builtin_names()


def test_list_shows_all_with_their_titles(recipe) -> None:
    said = recipe("list").out.splitlines()
    assert [line.split()[0] for line in said] == [one.name for one in builtins()]
    assert sorted(line.split()[0] for line in said) == list(NAMES)
    assert any("Micro Wan 2.1 T2V, random weights" in line for line in said)
    assert all(one.title for one in builtins())


@pytest.mark.parametrize("kind", ["example", "flavour", "hardware", "base"])
def test_list_can_show_one_kind(recipe, kind: str) -> None:
    said = recipe("list", "--kind", kind).out.splitlines()
    assert said
    assert all(line.startswith(kind) for line in said)


@pytest.mark.parametrize("name", ["builtin:hardware/cpu", "hardware/cpu", "cpu"])
def test_show_prints_the_file(recipe, name: str) -> None:
    assert recipe("show", name).out == (ROOT / "recipes/hardware/cpu.yaml").read_text()


@pytest.mark.parametrize("verb", ["show", "copy"])
def test_a_name_that_there_is_not_exits_2_with_the_nearest(recipe, verb: str, tmp_path: Path) -> None:
    done = recipe(verb, "wan2.1-t2v-micr")
    assert done.code == 2
    assert "did you mean `wan2.1-t2v-micro`?" in " ".join(done.err.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_is_a_few_lines_in_form_that_say_the_same(recipe, name: str, tmp_path: Path) -> None:
    assert recipe("copy", name, "x.yaml").code == 0
    text = (tmp_path / "x.yaml").read_text()
    assert len(text.splitlines()) <= 6
    assert formed(Source("x", text, tmp_path)) == text
    if kind_of(tmp_path / "x.yaml") == "recipe":
        assert resolve(tmp_path / "x.yaml").values == resolve(find(name).file).values
    else:
        check_layers(tmp_path / "x.yaml")


@pytest.mark.parametrize("name", NAMES)
def test_a_flat_copy_extends_nothing_and_says_the_same(recipe, name: str, tmp_path: Path) -> None:
    assert recipe("copy", name, "x.yaml", "--flat").code == 0
    text = (tmp_path / "x.yaml").read_text()
    assert "extends:" not in text
    assert formed(Source("x", text, tmp_path)) == text
    if kind_of(tmp_path / "x.yaml") == "recipe":
        made, there = resolve(tmp_path / "x.yaml"), resolve(find(name).file)
        assert made.values == there.values
        assert len(made.layers) == 1
    else:
        check_layers(tmp_path / "x.yaml")
    assert recipe("show", name, "--resolved").out == text


def test_a_flat_copy_keeps_comments_and_spelling(recipe) -> None:
    text = recipe("show", "micro-cartoon", "--resolved").out
    assert "threads: 1  # so small a model gains nothing from a second thread\n" in text
    assert "epsilon: 1e-8\n" in text
    assert "# The first recipe to run:" in text
    assert "  # the official negative prompt of Wan" in recipe("show", "wan2.1-t2v-1.3b", "--resolved").out


@pytest.mark.parametrize("flags", [[], ["--flat"]])
def test_a_copy_never_writes_over_a_file(recipe, flags: list[str], tmp_path: Path) -> None:
    (tmp_path / "cpu.yaml").write_text("mine")
    done = recipe("copy", "cpu", *flags)
    assert done.code == 2
    assert "nothing is written over" in " ".join(done.err.replace("│", " ").split())
    assert (tmp_path / "cpu.yaml").read_text() == "mine"


@pytest.mark.parametrize("which", ["layer", "resolved"])
def test_the_schemas_are_served(recipe, which: str) -> None:
    file = ROOT / "schemas" / "v1" / f"{which}.schema.json"
    assert recipe("schema", which).out == file.read_text()
    assert recipe("schema", which, "--path").out == f"{file}\n"
