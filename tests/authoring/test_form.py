"""`recipe fmt` changes the form of a file and nothing else."""

import re
from pathlib import Path

import pytest
from authoring.messy import documents
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.authoring import form as form_module
from engine.authoring.edits import readable
from engine.authoring.form import formed, same
from engine.language.builtin import builtin_file, builtin_names
from engine.language.nodes import Source
from engine.language.read import read_text


def source(text: str) -> Source:
    return Source("x.yaml", text, Path())


def form(text: str) -> str:
    return formed(source(text))


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
@given(documents())
def test_any_file_keeps_what_it_says_and_its_comments_and_is_in_form_at_once(text: str) -> None:
    before, findings = read_text(source(text))
    if before is None or any(found.severity == "error" for found in findings):
        return
    made = form(text)
    after, _ = read_text(source(made))
    assert after is not None
    assert same(before, after)
    assert form(made) == made
    marks = r"c1|c2|deep|no space|beside|in it|of the section|no comment|tab"
    assert sorted(re.findall(marks, text)) == sorted(re.findall(marks, made))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents(), st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from([b"", b"\xef\xbb\xbf"]))
def test_line_ends_and_the_mark_before_a_file_make_no_difference(
    tmp_path_factory: pytest.TempPathFactory, text: str, ends: str, mark: bytes
) -> None:
    before, findings = read_text(source(text))
    if before is None or any(found.severity == "error" for found in findings):
        return
    file = tmp_path_factory.getbasetemp() / "ends.yaml"
    file.write_bytes(mark + text.replace("\n", ends).encode())
    assert formed(readable(file)[0]) == form(text)


TABLE = {
    "two spaces an indent": ("train:\n      lora:\n         rank: 4\n", "train:\n  lora:\n    rank: 4\n"),
    "dashes below their key": ("data:\n  a:\n  - 1\n  -   2\n", "data:\n  a:\n    - 1\n    - 2\n"),
    "a mapping behind a dash": ("a:\n-   b: 1\n    c: 2\n", "a:\n  - b: 1\n    c: 2\n"),
    "dashes behind a dash": ("a:\n  -   - 1\n      - 2\n", "a:\n  - - 1\n    - 2\n"),
    "one space behind a colon": ("title:    x\nmeta :  {a : 1,b:  2}\n", "title: x\nmeta: {a: 1, b: 2}\n"),
    "no space inside of brackets": ("a: [ 1 ,2 ]\nb: { c: 1 }\n", "a: [1, 2]\nb: {c: 1}\n"),
    "true and null are spelt one way": ("a: True\nb: [NULL, ~, FALSE]\n", "a: true\nb: [null, null, false]\n"),
    "a text that looks like true stays": ('a: "True"\nb: \'~\'\n', 'a: "True"\nb: \'~\'\n'),
    "quotes stay": ("a: 'x'\nb: \"x\"\nc: x\n", "a: 'x'\nb: \"x\"\nc: x\n"),
    "no spaces at the end": ("a: 1  \n  \nb: 2\t\n", "a: 1\n\nb: 2\n"),
    "a line end at the end": ("a: 1", "a: 1\n"),
    "a text without a line end gets none": ("a: |\n  x", "a: |-\n  x\n"),
    "spaces behind a text that keeps its line ends are no line": ("a: |+\n  x\n  ", "a: |+\n  x\n"),
    "spaces of a block text stay": ("a: |\n  x  \n    y\n", "a: |\n  x  \n    y\n"),
    "empty lines that a text keeps stay": ("title: |+\n  x\n\n\ntrain: {}\n", "title: |+\n  x\n\n\ntrain: {}\n"),
    "one blank line in a row": ("a: 1\n\n\n\nb: 2\n", "a: 1\n\nb: 2\n"),
    "no blank line at either end": ("\n\na: 1\n\n\n", "a: 1\n"),
    "a blank line above a section": ("title: x\ntrain: {}\nsample: {}\n", "title: x\n\ntrain: {}\n\nsample: {}\n"),
    "the header is in order": ("kind: recipe\napiVersion: v\n", "apiVersion: v\nkind: recipe\n"),
    "sections are in order and bring their comments": (
        "# head\n\n# of sample\nsample: {}  # beside\n# of train\ntrain:\n  steps: 1\n  # last of train\n",
        "# head\n\n# of train\ntrain:\n  steps: 1\n  # last of train\n\n# of sample\nsample: {}  # beside\n",
    ),
    "a comment at the head stays there": ("# head\nkind: recipe\napiVersion: v\n", "# head\napiVersion: v\nkind: recipe\n"),
    "a line for editors stays the first": (
        "# yaml-language-server: $schema=x\nsample: {}\ntrain: {}\n",
        "# yaml-language-server: $schema=x\ntrain: {}\n\nsample: {}\n",
    ),
    "a comment at the end stays there": ("sample: {}\ntrain: {}\n\n# end\n", "train: {}\n\nsample: {}\n\n# end\n"),
    "unknown words stay behind": ("own: 1\nkind: recipe\n", "kind: recipe\nown: 1\n"),
    "aliases stay behind their anchors": ("sample: &a {}\ntrain: *a\n", "sample: &a {}\n\ntrain: *a\n"),
    "an alias as a key keeps its space": ("a: &x b\n*x  : 1\n", "a: &x b\n*x : 1\n"),
    "comments move with what they are about": (
        "train:\n# steps\n      steps: 1\n        # more\n      seed: 1\n",
        "train:\n  # steps\n  steps: 1\n  # more\n  seed: 1\n",
    ),
    "a bracket never stands left of its word": ("a:\n  b: [\n1,\n]\n", "a:\n  b: [\n    1,\n    ]\n"),
    "Windows line ends go": ("a: 1\r\nb: 2\r\n", "a: 1\nb: 2\n"),
    "nothing stays nothing": ("", ""),
    "a file of comments stays one": ("# a\n\n\n# b", "# a\n\n# b\n"),
    "the mark of a document stays": ("---\nkind: x\napiVersion: y\n", "---\napiVersion: y\nkind: x\n"),
    "the end of a document stays": ("train: {}\nkind:  x\n...", "kind: x\n\ntrain: {}\n...\n"),
    "comments behind the end of a document stay": ("a:\n    b: 1\n... # c\n  # d\n", "a:\n  b: 1\n... # c\n# d\n"),
    "a tab in a text is part of it": ("a: >\n    b\n    \t# no comment\n\n", "a: >\n  b\n  \t# no comment\n"),
    "a line of a tab in a text is part of it": ("a: |\n    b\n    \t\nc:  1\n", "a: |\n  b\n  \t\nc: 1\n"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), TABLE.values(), ids=TABLE.keys())
