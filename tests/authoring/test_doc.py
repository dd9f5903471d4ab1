"""`recipe doc` knows every word, by our name or by another trainer's."""

import shlex
from pathlib import Path

import pytest
from conftest import ROOT

from engine.authoring.defaults import default
from engine.authoring.doc import doc
from engine.authoring.effects import may_follow, readers, run_again
from engine.language.diagnostics import RecipeError
from engine.language.foreign import foreign
from engine.language.nodes import Source, plain
from engine.language.overrides import sets
from engine.language.read import read_text
from engine.language.resolve import check_layers, resolve
from engine.words.classes import CacheClass
from engine.words.table import HEADER_WORDS, MEANINGS, WORDS


def test_of_a_word_everything_is_said(recipe) -> None:
    said = recipe("doc", "train.adapter.rank").out
    line = next(
        number
        for number, text in enumerate((ROOT / "recipes/base/wan.yaml").read_text().splitlines(), start=1)
        if "rank:" in text
    )
    for part in ("Rank of the factors.", "whole number ≥ 1 ≤ 10000", f"16   ({ROOT}/recipes/base/wan.yaml:{line})",
                 "a later layer replaces it", "identity:", "rehearse, train, export, sample",
                 "any file but a hardware profile", "train: {adapter: {rank: 16}}", "--set train.adapter.rank=16"):  # fmt: skip
        assert part in said, part


@pytest.mark.parametrize("path", [*MEANINGS, *HEADER_WORDS, "$append", "$unset"])
def test_every_word_and_section_has_a_page(path: str) -> None:
    assert doc(path).startswith(f"{path}\n  ")


@pytest.mark.parametrize("path", WORDS)
def test_the_example_of_every_word_is_valid_where_it_says(path: str, tmp_path: Path) -> None:
    (line,) = [line for line in doc(path).splitlines() if line.startswith("  example")]
    text = line.removeprefix("  example").strip()
    (tmp_path / "x.yaml").write_text(f"apiVersion: wan-recipe/v1\nkind: flavour\n{text}\n")
    assert [found for found in check_layers(tmp_path / "x.yaml") if found.severity == "error"] == []
    value = plain(read_text(Source("", text, Path()))[0])
    for part in path.split("."):
        value = value[part]
    assert value is not None


SETTABLE = """apiVersion: wan-recipe/v1
kind: recipe
extends: [builtin:flavours/wan2.1-t2v-1.3b]
data: {source: {kind: drawn, clips: 2, seed: 0}}
sample: {prompts: {cat: a cat}}
"""


def slips(path: Path, argument: str) -> list[str]:
    try:
        resolve(path, sets(argument))
    except RecipeError as wrong:
        # what a rule has against the value, such as a teacher without its folder, is another matter
        return [found.message for found in wrong.findings if found.code in ("RCP2001", "RCP2002", "RCP2003")]
    return []


@pytest.mark.parametrize(
    "path", [path for path in WORDS if path.startswith(("train.", "sample.", "hardware."))]
)
def test_what_is_told_to_set_can_be_set(path: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(SETTABLE)
    _, argument = shlex.split(doc(path).splitlines()[-1])
    assert slips(tmp_path / "x.yaml", argument) == []


def test_the_default_is_what_the_base_says() -> None:
    base = plain(read_text(Source("", (ROOT / "recipes/base/wan.yaml").read_text(), Path()))[0])
    for path in WORDS:
        value = base
        for part in path.split("."):
            value = value.get(part, None) if isinstance(value, dict) else None
        assert (default(path).value if default(path) else None) == value, path


@pytest.mark.parametrize(
    "said", ["lr", "lora_rank", "network_dim", "gradient_accumulation_steps", "cfg", "sdpa", "linear_alpha"]
)
def test_a_name_of_another_trainer_leads_home(said: str) -> None:
    other = foreign(said)
    assert other is not None
    word = other.word
    assert doc(said).startswith(f"`{said}` is called `{word}` here")
    assert f"\n{word}\n" in doc(said)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("train.adapter.rnk", "did you mean train.adapter.rank?"),
        ("rnk", "did you mean train.adapter.rank?"),
        ("seed", "train.seed, sample.seed"),
        ("masked_loss", "is not taken"),
        ("quux", "docs/reference.md"),
    ],
)
def test_what_is_no_word_exits_2_with_a_way_out(recipe, said: str, words: str) -> None:
    done = recipe("doc", said)
    assert done.code == 2
    assert words in " ".join(done.err.replace("│", " ").split())


def test_a_part_of_a_name_is_enough_where_only_one_word_has_it() -> None:
    assert doc("rank").startswith("train.adapter.rank\n")
    assert doc("sample.prompts.cat").startswith("sample.prompts\n")


@pytest.mark.parametrize("path", WORDS)
def test_only_words_that_count_send_stages_to_work(path: str) -> None:
    counts = WORDS[path].cache in (CacheClass.IDENTITY, CacheClass.EXTEND, CacheClass.LOCATION)
    assert bool(run_again(path)) == counts
    assert set(run_again(path)) <= set(readers(path))
    assert not set(may_follow(run_again(path))) & set(run_again(path))
