"""What is known of one word, for people: ``recipe doc WORD``."""

from collections.abc import Iterator
from shlex import quote
from typing import Any

from engine.authoring.defaults import BASE, default, example
from engine.authoring.effects import MEANS, may_follow, readers, run_again
from engine.language.builtin import builtin_file
from engine.language.choices import branches_at
from engine.language.files import shown
from engine.language.foreign import foreign
from engine.language.nodes import Plain
from engine.language.refused import refusal
from engine.language.suggest import nearest
from engine.language.write import one_line
from engine.shipped import schema
from engine.words.classes import HOW
from engine.words.table import HEADER_WORDS, MEANINGS, WORDS, Word, general, word_at


def doc(said: str) -> str:
    """Return what is known of a word or a section, whatever a person calls it.

    Raises:
        LookupError: nothing is called so; the message says what is near.
    """
    path, note = _meant(general(said.strip().strip("`")))
    return "\n".join([*note, *_about(path)])


def _meant(said: str) -> tuple[str, list[str]]:
    """Return our word for what was said, and a line where it is another."""
    if said in MEANINGS or said in HEADER_WORDS or said in _directives():
        return said, []
    above = word_at(said)
    if above is not None and above.merge == "merge":  # a name of the author's own, such as a prompt's
        return above.path, []
    refused = refusal("", said.lstrip("-"), None)
    if refused:
        raise LookupError(f"{refused[1]}: {refused[2]}")
    elsewhere = foreign(said.lstrip("-"))
    if elsewhere and elsewhere.word:
        return elsewhere.word, [
            f"`{said}` is called `{elsewhere.word}` here" + (f": {elsewhere.why}." if elsewhere.why else "."),
            "",
        ]
    ends = _ending(said)
    if len(ends) == 1:
        return ends[0], []
    if ends:
        raise LookupError(f"`{said}` could be {', '.join(ends)}")
    if elsewhere:
        raise LookupError(f"there is no word `{said}`: {elsewhere.why}")
    near = nearest(said, MEANINGS) or nearest(said, [path.rpartition(".")[2] for path in MEANINGS])
    hint = f"did you mean {' or '.join(_ending(near))}?" if near else "all words stand in docs/reference.md"
    raise LookupError(f"there is no word `{said}`; {hint}")


def _ending(said: str) -> list[str]:
    return [path for path in MEANINGS if path == said or path.endswith(f".{said}")]


def _about(path: str) -> Iterator[str]:
    yield path
    if path in WORDS:
        yield from _word(WORDS[path])
    elif path in MEANINGS:
        yield from _section(path)
    elif path in HEADER_WORDS:
        yield f"  {schema('layer')['properties'][path].get('description', '')}"
        yield from _rows({"stands": "in the header of a file; it is not inherited, and runs nothing again"})
    else:
        yield f"  {_directives()[path]}"
        yield from _rows({"stands": "in a layer, in place of a value or a section; see docs/language.md"})


def _word(word: Word) -> Iterator[str]:
    yield f"  {word.description}"
    again = run_again(word.path)
    hardware = (
        "any file" if word.cache in HOW else "any file but a hardware profile, which says how and never what"
    )
    path, value = _as_set(word.path)
    yield from _rows({
        "values": f"{word.values} {word.unit}".strip(),
        "default": _default(word.path),
        "merge": _OF_KIND if word.path.endswith(".kind") else _MERGE[word.merge],
        "class": f"{word.cache}: {MEANS[word.cache]}",
        "read by": ", ".join(readers(word.path)) or "nobody: it is for people",
        "run again": _again(again),
        "set by": hardware,
        "example": _in_a_file(path, value),
        "": f"--set {quote(f'{path}={one_line(value)}')}",
    })  # fmt: skip


def _as_set(path: str) -> tuple[str, Plain]:
    """Return what to set for a word: its value, or, where the base has another kind of its section, one of the kind with it."""
    parts, value = path.split("."), example(path)
    for length in range(1, len(parts)):
        above, name = ".".join(parts[:length]), parts[length]
        kinds, said = branches_at(above), default(f"{above}.kind")
        if said is None or (
            name in kinds[str(said.value)]["properties"] and (name != "kind" or value == said.value)
        ):
            continue
        whole = _examples(above, name)
        if name == "kind":
            whole = [one for one in whole if one["kind"] == value]
        if whole and length == len(parts) - 2:  # a word of a choice within it
            return above, whole[0] | {name: (_examples(f"{above}.{name}", parts[-1]) or [whole[0][name]])[0]}
        if whole:
            return above, whole[0]
    return path, value


def _examples(choice: str, name: str) -> list[dict[str, Any]]:
    """Return the examples of the kinds of a choice that have a word."""
    return [one for kind in branches_at(choice).values() for one in kind.get("examples", []) if name in one]


def _section(path: str) -> Iterator[str]:
    yield f"  {MEANINGS[path]}"
    words = [word for name, word in WORDS.items() if name.startswith(f"{path}.")]
    width = max(len(word.path) for word in words)
    yield ""
    yield from (f"  {word.path:<{width}}  {word.description}" for word in words)
    yield from _rows({"run again": _again(run_again(path))})


def _in_a_file(path: str, value: Plain) -> str:
    for name in reversed(path.split(".")):
        value = {name: value}
    return one_line(value).removeprefix("{").removesuffix("}")


def _default(path: str) -> str:
    said = default(path)
    if said is None:
        return "none: a flavour or a recipe says it"
    return f"{one_line(said.value)}   ({shown(builtin_file(BASE))}:{said.span.line})"


def _again(first: tuple[str, ...]) -> str:
    then = may_follow(first)
    return (
        ", ".join(first) + (f"; where their results differ, {', '.join(then)}" if then else "") or "nothing"
    )


def _directives() -> dict[str, str]:
    known = schema("layer")["$defs"]["Directive"]["properties"]
    return {name: word["description"] for name, word in known.items()}


_OF_KIND = "another kind drops the words of the section that a layer below said: say all of its own"
_MERGE = {
    "replace": "a later layer replaces it",
    "merge": "layers merge, name by name",
    "by kind": "layers merge; another kind replaces all of it",
}


def _rows(said: dict[str, str]) -> Iterator[str]:
    yield ""
    yield from (f"  {name:<10} {text}" for name, text in said.items())
