"""Several datasets → ``data`` and ``data.more``.

Each dataset is converted with what is said of the whole, as if it were alone. The first one's words stand in ``data``, and a
further one has from it what it does not say. So of a further one is written what differs; also where only the first says
something, because no trainer lets a dataset have from another.
"""

from dataclasses import replace
from typing import Any

from engine.importing.conversions import shown
from engine.importing.convert import Draft, Word, convert, ordered, told_by, touch
from engine.importing.flavours import base_words
from engine.importing.given import Given, Mapped, Outcome, Unsupported
from engine.importing.sources import FIRST
from engine.importing.table import Table
from engine.words.table import HEADER_WORDS

OF_THE_WHOLE = ("data.more", "data.mix", "data.small_buckets", "data.latents", "data.workers")
"""Words of ``data`` that no dataset has for itself."""


def homes_of(given: list[Given]) -> list[str]:
    """Return where the words of each dataset stand; of one where the source has none."""
    return [home for home in dict.fromkeys(one.home for one in given) if home] or [FIRST]


def convert_datasets(known: Table, given: list[Given]) -> tuple[list[Outcome], dict[str, Word]]:
    """Return what became of each key, and the words."""
    jobs = ordered(known, given)
    by_home = {home: [job for job in jobs if job[1].home in ("", home)] for home in homes_of(given)}
    datasets = [told_by(found) for found in by_home.values()]
    drafts = {home: convert(known, found, datasets) for home, found in by_home.items()}
    made = drafts.pop(FIRST)
    alone = dict(made.words)  # before others are written beside it
    for home, other in drafts.items():
        places = _lay(made, alone, other, home)
        for number, one, row in by_home[home]:
            before = made.outcomes.get(number)
            if before and not (row and any(map(_of_a_dataset, row.targets))):
                continue  # what is said of the whole was said beside the first
            outcome = other.outcomes[number]
            found = outcome if one.verdict else _placed(outcome, one, made, other, places)
            made.outcomes[number] = _both(before, found) if before else found
        _tell(made, alone, other)
    return [made.outcomes[number] for number in range(len(given))], made.words


def _lay(made: Draft, alone: dict[str, Word], other: Draft, home: str) -> dict[str, str]:
    """Write what a further dataset has otherwise; return where each of its sections stands."""
    base = base_words(alone.get("extends"))
    places: dict[str, str] = {}
    said = filter(_of_a_dataset, (*other.words, *alone))
    for section in dict.fromkeys(map(_section, said)):
        mine = {path: word for path, word in other.words.items() if _section(path) == section}
        whole = _whole(other.words, section, base)
        same = section != "data.source" and whole == _whole(alone, section, base)
        if same and all(
            path in alone and bool(alone[path].keys) >= bool(word.keys) for path, word in mine.items()
        ):
            for path, word in mine.items():
                made.words[path] = _joined(made.words[path], word)
        elif not same or any(word.keys for word in mine.values()):
            places[section] = home + section.removeprefix(FIRST)
            for path, value in whole.items():
                made.words[home + path.removeprefix(FIRST)] = mine.get(path) or Word(value, (), (), "base")
    return places


def _tell(made: Draft, alone: dict[str, Word], other: Draft) -> None:
    """Say of a word that the first dataset has for all, and that another is silent about."""
    base = base_words(alone.get("extends"))
    for path, word in alone.items():
        if _of_a_dataset(path) or path in HEADER_WORDS or not any(one.home for one in word.keys):
            continue
        theirs = other.words.get(path)
        value, keys = (theirs.value, theirs.keys) if theirs else (base.get(path), ())
        if value != word.value and not any(one.home for one in keys):
            notes = (*made.words[path].notes, "It counts for all datasets, and not each of them says it.")
            made.words[path] = replace(made.words[path], notes=tuple(dict.fromkeys(notes)))


def _of_a_dataset(path: str) -> bool:
    return path.startswith("data.") and _section(path) not in OF_THE_WHOLE


def _section(path: str) -> str:
    return ".".join(path.split(".")[:2])


def _whole(words: dict[str, Word], section: str, base: dict[str, Any]) -> dict[str, Any]:
    """Return all values of a section; of another kind than the base's, none are the base's."""
    said = {path: word.value for path, word in words.items() if _section(path) == section}
    below = {path: value for path, value in base.items() if _section(path) == section}
    kind = f"{section}.kind"
    return said if kind in said and said[kind] != below.get(kind) else below | said


def _placed(outcome: Outcome, one: Given, made: Draft, other: Draft, places: dict[str, str]) -> Outcome:
    """Return the outcome of a key with its words where they stand now."""
    if not isinstance(outcome, Mapped):
        return outcome
    for path, found in other.words.items() if one.home else ():
        if _section(path) in places or not any(touch(path, word) for word in outcome.words):
            continue
        had = made.words.get(path)
        if had is None or had.value != found.value:
            counts = f"here it is {shown(had.value)}" if had else "the first does not say it"
            return Unsupported(f"`{path}` is one for all datasets: {counts}", learns=True)
        made.words[path] = _joined(had, found)
    return Mapped(tuple(_moved(word, places) for word in outcome.words))


def _moved(word: str, places: dict[str, str]) -> str:
    section = _section(word)
    return places.get(section, section) + word.removeprefix(section)


def _joined(word: Word, same: Word) -> Word:
    """Return a word with all that is told of it and of the same elsewhere."""
    known = {id(one) for one in word.keys}
    keys = (*word.keys, *(one for one in same.keys if id(one) not in known))
    return replace(word, keys=keys, notes=tuple(dict.fromkeys((*word.notes, *same.notes))))


def _both(first: Outcome, second: Outcome) -> Outcome:
    """Join what became of a key of the whole beside two datasets: what could not be said counts most, then what was."""
    for outcome in (first, second):
        if isinstance(outcome, Unsupported):
            return outcome
    if isinstance(first, Mapped) and isinstance(second, Mapped):
        return Mapped(tuple(dict.fromkeys((*first.words, *second.words))))
    return second if isinstance(second, Mapped) else first
