"""What README and docs say is what happens: their recipes are valid, their commands are CI's, their links lead somewhere."""

import ast
import math
import re
from math import prod
from pathlib import Path
from statistics import NormalDist
from types import UnionType
from typing import get_args

import pytest
from conftest import ROOT

from engine.cli import main
from engine.endings import EXIT_BUG, EXIT_FAILED, EXIT_INTERRUPTED
from engine.language.codes import CODES
from engine.language.resolve import resolve
from engine.stages.train.layers import linear_layers, match, model_bytes
from engine.stages.train.shapes import adapter_shapes
from engine.words.adapter import Adapter, Dora, Loha, Lokr, Lora
from engine.words.model import Transformer
from engine.words.train import Train

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
assert len(PAGES) > 6


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


RECIPES = [pytest.param(text, id=page.name) for page in PAGES for text in blocks(page, "yaml")]
TRAINING = ROOT / "docs" / "training.md"
# what a page leaves out that shows no more of a recipe than it is about
AROUND = """\
apiVersion: wan-recipe/v1
kind: recipe
extends: ["builtin:flavours/wan2.1-t2v-1.3b", "builtin:hardware/rtx-4090-24gb"]
sample:
  prompts: {cat: A black cat walks to the right past two houses under a crescent moon.}
"""
DATA = "data: {source: {kind: folder, path: clips}}\n"


def whole(text: str) -> str:
    """A recipe as it stands in a page, with what is left out around a part of one."""
    if text.startswith("apiVersion:"):
        return text
    return AROUND + ("" if text.startswith("data:") else DATA) + text


def test_there_are_recipes_in_the_docs() -> None:
    assert len(RECIPES) >= 2
    assert len(blocks(TRAINING, "yaml")) >= 15


