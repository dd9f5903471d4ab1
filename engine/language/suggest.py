"""A near miss, as a hint: ``did you mean `rank`?``."""

from collections.abc import Iterable

CLOSE_ENOUGH = (
    72  # of 100; below that a hint misleads more often than it helps (tests/language/test_suggest.py)
)


def nearest(said: str, known: Iterable[str]) -> str | None:
    """Return the known name that is nearest to what was said, where one is near."""
    from rapidfuzz import fuzz, process

    found = process.extractOne(said, list(known), scorer=fuzz.ratio, score_cutoff=CLOSE_ENOUGH)
    return found[0] if found else None


def did_you_mean(said: str, known: Iterable[str]) -> str:
    """Return the hint, or nothing."""
    near = nearest(said, known)
    return f"did you mean `{near}`?" if near else ""
