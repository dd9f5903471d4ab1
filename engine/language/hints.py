"""What to write instead, told by the form of a value: ``1_000``, ``0x1F`` and ``'10'`` are texts, ``1.10`` is a number."""

import re
from collections.abc import Callable

from engine.language.nodes import Span
from engine.language.read import number

_READERS = "readers of YAML disagree on it"


def hint_for_text(text: str) -> str:
    """Say how to write a number that was written as a text; empty where the text looks like none.

    For a word that wants a number and was given a text, quoted or not.
    """
    bare = text.strip()
    if number(bare) is not None:
        return f"write {bare} without quotes"
    for form, say in _FORMS:
        if match := re.fullmatch(form, bare):
            return say(match)
    return ""


def hint_for_truth(text: str) -> str:
    """Say how to write true or false where YAML of old had other words for them."""
    said = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
    lower = text.strip().lower()
    truth = lower if lower in ("true", "false") else said.get(lower)
    return f"write {truth}" if truth else ""


def hint_for_number(span: Span) -> str:
    """Say how to write a text that reads as a number, as it is written: ``1.10`` would lose its zero.

    For a word that wants a text and was given a plain number, true, false or null, or nothing.
    """
    return f'quote it: "{span.token}"' if span.token else ""


def _integer(base: int, why: str) -> Callable[[re.Match[str]], str]:
    return lambda match: f"write {int(match[0].replace('_', ''), base)}: {why}"


_FORMS: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"\+(?P<rest>[.\d].{0,30})", lambda match: f"write {match['rest']}, without the +"),
    (r"-?0+(?P<rest>[1-9]\d{0,20})", lambda match: f"write {match['rest']}: {_READERS}, as a leading 0 means base 8 to some"),
    (r"-?\d{1,3}(_\d{3})+", lambda match: f"write {match[0].replace('_', '')}: {_READERS}"),
    (r"-?\d{1,3}([, ]\d{3})+", lambda match: f"write {re.sub('[, ]', '', match[0])}, without separators"),
    (r"-?\d+,\d+", lambda match: f"write {match[0].replace(',', '.')}, with a point"),
    (r"0o[0-7_]{1,20}", _integer(0, "numbers are written in base 10")),
    (r"0x[0-9a-fA-F_]{1,20}", _integer(0, "numbers are written in base 10")),
    (r"0b[01_]{1,60}", _integer(0, "numbers are written in base 10")),
    (r"(?P<number>-?\d{1,20}(\.\d{1,20})?) ?%", lambda match: f"write {float(match['number']) / 100:g}"),
    (r"\d{4}-\d\d?-\d\d?([Tt ].*)?", lambda _: "a date is a text; write a number"),
    (r"\d+(:\d\d?)+", lambda _: f"{_READERS}, as some count in sixties; write a number"),
    (r"(?P<number>\d{1,20}(\.\d{1,20})?) ?(?P<unit>[a-zA-Zµ]{1,10})",
     lambda match: f"write {match['number']} without `{match['unit']}`; units are part of a word's meaning"),
)  # fmt: skip
