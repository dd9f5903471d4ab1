"""Sections that are told apart by their word ``kind``, for who writes one: its branches, and a value that is none of them."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from engine.language.hints import hint_for_measure, meant_choice
from engine.language.slips import spaced
from engine.language.write import one_line
from engine.shipped import schema
from engine.words.table import branches, general

Schema = dict[str, Any]
_SHORT = 40  # characters of a text that is shown


def branches_at(path: str) -> dict[str, Schema]:
    """Return kind → schema of the section, for a choice at a dotted path; nothing where none stands there."""
    whole = schema("resolved")
    sections, word = whole["$defs"], whole
    for part in general(path).split("."):
        # a word of a choice stands in the sections of its branches
        holders = [word, *(sections[name] for name in branches(word).values())]
        word = next((some["properties"][part] for some in holders if part in some.get("properties", {})), {})
        if "$ref" in word:
            word = sections[word["$ref"].removeprefix("#/$defs/")]
    return {kind: sections[name] for kind, name in branches(word).items()}


def kinds_with(path: str, names: Iterable[str]) -> list[str]:
    """Return the kinds of a choice that have all of some words."""
    return [kind for kind, branch in branches_at(path).items() if set(names) <= set(branch["properties"])]


def written_out(path: str, kind: str, said: dict[str, Any]) -> str:
    """Write a section of one kind with all its words: those that were said, and the others from its example."""
    branch = branches_at(path)[kind]
    examples: list[dict[str, Any]] = branch.get("examples", [{}])
    example = examples[0]
    words = {name: said.get(name, example.get(name, "…")) for name in branch["properties"]}
    return one_line({**words, "kind": kind})


def other_kind(path: str, names: list[str], said: dict[str, Any]) -> str:
    """Say where words stand that another kind of the section has; empty where none has all of them."""
    kinds = kinds_with(path, names)
    if not kinds:
        return ""
    words = " and ".join(f"`{name}`" for name in names)
    only = " or ".join(f"`kind: {kind}`" for kind in kinds)
    some = {name: _short(said[name]) for name in names}
    stand = "stands" if len(names) == 1 else "stand"
    return (
        f"{words} {stand} only with {only}: write `{written_out(path, kinds[0], some)}`, or leave {words} out"
    )


def instead_of_section(path: str, value: Any) -> str:
    """Say how a section is written where a text, a number or a list was given; empty where it cannot be told."""
    kinds = branches_at(path)
    if isinstance(value, str):
        if hint := spaced(value):
            return hint
        if value in kinds:
            return f"write `{{kind: {value}, …}}`"
        kind, why = meant_choice(f"{path}.kind", value, kinds)
        if kind:
            return f"write `{written_out(path, kind, {})}`" + (f": {why}" if why else "")
    shape = _SHAPES.get(general(path))
    if shape and (made := shape(value)) is not None:
        return f"write `{one_line(made)}`"
    shown = next((written_out(path, kind, {}) for kind in kinds), "")
    return f"its kinds are {', '.join(kinds)}: such as `{shown}`" if kinds else ""


def _short(value: Any) -> Any:
    return value[:_SHORT] + "…" if isinstance(value, str) and len(value) > _SHORT else value


def _size(value: Any) -> Any:
    match = re.fullmatch(r"(\d{2,5}) ?[x×*:] ?(\d{2,5})", value) if isinstance(value, str) else None
    sides = [int(side) for side in match.groups()] if match else value
    if isinstance(sides, list) and len(sides) == 2 and all(type(side) is int for side in sides):
        return {"kind": "exact", "width": sides[0], "height": sides[1]}
    if type(value) is int:
        return {"kind": "pixel_area", "edge": value}
    edge = (
        re.match(r"write (\d+)", hint_for_measure("data.size.edge", value))
        if isinstance(value, str)
        else None
    )
    return {"kind": "pixel_area", "edge": int(edge[1])} if edge else None


def _prompts(value: Any) -> Any:
    texts = value if isinstance(value, list) else [value]
    named = {
        "name" if len(texts) == 1 else f"name-{place}": text for place, text in enumerate(texts[:2], start=1)
    }
    return (
        {name: _short(text) for name, text in named.items()}
        if all(isinstance(text, str) for text in texts)
        else None
    )


def _number_as(**words: str) -> Callable[[Any], Any]:
    """Return a shape whose word ``number`` takes the number that was given."""
    return lambda value: (
        {name: value if said == "number" else said for name, said in words.items()}
        if isinstance(value, int | float) and not isinstance(value, bool)
        else None
    )


_CHECKPOINTING: dict[bool, dict[str, Any]] = {True: {"kind": "blocks", "every": 1}, False: {"kind": "none"}}

_SHAPES: dict[str, Callable[[Any], Any]] = {
    "data.source": lambda value: {"kind": "folder", "path": value} if isinstance(value, str) else None,
    "data.captions": lambda value: {"kind": "one", "text": _short(value)} if isinstance(value, str) and " " in value else None,
    "data.size": _size,
    "train.clip": _number_as(kind="norm", limit="number"),
    "train.adapter": _number_as(rank="number"),
    "train.noise.shift": _number_as(kind="fixed", factor="number"),
    "train.gradient_checkpointing": lambda value: _CHECKPOINTING.get(value) if isinstance(value, bool) else None,
    "train.checkpoints": _number_as(every="number"),
    "sample.prompts": _prompts,
    "hardware": lambda value: {"device": value} if isinstance(value, str) else None,
}  # fmt: skip
"""Section → what is meant where something else than a section was given; None where it cannot be told."""
