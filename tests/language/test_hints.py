"""What looks like a number and is none, or the other way round, is told how to write it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.language.hints import hint_for_number, hint_for_text, hint_for_truth
from engine.language.nodes import Mapping, Source
from engine.language.read import number, read_text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10", "write 10 without quotes"),
        ("1e-4", "write 1e-4 without quotes"),
        ("+1", "write 1, without the +"),
        ("012", "write 12: readers of YAML disagree on it"),
        ("0123456", "write 123456"),
        ("1_000", "write 1000: readers"),
        ("1,000", "write 1000, without separators"),
        ("1,5", "write 1.5, with a point"),
        ("0o17", "write 15"),
        ("0x1F", "write 31"),
        ("0b101", "write 5"),
        ("50%", "write 0.5"),
        ("24GB", "write 24 without `GB`"),
        ("5k", "write 5000"),
        ("2024-01-02", "a date is a text"),
        ("16:9", "sixties"),
        ("fast", ""),
        ("", ""),
        ("0X", ""),
        ("9" * 5000, ""),
        ("0x" + "f" * 5000, ""),
    ],
)
def test_a_text_that_should_be_a_number_is_told_how(text: str, said: str) -> None:
    hint = hint_for_text(text)
    assert (said in hint) if said else hint == ""


@pytest.mark.parametrize(("text", "said"), [("yes", "true"), ("NO", "false"), ("on", "true"), ("Off", "false"), ("'true'", ""), ("maybe", "")])  # fmt: skip
def test_a_word_of_old_for_true_or_false_is_told_the_one_of_today(text: str, said: str) -> None:
    assert hint_for_truth(text) == (f"write {said}" if said else "")


@pytest.mark.parametrize("text", ["1.10", "1234567e8", "007e1", "true", "1."])
def test_a_number_that_should_be_a_text_is_shown_as_it_is_written(text: str) -> None:
    node, _ = read_text(Source("x.yaml", f"# a\ntitle: {text}  # b\n", Path()))
    assert isinstance(node, Mapping)
    assert hint_for_number(node.entries[0].value.span) == f'quote it: "{text}"'


@given(st.text(st.sampled_from("0123456789+-_.,:eExXob%aF "), max_size=12))
def test_any_hint_names_a_number_that_reads_as_one(text: str) -> None:
    hint = hint_for_text(text)
    if hint.startswith("write ") and "a number" not in hint:
        written = hint.removeprefix("write ").split(":")[0].split(" ")[0].rstrip(",")
        assert number(written) is not None, hint
