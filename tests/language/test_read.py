"""YAML is read as YAML 1.2 core, with a place for everything and no surprises."""

import tracemalloc
from pathlib import Path

import pytest

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
        pytest.param("a: " + "[" * 100_000, id="brackets as deep as would break a recursive reader"),
        pytest.param("x0: &x0 [a, a, a]\n" + "".join(f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 9)}]\n"
                                                    for i in range(1, 9)), id="an alias bomb"),
        pytest.param("a: [" + "1, " * 30_000 + "]", id="more values than any recipe has"),
        pytest.param("a: " + "x" * 70_000, id="a text as long as a book"),
    ],
)  # fmt: skip
def test_a_hostile_text_costs_little_memory_and_is_one_finding(text: str) -> None:
    tracemalloc.start()
    _, findings = read(text)
    # libyaml itself refuses the deepest nesting before our own limit is asked
    assert [found.code for found in findings] in (["RCP1005"], ["RCP1001"])
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


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
