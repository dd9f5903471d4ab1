"""Keys + a table → the outcome of each key, and the words of a recipe with their notes.

The rows of a table are taken in order, so that of two that set one word the later counts; a key that sets nothing any more
is dropped and says which one counts instead. What the trainer assumes is written where no key says anything.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.importing import adapters, clips, conversions, lengths, memory, methods, noises, pictures, texts
from engine.importing.conversions import Around, Conversion, Noted, NotHere, Nothing, shown
from engine.importing.flavours import base_words, flavours
from engine.importing.given import Dropped, Given, Mapped, Outcome, Unsupported
from engine.importing.table import Row, Table
from engine.language.nodes import Plain
from engine.language.refused import refusal
from engine.language.suggest import did_you_mean
from engine.words.table import WORDS

OFF: tuple[Plain, ...] = (None, False, 0, 0.0, "", "none", "false", [], {})
_FIRST = "extends"  # the flavour: what other conversions look up in
_APART = ("launch", "text_embeds", "image_embeds", "conditioning_image_embeds", "other")
"""Parts whose keys are called as those of others, and mean something else: they are known with their part."""

Job = tuple[int, Given, Row | None]
"""A key with its number in the source, and the row that knows it."""

CONVERSIONS: dict[str, Conversion] = {
    name: function
    for module in (conversions, adapters, noises, memory, methods, lengths, clips, pictures, texts)
    for name, function in vars(module).items()
    if callable(function)
    and getattr(function, "__module__", "") == module.__name__
    and name[0].islower()
    and not name.startswith("_")
}


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the recipe that is being made.

    Attributes:
        keys: keys that say it; empty for a default of the trainer.
        notes: why it reads differently here.
        default: the key whose default it is; ``always`` where it needs none, ``base`` where nobody says it but our base.
    """

    value: Any
    keys: tuple[Given, ...]
    notes: tuple[str, ...] = ()
    default: str = ""


@dataclass(slots=True)
class Draft:
    """What has been found so far: outcomes in the order of the source, words by their dotted paths."""

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    words: dict[str, Word] = field(default_factory=dict)


def ordered(known: Table, given: list[Given]) -> list[Job]:
    """Return the keys in the order in which they are taken: that of the table."""
    jobs = [(number, one, known.row(one.part, one.key)) for number, one in enumerate(given)]
    parts = list(dict.fromkeys(row.part for row in known.rows))
    return sorted(jobs, key=lambda job: (parts.index(job[1].part), job[2].place if job[2] else 0))


def told_by(jobs: Iterable[Job]) -> dict[str, Plain]:
    """Return what is said of each key; where several parts say it, the last counts."""
    return {
        f"{one.part}.{one.key}" if one.part in _APART else one.key: one.value
        for _, one, _ in jobs
        if one.verdict is None
    }


def convert(known: Table, jobs: list[Job], datasets: Sequence[Mapping[str, Plain]]) -> Draft:
    """Return what became of each key, and the words.

    Args:
        known: the table of the trainer.
        jobs: keys of the whole, and of one dataset at most, in their order.
        datasets: what is said of each dataset that there is.
    """
    draft = Draft()
    for first in (True, False):
        around = _around(known, told_by(jobs), datasets, {} if first else base_words(draft.words.get(_FIRST)))
        for number, one, row in jobs:
            if (row is not None and _FIRST in row.targets) is first:
                draft.outcomes[number] = _outcome(known, one, row, around, draft)
    _defaults(known, jobs, around, draft)
    _overridden(jobs, draft)
    return draft


def _around(
    known: Table, told: Mapping[str, Plain], datasets: Sequence[Mapping[str, Plain]], base: dict[str, Plain]
) -> Around:
    absent = {row.key: row.absent for row in known.rows if row.absent is not None}

    def said(key: str) -> Plain:
        return told.get(key, absent.get(key))

    def each(key: str) -> list[Plain]:
        return [dataset.get(key, absent.get(key)) for dataset in datasets]

    def meant(key: str) -> Any:
        row = next((row for row in known.rows if row.key == key), None)
        entry = _entry(row, said(key)) if row else None
        return entry.get("is") if entry else said(key)

    return Around(said, meant, told.__contains__, each, base, flavours())


def _outcome(known: Table, one: Given, row: Row | None, around: Around, draft: Draft) -> Outcome:
    if one.verdict is not None:
        return one.verdict
    if row is None:
        near = did_you_mean(one.key, known.keys(one.part))
        return Unsupported(f"{known.tool} has no such key that is known here{f'; {near}' if near else ''}")
    if idle := _idle(row, around):
        return Dropped(idle)
    says = _meaning(row, one.value)
    if "drop" in says:
        return Dropped(says["drop"])
    if "unsupported" in says:
        return _not_here(one, row, says)
    try:
        made = says["sets"] if "sets" in says else _converted(row, says["is"], around)
    except Nothing as nothing:
        return Dropped(str(nothing))
    except NotHere as wrong:
        return Unsupported(str(wrong), row.learns)
    notes = tuple(filter(None, (says.get("note", ""), row.note)))
    for number, (word, value) in enumerate(made.items()):
        _set(draft, word, value, one, notes if number == 0 else ())  # said once
    return Mapped(tuple(made))


def _meaning(row: Row, value: Plain) -> dict[str, Any]:
    """Return what a row says of one value: ``drop``, ``unsupported``, ``sets``, or ``is`` for the conversion."""
    if (entry := _entry(row, value)) is not None:
        return entry
    if row.values and (row.otherwise or not row.words):
        return {"unsupported": row.otherwise}
    if row.words:
        return {"is": value}
    return {"drop": row.drop} if row.drop else {"unsupported": row.unsupported}


