"""YAML is read as YAML 1.2 core, with a place for everything and no surprises."""

import re
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import ROOT

from engine.language.nodes import Source, plain, value_span
from engine.language.read import read_file, read_text


def read(text: str):
    return read_text(Source("x.yaml", text, Path()))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("5e5", 5e5),
        ("1.", 1.0),
        (".5", 0.5),
        ("-3", -3),
        ("NO", "NO"),
        ("on", "on"),
        ("yes", "yes"),
        ("16:9", "16:9"),
        ("012", "012"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("2024-01-02", "2024-01-02"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("", None),
        ('"1e-4"', "1e-4"),
        ("'true'", "true"),
        ("=", "="),
        ("e", "e"),
        ("e5", "e5"),
        (".e5", ".e5"),
        ("01.5", "01.5"),
        ("+1", "+1"),
        ("0o17", "0o17"),
        ("1.10", 1.1),
        ("1234567e8", 1234567e8),
        ("-0", 0),
        (".", "."),
        ("-", [None]),
    ],
)
def test_a_plain_value_reads_as_yaml_1_2_core(text: str, value: object) -> None:
    node, findings = read(f"a: {text}\n" if value != [None] else "a:\n  -\n")
    assert findings == []
    assert plain(node) == {"a": value}
    assert type(plain(node)["a"]) is type(value)


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("a: 1\nb: 2\na: 3\n", "RCP1002", 3, 1),
        ("a: [1\nb: 2\n", "RCP1001", 2, 2),
        ("a: !!python/object:os.system x\n", "RCP1003", 1, 4),
        ("a: !!binary aGk=\n", "RCP1003", 1, 4),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "RCP1003", 3, 3),
        ("1: x\n", "RCP1003", 1, 1),
        ("? [a]\n: x\n", "RCP1003", 1, 3),
        ("a: 1\n---\nb: 2\n", "RCP1003", 2, 1),
        ("a: .nan\n", "RCP1004", 1, 4),
        ("a: -.inf\n", "RCP1004", 1, 4),
        ("a: 1e999\n", "RCP1004", 1, 4),
        ("a: " + "9" * 5000 + "\n", "RCP1004", 1, 4),
        ("a: *nothing\n", "RCP1003", 1, 4),
        ("a: &a [*a]\n", "RCP1003", 1, 8),
        ("a: " + "9" * 5000 + ".0\n", "RCP1004", 1, 4),
        ("a: 1e99999\n", "RCP1004", 1, 4),
        ("%YAML 1.1\n---\na: 1\n", "RCP1003", 1, 1),
        ("true: x\n", "RCP1003", 1, 1),
        ("~: x\n", "RCP1003", 1, 1),
        ("\u00e9: 1\ne\u0301: 2\n", "RCP1002", 2, 1),
        ('a: "\\ud800"\n', "RCP1001", 1, 7),
        ("a: \ud800\n", "RCP1001", 1, 4),
        ("\u732b: \x07\n", "RCP1001", 1, 4),
        ("a: x # y\x85b: 2\n", "RCP1007", 1, 9),
        ("a: 'x\u2028y'\n", "RCP1007", 1, 6),
        ("a\u00a0: 1\n", "RCP1007", 1, 1),
        ("\u200ba: 1\n", "RCP1007", 1, 1),
        ("a: \u00a05\n", "RCP1007", 1, 4),
        ("a: 1 # \u202e evil\n", "RCP1007", 1, 8),
        ("a: x\u202ey\n", "RCP1007", 1, 5),
        ("'a\u202e': x\n", "RCP1007", 1, 3),
        ("\ufeffa: 1\n", "RCP1007", 1, 1),
        ("a: True\n", "RCP1008", 1, 4),
        ("a: NULL\n", "RCP1008", 1, 4),
        ("\ta: 1\n", "RCP1001", 1, 1),
        ("a: \x07\n", "RCP1001", 1, 4),
    ],
)
def test_what_recipes_do_not_use_is_one_finding_at_its_place(
    text: str, code: str, line: int, column: int
) -> None:
    _, findings = read(text)
    assert [(found.code, found.span.line, found.span.column) for found in findings] == [(code, line, column)]


def test_a_duplicate_key_shows_both_places() -> None:
    _, (found,) = read("a: 1\nb: 2\na: 3\n")
    assert [span.line for _, span in found.related] == [1]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('a: "\u202e"\n', id="turned text in quotes"),
        pytest.param("a: |\n  \u200f\u05e9\n", id="turned text in a block"),
        pytest.param('a: "\\u2028\\u202e"\n', id="escapes"),
        pytest.param("a: Un chat\u00a0noir, dit-il\u202f!\n", id="spaces within a text"),
        pytest.param("a: 猫\u3000犬\n", id="a wide space within a text"),
        pytest.param("a: 1 # un\u00a0chat\n", id="spaces in a comment"),
        pytest.param("a: &x [1]\nb: *x\n", id="an alias"),
        pytest.param("'<<': 1\n", id="a quoted merge key is a word"),
        pytest.param("a: 'True'\n", id="a quoted spelling of true"),
    ],
)
def test_what_misleads_nobody_is_left_alone(text: str) -> None:
    assert read(text)[1] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b: c\n", "stands in quotes"),
        ("a: [1\nb: 2\n", "not closed"),
        ("a: {b: 1\nc: 2\n", "not closed"),
        ("a: @x\n", "stands in quotes"),
        ("a: 'x\n", "not closed"),
        ("a: 1\nsteps:5\nb: 1\n", "a space after the colon"),
        ("a: 1\nsteps:\u00a05\nb: 1\n", "no-break space (U+00A0)"),
        ("a:\n\tb: 1\n", "never with tabs"),
    ],
)
def test_a_text_that_is_not_yaml_is_told_what_slipped(text: str, said: str) -> None:
    _, (found,) = read(text)
    assert (found.code, said in found.help) == ("RCP1001", True), found


