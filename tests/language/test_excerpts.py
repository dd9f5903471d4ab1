"""Findings for people: a caret under its token whatever the line holds, and nothing that acts on the terminal."""

import os
import pty
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from engine.cli.findings import counted, show_findings
from engine.language.diagnostics import Diagnostic, render
from engine.language.excerpts import WIDTH, cells, excerpt, visible
from engine.language.nodes import Source, Span


def at(line: str, token: str) -> Span:
    start = line.index(token)
    return Span(Source("x.yaml", f"first\n{line}\n", Path()), 2, start + 1, start + len(token) + 1)


def width(text: str) -> int:
    """How wide a terminal shows a text, reckoned apart from the program."""
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in text
    )


@pytest.mark.parametrize(
    ("line", "token", "before", "under"),
    [
        ("adapter: {rnk: 8}", "rnk", 10, "^~~"),
        ("猫: {rnk: 8}", "rnk", 5, "^~~"),
        ("e\u0301te\u0301: {rnk: 8}", "rnk", 6, "^~~"),
        ("a: {两只猫: 8}", "两只猫", 4, "^~~~~~"),
        ("a: x", "x", 3, "^"),
    ],
)
def test_a_caret_stands_under_the_token_as_a_terminal_shows_it(
    line: str, token: str, before: int, under: str
) -> None:
    shown = excerpt(at(line, token))
    assert shown == ("    2", line, " " * before + under)


def test_a_tab_before_the_token_stays_one() -> None:
    shown = excerpt(at("a:\t\tx", "x"))
    assert shown is not None
    assert shown[2] == "  \t\t^"


WORDS = st.text(st.sampled_from("ab 猫狗é，\u0301\u3042x"), min_size=1, max_size=400)


@given(before=WORDS, after=WORDS, token=st.text(st.sampled_from("qz猫"), min_size=1, max_size=9))
def test_a_line_of_any_length_shows_its_token_above_the_caret_and_fits(
    before: str, after: str, token: str
) -> None:
    token = f"Q{token}Q"
    shown = excerpt(at(f"{before}{token}{after}", token))
    assert shown is not None
    _, line, marks = shown
    assert cells(line) <= WIDTH + 2
    assert width(line[: line.index(token)]) == len(marks) - len(marks.lstrip())
    assert len(marks.lstrip()) == width(token)


def test_a_place_behind_the_line_or_in_an_empty_one_breaks_nothing() -> None:
    source = Source("x.yaml", "ab\n\n", Path())
    assert excerpt(Span(source, 1, 3, 4)) == ("    1", "ab", "  ^")
    assert excerpt(Span(source, 2, 1, 2)) is None
    assert excerpt(Span(source, 9, 1, 2)) is None


def test_nothing_of_a_file_acts_on_the_terminal() -> None:
    span = at("a: \x1b[31m\u202e", "a")
    text = render(Diagnostic("RCP2001", "unknown `\x1b]0;x\x07`", span, help="one\ntwo\x1b[2J\u2066"))
    assert not [
        character
        for character in text
        if character != "\n" and unicodedata.category(character) in ("Cc", "Cf")
    ]
    assert text.count("\n") == 4


@given(st.text())
def test_what_is_visible_is_as_long_and_keeps_every_letter(text: str) -> None:
    shown = visible(text)
    assert len(shown) == len(text)
    assert all(
        one == other or unicodedata.category(one)[0] in "CZ" for one, other in zip(text, shown, strict=True)
    )


def test_a_related_place_shows_its_own_line() -> None:
    source = Source("x.yaml", "seed: 1\nsteps: 2\nseed: 3\n", Path())
    first = ("first written at", Span(source, 1, 1, 5))
    found = Diagnostic(
        "RCP1002", "the key `seed` stands twice", Span(source, 3, 1, 5), help="keep one", related=(first,)
    )
    assert render(found).splitlines() == [
        "x.yaml:3:1: error[RCP1002]: the key `seed` stands twice",
        "    3 | seed: 3",
        "      | ^~~~",
        "  first written at x.yaml:1:1",
        "    1 | seed: 1",
        "      | ^~~~",
        "  help: keep one",
    ]


def test_what_there_is_is_counted() -> None:
    error = Diagnostic("RCP2001", "wrong", at("a: 1", "a"))
    warning = Diagnostic("RCP2001", "odd", at("a: 1", "a"), severity="warning")
    assert counted([error, warning, error]) == "2 problems, 1 warning"
    assert counted([error]) == "1 problem"
    assert show_findings([error, warning]).endswith("\n\n1 problem, 1 warning")
    assert "warning\n" not in show_findings([warning]).splitlines()[-1]


def test_a_flood_of_findings_is_cut_and_counted() -> None:
    text = show_findings(
        [Diagnostic("RCP2001", f"wrong {number}", at("a: 1", "a")) for number in range(2500)]
    )
    assert text.count("error[") == 100
    assert text.endswith("… and 2,400 more\n\n2,500 problems")


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colour_is_for_a_terminal_whose_owner_wants_it(
    tmp_path: Path, environment: dict[str, str], coloured: bool
) -> None:
    (tmp_path / "x.yaml").write_text("a: [\n")
    ours, theirs = pty.openpty()
    base = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "TERM": "xterm"}
    command = [sys.executable, "-m", "engine.cli", "validate", "x.yaml"]
    subprocess.run(command, cwd=tmp_path, env=base | environment, stderr=theirs, check=False)
    os.close(theirs)
    text = os.read(ours, 10_000).decode()
    os.close(ours)
    assert ("\x1b[1;31m" in text, "RCP1001" in text) == (coloured, True)
    piped = subprocess.run(command, cwd=tmp_path, env=base, capture_output=True, text=True, check=False)
    assert "\x1b" not in piped.stderr
