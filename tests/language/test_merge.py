"""The rules of merging, as a table; the same table stands in docs/language.md."""

import re
from pathlib import Path

import pytest

from engine.language.layers import Layer
from engine.language.merge import leaves, merge, values
from engine.language.nodes import Mapping, Source, plain
from engine.language.read import read_text


def layer(name: str, text: str) -> Layer:
    node, findings = read_text(Source(name, text, Path()))
    assert findings == []
    assert isinstance(node, Mapping)
    return Layer(name, node)


def merged(*texts: str):
    layers = [layer(f"layer {number}", text) for number, text in enumerate(texts)]
    return merge(layers, layers[-1].node.span)


def triples(root: Path) -> list[list[str]]:
    """The table in the docs: what a parent says, what a child says, what comes out."""
    rows = re.findall(
        r"^\| `(.+?)` \| `(.+?)` \| `(.+?)` \|", (root / "docs" / "language.md").read_text(), re.MULTILINE
    )
    assert len(rows) >= 26, "the table of merges moved"
    return [list(row) for row in rows]


def test_the_table_in_the_docs_is_what_happens(root: Path) -> None:
    for parent, child, result in triples(root):
        found, findings = merged(f"train: {parent}", f"train: {child}")
        if result.startswith("RCP"):
            assert [finding.code for finding in findings] == [result], f"{parent} + {child}"
            continue
        expected, _ = read_text(Source("table", f"train: {result}", Path()))
        assert findings == []
        assert values(found) == plain(expected), f"{parent} + {child}"


def test_a_value_knows_everyone_who_set_it() -> None:
    found, _ = merged("train: {steps: 1}", "train: {seed: 2}", "train: {steps: 3}")
    origins = {path: [origin.layer for origin in leaf.origins] for path, leaf in leaves(found)}
    assert origins == {"train.steps": ["layer 2", "layer 0"], "train.seed": ["layer 1"]}


def test_headers_are_not_inherited() -> None:
    found, _ = merged("title: base\ntrain: {steps: 1}", "train: {seed: 2}")
    assert "title" not in values(found)


@pytest.mark.parametrize(("parent", "child"), [("{a: 1}", "3"), ("3", "{a: 1}")])
def test_a_section_and_a_value_do_not_merge(parent: str, child: str) -> None:
    _, (found,) = merged(f"train: {{adapter: {parent}}}", f"train: {{adapter: {child}}}")
    assert found.code == "RCP2202"
    assert [span.source.name for _, span in found.related] == ["layer 0"]