@pytest.mark.parametrize("text", RECIPES)
def test_a_recipe_in_the_docs_is_valid(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(whole(text))
    assert resolve(tmp_path / "x.yaml").recipe.train.steps > 0


@pytest.mark.parametrize("text", blocks(TRAINING, "yaml"))
def test_nothing_warns_of_what_the_page_about_training_shows(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(whole(text))
    assert [warning.message for warning in resolve(tmp_path / "x.yaml").warnings] == []


def test_the_page_about_training_speaks_of_every_word_and_every_kind() -> None:
    page = TRAINING.read_text()
    kinds = {
        kind
        for field in Train.model_fields.values()
        if isinstance(field.annotation, UnionType)
        for choice in get_args(field.annotation)
        for kind in get_args(choice.model_fields["kind"].annotation)
    }
    assert len(kinds) > 20
    unsaid = {word for word in {*Train.model_fields, *kinds} if not re.search(rf"\b{word}\b", page)}
    assert unsaid == set()


def rows(head: str) -> list[list[str]]:
    """The cells below the head of a table of the page about training, of which the first cells are given."""
    table = re.search(rf"^{re.escape(head)}.*\n\|[ |-]+\n((?:\|.*\n)+)", TRAINING.read_text(), re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[1].splitlines()]


def test_every_formula_of_training_has_tests_that_there_are() -> None:
    table = rows("| formula |")
    assert len(table) > 50
    for formula, _, said in table:
        tests = re.findall(r"`([\w/]+\.py)::(test_\w+)`", said)
        assert tests, f"no test holds {formula}"
        for file, test in tests:
            assert test in functions(ROOT / "tests" / file), f"{formula}: {file} has no {test}"


def functions(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


WAN = {
    "1.3B": Transformer(
        layers=30, heads=12, head_width=128, feed_forward_width=8960, in_channels=16, out_channels=16, text_width=4096,
        time_width=256, longest_side=1024,
    ),
    "14B": Transformer(
        layers=40, heads=40, head_width=128, feed_forward_width=13824, in_channels=16, out_channels=16, text_width=4096,
        time_width=256, longest_side=1024,
    ),
}  # fmt: skip
ATTENTION, FEED_FORWARD = r".*\.attn[12]\..*", r".*\.ffn\..*"


def sized(kind: str, rank: int) -> Adapter:
    said = {"kind": kind, "rank": rank, "alpha": 1.0, "dropout": 0.0, "targets": [ATTENTION]}
    return (
        Lokr(**said, factor=16)
        if kind == "lokr"
        else {"lora": Lora, "dora": Dora, "loha": Loha}[kind](**said)
    )


def test_adapters_have_the_sizes_that_the_docs_say() -> None:
    table = rows("| adapter |")
    assert len(table) == 6
    for name, *counts in table:
        kind, rank = re.fullmatch(r"`(\w+)`, rank (\d+)(?:, factor 16)?", name).groups()
        found = [
            sum(
                prod(shape)
                for own in adapter_shapes(sized(kind, int(rank)), on).values()
                for shape in own.values()
            )
            for wan in WAN.values()
            for targets in ([ATTENTION], [ATTENTION, FEED_FORWARD])
            for layers in [linear_layers(wan)]
            for on in [{layer: layers[layer] for layer in match(layers, targets).names}]
        ]
        assert counts == [f"{count:,}" for count in found]


def test_the_denoiser_has_the_bytes_that_the_docs_say() -> None:
    for (*_, small, large, _), quantize in zip(rows("| | quantised |"), ("none", "int8", "fp8"), strict=True):
        found = [f"{model_bytes(wan, 'bf16', quantize) / 1e9:.2f} GB" for wan in WAN.values()]
        assert [small, large] == found


QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
LEVELS = {
    "logit-normal(0, 1)": lambda u: 1 / (1 + math.exp(-NormalDist().inv_cdf(u))),
    "uniform": lambda u: u,
    "beta(2, 2)": lambda u: 0.5 - math.sin(math.asin(1 - 2 * u) / 3),  # the root of 3σ² − 2σ³ = u
    "mode(1.29)": lambda u: u - 1.29 * (math.sin(math.pi * u / 2) ** 2 - u),  # with 1 − u for u
}


def test_noise_levels_have_the_quantiles_that_the_docs_say() -> None:
    table = rows("| levels, shift |")
    assert len(table) == 9
    for name, *said in table:
        levels, shift = name.rsplit(", ", 1)
        found = [LEVELS[levels](u) for u in QUANTILES]
        shifted = [int(shift) * sigma / (1 + (int(shift) - 1) * sigma) for sigma in found]
        assert said == [f"{sigma:.3f}"[1:] for sigma in shifted]


def test_the_commands_of_the_readme_are_what_ci_runs() -> None:
    said = [line for text in blocks(ROOT / "README.md", "sh") for line in text.splitlines()]
    ran = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("python3")]
    assert said == ran == ["python3 make.py demo", "python3 make.py test"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())
    gone = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert gone == []


def test_every_shipped_file_of_the_tree_in_the_readme_exists() -> None:
    tree = re.search(r"^```\nrecipes/ .*?^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert tree is not None
    names = re.findall(r"^(?:  )?([\w./]+(?: [\w./]+)?)  ", tree[0], re.MULTILINE)
    missing = [name for line in names for name in line.split()
               if not ((ROOT / name).exists() or (ROOT / "engine" / name).exists())]  # fmt: skip
    assert missing == []


def test_the_exit_codes_are_the_same_in_the_docs_and_in_the_program() -> None:
    rows = re.compile(r"^\| (\d+) \| (.+) \|$", re.MULTILINE)
    told = dict(rows.findall((ROOT / "docs" / "language.md").read_text()))
    assert told == dict(rows.findall(main.__doc__ or ""))
    used = {known.exit for known in CODES.values()} | {
        main.EXIT_MACHINE,
        EXIT_FAILED,
        EXIT_BUG,
        EXIT_INTERRUPTED,
    }
    assert used | {0, 2, 130} == set(map(int, told))
