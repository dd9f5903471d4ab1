"""A file and its layers in one: no comment about a word that counts is lost, and none is said twice."""

from collections import Counter
from pathlib import Path

import pytest
from authoring.test_migrate import commented, numbers, up
from hypothesis import given, settings

from engine.authoring.flat import flat
from engine.authoring.form import formed
from engine.authoring.tokens import comments
from engine.language.nodes import Source

HEADER = "apiVersion: wan-recipe/v1\nkind: recipe\n"
TABLE = {
    "above and beside": ("# above\ndata:  # beside\n  # f\n  frames: 9 # g\n", "# above\ndata:  # beside\n  # f\n  frames: 9  # g\n"),
    "behind a list in brackets": ("sample:\n  sizes: [1, 2]  # why\n", "sample:\n  sizes: [1, 2]  # why\n"),
    "within a list in brackets": ("sample:\n  sizes: [1, # one\n    2]  # two\n", "sample:\n  # one\n  # two\n  sizes: [1, 2]\n"),
    "above and in a list of lines": (
        "sample:\n  # above\n  sizes:  # beside\n    # one\n    - 1  # first\n    - 2\n  # of steps\n  steps: 3\n",
        "sample:\n  # above\n  # beside\n  # one\n  # first\n  sizes: [1, 2]\n  # of steps\n  steps: 3\n",
    ),
    "in the head of a text": ("data:\n  a: | # head\n    b # no comment\n", 'data:\n  # head\n  a: "b # no comment\\n"\n'),
    "a section in brackets": ("data: {a: 1, # a\n  b: 2} # b\n", "data:\n  a: 1  # a\n  b: 2  # b\n"),
    "one line that words share": ("# above\ndata: {a: 1, b: 2}  # beside\n", "# above\ndata:\n  a: 1\n  b: 2  # beside\n"),
    "an empty section": ("data: {}  # none\n", "data: {}  # none\n"),
    "at the end of a section": ("data:\n  a: 1\n  # last\nsample:\n  steps: 3\n", "data:\n  # last\n  a: 1\n\nsample:\n  steps: 3\n"),
}  # fmt: skip


def in_one(folder: Path, text: str) -> str:
    (folder / "x.yaml").write_text(text)
    return flat(folder / "x.yaml", "x")


@pytest.mark.parametrize(("text", "wanted"), TABLE.values(), ids=TABLE.keys())
def test_comments_stay_with_their_words(tmp_path: Path, text: str, wanted: str) -> None:
    assert in_one(tmp_path, HEADER + text) == f"# In one file: x\n{HEADER}\n{wanted}"


def test_the_comments_of_lower_layers_and_of_the_header_are_kept(tmp_path: Path) -> None:
    (tmp_path / "y.yaml").write_text(
        "# y\napiVersion: wan-recipe/v1\nkind: flavour\ntrain:\n  seed: 1  # of y\n  steps: 2  # old\n"
    )
    made = in_one(tmp_path, f"# x\n{HEADER}title: t  # of t\nextends: [y.yaml]\ntrain: {{steps: 3}}  # new\n")
    assert comments(made)[1:] == [" x", " of t", " of y", " new"]


@settings(max_examples=100, deadline=None)
@given(commented(brackets=False))
def test_every_comment_of_a_file_is_said_once(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    made = in_one(tmp_path_factory.getbasetemp(), up(text))
    assert Counter(numbers(made)) == Counter(numbers(text))
    assert formed(Source("x", made, Path())) == made