def _not_here(one: Given, row: Row, says: dict[str, Any]) -> Outcome:
    if shown(one.value) in map(shown, (*OFF, *row.off)):
        return Dropped("switched off, as here")
    reason = says["unsupported"] or f"the value {shown(one.value)} is not known here"
    if reason == "refused":
        refused = refusal("", one.key.rpartition(".")[2], one.value)
        assert refused is not None, f"the language does not refuse {one.key}"
        reason = refused[2]
    return Unsupported(reason, bool(says.get("learns", row.learns)))


def _idle(row: Row, around: Around) -> str:
    """Say why a key does not count beside the others."""
    if isinstance(row.only_with, dict):
        wanting = (
            f"it counts only where `{key}` is {value}"
            for key, value in row.only_with.items()
            if shown(around.said(key)) != shown(value)
        )
        return next(wanting, "")
    off = row.only_with and shown(around.said(row.only_with)) in map(shown, OFF)
    return f"it counts only with `{row.only_with}`" if off else ""


def _entry(row: Row, value: Plain) -> dict[str, Any] | None:
    """Return what a table says of one value; true and 1 are known by their text, capitals do not count."""
    if isinstance(value, list | dict):
        return None
    said = str(value).casefold()
    return next((entry for name, entry in row.values.items() if name.casefold() == said), None)


def _converted(row: Row, value: Any, around: Around) -> dict[str, Any]:
    """Return the words of a row; those that need not be said are left out, unless none is left."""
    made, needless = dict[str, Any](), Nothing()
    for word, how in row.words.items():
        name, _, argument = how.partition(" ")
        try:
            made[word] = CONVERSIONS[name](value, argument, around)
        except Nothing as nothing:
            needless = nothing
    if not made:
        raise needless
    return made


def _set(
    draft: Draft, word: str, value: Any, one: Given | None, notes: tuple[str, ...], default: str = ""
) -> None:
    """Write a word, or every word of a section, over what stood there."""
    if isinstance(value, Noted):
        notes = tuple(filter(None, (value.note, *notes)))
        value = value.value
    new = dict(_leaves(word, value))
    old = {path: draft.words[path] for path in draft.words if path in new or path.startswith(f"{word}.")}
    agreed = {path: said.value for path, said in old.items()} == new and all(
        said.keys for said in old.values()
    )
    for path in old.keys() - new.keys():
        del draft.words[path]
    for number, (path, inner) in enumerate(new.items()):
        keys = (*(old[path].keys if agreed else ()), *((one,) if one else ()))
        told = (
            *(old[path].notes if agreed else ()),
            *(notes if number == 0 else ()),
        )  # said once, where it begins
        draft.words[path] = Word(inner, keys, tuple(dict.fromkeys(told)), default)


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and path not in WORDS:
        for name, inner in value.items():
            yield from _leaves(f"{path}.{name}", inner)
    else:
        yield path, value


def _defaults(known: Table, jobs: Iterable[Job], around: Around, draft: Draft) -> None:
    """Write what the trainer assumes where no key says anything, if the flavour says otherwise."""
    rows = [
        (number, row) for number, one, row in jobs if row is not None and not isinstance(one.verdict, Dropped)
    ]
    lost = {
        word
        for number, row in rows
        if isinstance(draft.outcomes[number], Unsupported)
        for word in row.targets
    }
    parts = {one.part for _, one, _ in jobs if one.verdict is None}
    own, spoken = {row.key for _, row in rows}, {*draft.words, *lost}
    base = _standing(around.base, draft.words)
    for row in known.rows:
        if row.absent is None or row.part not in parts or row.key in own or _idle(row, around):
            continue
        for word, value in _assumed(row, around).items():
            if not any(touch(word, other) for other in spoken) and _differs(word, value, base):
                _set(draft, word, value, None, (), row.key)
    for word, said in known.always.items():
        if said["part"] in parts and not any(touch(word, other) for other in spoken):
            _set(draft, word, Noted(said["is"], said["note"]), None, (), "always")


def _standing(base: Mapping[str, Plain], words: Mapping[str, Word]) -> dict[str, Plain]:
    """Return what the base says and still counts: nothing of a section that has become one of another kind."""
    gone = tuple(
        path.removesuffix("kind")
        for path, word in words.items()
        if path.endswith(".kind") and base.get(path) != word.value
    )
    return {path: value for path, value in base.items() if not path.startswith(gone)}


def _assumed(row: Row, around: Around) -> dict[str, Any]:
    says = _meaning(row, row.absent)
    try:
        made: dict[str, Any] = (
            says["sets"] if "sets" in says else _converted(row, says["is"], around) if "is" in says else {}
        )
    except (NotHere, Nothing):
        return {}
    return made


def touch(word: str, other: str) -> bool:
    """Whether two words are the same, or one stands within the other."""
    return word == other or word.startswith(f"{other}.") or other.startswith(f"{word}.")


def _differs(word: str, value: Any, base: Any) -> bool:
    plain = value.value if isinstance(value, Noted) else value
    return any(base.get(path) != inner for path, inner in _leaves(word, plain))


def _overridden(jobs: Iterable[Job], draft: Draft) -> None:
    """Of the words that a key set, those that others have set since then are not its own."""
    for number, one, _ in jobs:
        outcome = draft.outcomes[number]
        if not isinstance(outcome, Mapped) or one.verdict is not None:
            continue
        owners = {word: {id(key): key.name for path, made in draft.words.items() if touch(path, word) for key in made.keys}
                  for word in outcome.words}  # fmt: skip
        own = tuple(word for word in outcome.words if id(one) in owners[word])
        names = sorted({name for others in owners.values() for name in others.values()})
        said = " and ".join(f"`{name}`" for name in names)
        draft.outcomes[number] = Mapped(own) if own else Dropped(f"what counts is {said}")
