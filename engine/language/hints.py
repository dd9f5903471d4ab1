"""What to write instead, told by the form of a value: ``1_000``, ``0x1F`` and ``'10'`` are texts, ``1.10`` is a number."""

import re
from collections.abc import Callable

from engine.language.nodes import Span
from engine.language.read import number

_DISAGREE = "readers of YAML disagree on it"
_TRUTHS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


def hint_for_text(text: str) -> str:
    """Say how to write a number that was written as a text; empty where the text looks like none.

    For a word that wants a number and was given a text, quoted or not.
    """
    bare = text.strip()
    if number(bare) is not None:
        return f"write {bare} without quotes"
    for form, meant, why in _FORMS:
        match = re.fullmatch(form, bare)
        if match and number(meant(match)) is not None:
            return f"write {meant(match)}{why.format(**match.groupdict())}"
    return next((why for form, why in _NO_NUMBERS if re.fullmatch(form, bare)), "")


def hint_for_truth(text: str) -> str:
    """Say how to write true or false where it was quoted, or in a word that YAML of old had for it."""
    said = text.strip().lower()
    truth = said if said in ("true", "false") else _TRUTHS.get(said)
    return f"write {truth}" if truth else ""


def hint_for_number(span: Span) -> str:
    """Say how to write a text that reads as a number, as it is written: ``1.10`` would lose its zero.

    For a word that wants a text and was given a plain number, true, false or null.
    """
    return f'quote it: "{span.token}"' if span.token else ""


def _bare(match: re.Match[str]) -> str:
    return re.sub("[_, ]", "", match["number"])


def _in_tens(match: re.Match[str]) -> str:
    try:
        return str(int(match["number"].lower(), 0))
    except ValueError:  # `0x_1`
        return ""


_FORMS: tuple[tuple[str, Callable[[re.Match[str]], str], str], ...] = (
    (r"\+(?P<number>[.\d].{0,30})", _bare, ", without the +"),
    (r"0+(?P<number>[1-9]\d{0,20})", _bare, f": {_DISAGREE}, as a leading 0 means base 8 to some"),
    (r"(?P<number>-?\d{1,3}(_\d{3})+)", _bare, f": {_DISAGREE}"),
    (r"(?P<number>-?\d{1,3}([, ]\d{3})+)", _bare, ", without separators"),
    (r"(?P<number>-?\d+,\d+)", lambda match: match["number"].replace(",", "."), ", with a point"),
    (r"(?P<number>0[oOxXbB][0-9a-fA-F_]{1,20})", _in_tens, ": numbers are written in base 10"),
    (r"(?P<number>\d{1,9}(\.\d{1,9})?) ?%", lambda match: f"{float(match['number']) / 100:.12g}", ""),
    (r"(?P<number>\d{1,9}(\.\d{1,9})?) ?[kK]", lambda match: f"{float(match['number']) * 1000:.12g}", ""),
    (r"(?P<number>\d{1,9}(\.\d{1,9})?) ?(?P<unit>[a-zA-WYZµ][a-zA-Zµ]{0,7})", _bare,
     " without `{unit}`: the unit is part of the word's meaning"),
)  # fmt: skip
"""Form → the number that is meant, and what is said behind it."""

_NO_NUMBERS = (
    (r"\d{4}-\d\d?-\d\d?([Tt ].{0,40})?", "a date is a text; write a number"),
    (r"\d{1,9}(:\d\d?){1,3}", f"{_DISAGREE}, as some count in sixties; write a number"),
)
