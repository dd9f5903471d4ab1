"""Hold a layer or a complete recipe against its schema and its contract."""

from collections.abc import Iterable, Iterator
from typing import Any

from engine import VERSION
from engine.language.diagnostics import Diagnostic
from engine.language.fits import fits
from engine.language.layers import Layer
from engine.language.merge import Section, values
from engine.language.nodes import KeyPath, Mapping, leaves, plain, value_span
from engine.shipped import schema
from engine.words.classes import HOW
from engine.words.table import HEADER_WORDS, word_at

Schema = dict[str, Any]


def check_layer(layer: Layer, *, header: bool = True) -> tuple[list[Diagnostic], list[KeyPath]]:
    """Return the findings of one layer and the paths of the values that cannot be used.

    Args:
        layer: the layer.
        header: whether it must carry a header; overrides do not.
    """
    known = schema("layer") if header else schema("layer") | {"required": []}
    findings, bad = list[Diagnostic](), list[KeyPath]()
    if not fits(plain(layer.node), known, known):
        from engine.language.misfits import misfits_of_layer

        findings, bad = misfits_of_layer(layer, known)
    return [*findings, *_contract(layer), *_program(layer, bad)], bad


def check_complete(merged: Section) -> list[Diagnostic]:
    """Return what a complete recipe lacks; nothing where the merged values can be typed."""
    known = sections_only(schema("resolved"))
    if fits(values(merged), known, known):
        return []
    from engine.language.misfits import misfits_of_recipe

    return misfits_of_recipe(merged, known)


def explained(found: Diagnostic, bad: Iterable[str]) -> bool:
    """Whether a finding is there only because what a layer said of the word, around it or in it, could not be used."""
    if found.code == "RCP2003":
        return any(_related(found.path, path) for path in bad)
    return any(path.startswith(f"{found.path}.") for path in bad)


def sections_only(whole: Schema) -> Schema:
    """Return a schema without the words of the header: what is merged has none."""
    words = {name: word for name, word in whole["properties"].items() if name not in HEADER_WORDS}
    required = [name for name in whole["required"] if name not in HEADER_WORDS]
    return whole | {"properties": words, "required": required}


def _related(path: str, other: str) -> bool:
    return path == other or path.startswith(f"{other}.") or other.startswith(f"{path}.")


def _contract(layer: Layer) -> Iterator[Diagnostic]:
    """A hardware profile says how, never what; a fragment is a piece, and builds on nothing."""
    if layer.kind == "fragment" and (entry := layer.node.get("extends")):
        yield Diagnostic("RCP2207", "a fragment extends nothing", entry.key_span, "extends",
                         "the file that includes it says what is extended")  # fmt: skip
    if layer.kind != "hardware":
        return
    for path, entry in leaves(layer.node):
        word = word_at(".".join(path))
        if word is not None and word.cache not in HOW:
            yield Diagnostic(
                "RCP2301", f"a hardware profile may not set `{word.path}`", entry.key_span, word.path,
                f"`{word.path}` decides what is made ({word.cache}); set it in the recipe or the flavour",
            )  # fmt: skip


def _program(layer: Layer, bad: list[KeyPath]) -> Iterator[Diagnostic]:
    """A file may ask for a version of the program."""
    asked = layer.node.get("requires")
    if asked is None or not isinstance(asked.value, Mapping) or any(path[0] == "requires" for path in bad):
        return
    # only files that ask pay for reading what they ask for
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    span, said = value_span(layer.node, ("requires", "engine")), str(plain(asked.value.entries[0].value))
    try:
        if VERSION not in SpecifierSet(said):
            message = f"{layer.name} needs the program at {said}; this is {VERSION}"
            yield Diagnostic(
                "RCP2304", message, span, "requires.engine", "install another version, or another file"
            )
    except InvalidSpecifier:
        yield Diagnostic("RCP2002", f"`requires.engine` is {said!r}, not a range of versions", span,
                         "requires.engine", "such as `>=0.1`")  # fmt: skip