def test_the_form(text: str, wanted: str) -> None:
    assert form(text.replace("\r\n", "\n")) == wanted
    assert form(wanted) == wanted


@pytest.mark.parametrize("name", builtin_names())
def test_every_file_that_comes_with_the_program_is_in_form(name: str) -> None:
    text = builtin_file(name).read_text()
    assert form(text) == text, f"run: recipe fmt {builtin_file(name).relative_to(ROOT)}"


@pytest.mark.parametrize("name", builtin_names())
def test_a_file_taken_out_of_form_comes_back(name: str) -> None:
    text = builtin_file(name).read_text()
    wide = re.sub(r"^( +)", lambda found: found[1] * 2, text, flags=re.MULTILINE)
    assert form(wide) == text


def test_fmt_writes_in_place_and_says_so(recipe, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(b"train:\r\n    steps:  1 # why\r\n")
    file.chmod(0o640)
    done = recipe("fmt", "x.yaml")
    assert (done.code, done.out) == (0, "x.yaml: formed\n")
    assert file.read_bytes() == b"train:\n  steps: 1 # why\n"
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["x.yaml"]
    assert recipe("fmt", "x.yaml").out == ""


def test_check_names_what_is_not_in_form_and_writes_nothing(recipe, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("a:  1\n")
    (tmp_path / "good.yaml").write_text("a: 1\n")
    done = recipe("fmt", "--check", "bad.yaml", "good.yaml")
    assert (done.code, done.out) == (1, "bad.yaml: not in form\n")
    assert (tmp_path / "bad.yaml").read_text() == "a:  1\n"
    assert recipe("fmt", "--check", "good.yaml").code == 0


@pytest.mark.parametrize("text", ["a: [1\n", "a: 1\na: 2\n", "? a\n: 1\n", "a: !!int 1\n", "a: 1\x85b: 2\n"])
def test_what_is_not_yaml_of_recipes_is_left_alone_with_the_reason(recipe, tmp_path: Path, text: str) -> None:
    (tmp_path / "x.yaml").write_bytes(text.encode())
    (tmp_path / "y.yaml").write_text("b:  1\n")
    done = recipe("fmt", "x.yaml", "y.yaml")
    assert done.code == 1
    assert "x.yaml:" in done.err
    assert (tmp_path / "x.yaml").read_bytes() == text.encode()
    assert (tmp_path / "y.yaml").read_text() == "b: 1\n", "the others are formed all the same"


@pytest.mark.parametrize(
    "text", ["a:  1\n...", "---\na:  1\n... # end\n", "a: >\n    b\n    \t# no comment\n\n"]
)
def test_odd_files_are_formed_and_so_are_those_after_them(recipe, tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.yaml").write_text(text)
    (tmp_path / "z.yaml").write_text("b:  1\n")
    done = recipe("fmt", "odd.yaml", "z.yaml")
    assert (done.code, done.out) == (0, "odd.yaml: formed\nz.yaml: formed\n")
    assert recipe("fmt", "--check", "odd.yaml", "z.yaml").code == 0


@pytest.mark.parametrize(
    ("spoil", "why"), [("b: 2", "it would say something else"), ("a: [", "it could not be read any more"),
                       ("a: 1", "the comment `# why` would be lost")],
)  # fmt: skip
def test_a_file_that_forming_would_spoil_is_left_alone_with_a_finding(
    recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: str, why: str
) -> None:
    made = form_module.ordered
    monkeypatch.setattr(form_module, "ordered", lambda text: spoil if text.startswith("a") else made(text))
    (tmp_path / "x.yaml").write_text("a: 1 # why\n")
    (tmp_path / "y.yaml").write_text("b:  1\n")
    done = recipe("fmt", "x.yaml", "y.yaml")
    assert (done.code, done.out) == (1, "y.yaml: formed\n")
    assert "x.yaml:1:1: error[RCP1009]" in done.err
    assert why in done.err
    assert (tmp_path / "x.yaml").read_text() == "a: 1 # why\n"


def test_a_link_stays_a_link(recipe, tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text("a:  1\n")
    (tmp_path / "link.yaml").symlink_to("real.yaml")
    assert recipe("fmt", "link.yaml").code == 0
    assert (tmp_path / "link.yaml").is_symlink()
    assert (tmp_path / "real.yaml").read_text() == "a: 1\n"
