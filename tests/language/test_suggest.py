"""A near miss is named; a far one is not, since a wrong hint costs more than none."""

import pytest

from engine.language.suggest import did_you_mean, nearest
from engine.words.table import WORDS

NAMES = sorted({path.rpartition(".")[2] for path in WORDS})


@pytest.mark.parametrize("name", [name for name in NAMES if len(name) > 4])
def test_a_name_with_two_letters_swapped_or_one_missing_is_found(name: str) -> None:
    swapped = name[:2] + name[3] + name[2] + name[4:]
    for slip in (swapped, name[:-2] + name[-1]):
        assert nearest(slip, NAMES) == name


@pytest.mark.parametrize("nonsense", ["zzzz", "qwfp", "x", ""])
def test_nonsense_is_not_answered(nonsense: str) -> None:
    assert did_you_mean(nonsense, NAMES) == ""