def test_what_is_not_closed_is_shown_where_it_opens() -> None:
    _, (found,) = read("a:\n  b: [1,\n  c: 2\n")
    assert [(span.line, span.column) for _, span in found.related] == [(2, 6)]


def test_nothing_is_said_of_a_value_that_stands_in_for_a_wrong_one() -> None:
    node, findings = read("a: .nan\nb: [1, .inf, 3]\nc: !!int '1'\nd: 4\n")
    assert len(findings) == 3
    assert plain(node) == {"b": [1, 3], "d": 4}


def test_after_a_hundred_problems_nobody_reads_on() -> None:
    _, findings = read("a: 1\n" * 5000)
    assert ([found.code for found in findings[:-1]], findings[-1].code) == (["RCP1002"] * 100, "RCP1005")


BOMB = "".join(f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 9)}]\n" for i in range(1, 9))
MERGE_BOMB = "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{below}'] * 9)}]}}\n" for below, name in pairwise("abcdef")
)
HOSTILE = {
    "an alias bomb": ("x0: &x0 [a, a, a]\n" + BOMB, 5, "RCP1005"),
    "a bomb of merge keys": ("a: &a {k: v}\n" + MERGE_BOMB, 5, "RCP1005"),
    "many aliases": ("a: &a 1\nb: [" + "*a, " * 65 + "]\n", 5, "RCP1005"),
    "aliases on aliases, deeper than anything may be": (
        "x0: &x0 " + "[" * 20 + "]" * 20 + "\n" + "".join(f"x{i}: &x{i} {'[' * 20}*x{i - 1}{']' * 20}\n" for i in range(1, 60)),
        5, "RCP1005",
    ),
    "brackets": ("a: " + "[" * 100_000, 5, "RCP1005"),
    "braces": ("a: " + "{a: " * 100_000, 5, "RCP1005"),
    "dashes": ("- " * 100_000, 5, "RCP1005"),
    "question marks": ("? " * 100_000, 5, "RCP1005"),
    "a large file": ("#" * (50 << 20), 5, "RCP1005"),
    "more values than any recipe has": ("a: [" + "1, " * 300_000 + "]", 5, "RCP1005"),
    "a text as long as a book": ("a: " + "x" * 70_000, 5, "RCP1005"),
    "a number of 5,000 digits": ("a: " + "9" * 5_000, 1, "RCP1004"),
    "a list in itself": ("a: &a [*a]\n", 1, "RCP1003"),
    "one line of brackets that fits": ("a: ['(', " + "'(', " * 15_000 + "]", 1, "RCP2001"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "code", "finding"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused_at_once_and_in_little_memory(
    tmp_path: Path, text: str, code: int, finding: str
) -> None:
    """The bounds are generous, for a busy machine; alone the worst takes half a second and 31 MB."""
    (tmp_path / "x.yaml").write_text(text)
    started = time.monotonic()
    # what a process inherits from the one that starts it does not count, so it is asked for by itself, as it ends
    watch = (
        "import atexit, sys; from pathlib import Path; from engine.cli.main import main\n"
        "atexit.register(lambda: print(Path('/proc/self/status').read_text()))\n"
        "sys.argv[1:] = ['validate', 'x.yaml']; main()"
    )
    done = subprocess.run([sys.executable, "-c", watch], cwd=tmp_path, capture_output=True, text=True, check=False,
                          env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"})  # fmt: skip
    assert (done.returncode, f"[{finding}]" in done.stderr, "Traceback" in done.stderr) == (code, True, False)
    assert re.search(r"x\.yaml:\d+:\d+: error\[", done.stderr)
    assert len(done.stderr) < 40_000, "a long line does not flood the terminal"
    assert time.monotonic() - started < 5
    peak = re.search(r"VmHWM:\s+(\d+) kB", done.stdout)
    assert peak is not None
    assert int(peak[1]) < 200 * 1024


def test_what_has_no_end_is_not_read() -> None:
    _, (found,) = read_file(Path("/dev/zero"), "zero")
    assert (found.code, "not a plain file" in found.message) == ("RCP1006", True)


def test_a_file_that_is_missing_too_large_or_not_utf_8_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "large.yaml").write_bytes(b"#" * (1 << 20) + b"\n")
    (tmp_path / "latin.yaml").write_bytes(b"title: caf\xe9\n")
    codes = [
        read_file(tmp_path / name, name)[1][0].code for name in ("gone.yaml", "large.yaml", "latin.yaml")
    ]
    assert codes == ["RCP1006", "RCP1005", "RCP1006"]


def test_a_span_is_the_token_itself_also_after_wide_characters() -> None:
    text = 'prompt: "两只猫"\nrate: 5e-5 # why\n'
    node, _ = read(text)
    span = value_span(node, ("rate",))
    assert text.splitlines()[span.line - 1][span.column - 1 : span.end - 1] == "5e-5"
