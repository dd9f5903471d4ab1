"""Hold a layer or a complete recipe against its schema and its contract."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from engine import VERSION
from engine.language.diagnostics import Diagnostic
from engine.language.fits import fits
from engine.language.fragments import INCLUDE
from engine.language.layers import Layer
from engine.language.merge import Section, values
from engine.language.nodes import KeyPath, Mapping, key_span, leaves, plain, value_span
from engine.shipped import schema
from engine.words.classes import HOW
from engine.words.table import HEADER_WORDS, WORDS, word_at

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


def check_machines(layers: Sequence[Layer]) -> Iterator[Diagnostic]:
    """A hardware profile builds on hardware profiles only: what it extends would otherwise win over the recipe's flavour."""
    kinds = {layer.name: layer.kind for layer in layers}
    for layer in layers:
        others = [name for name in layer.built_on if kinds.get(name) not in ("hardware", None)]
        if layer.kind == "hardware" and others:
            message = f"a hardware profile extends {', '.join(sorted(others))}"
            yield Diagnostic("RCP2301", message, key_span(layer.node, ("extends",)), "extends",
                             "it says how, never what: let the recipe extend both")  # fmt: skip


def _contract(layer: Layer) -> Iterator[Diagnostic]:
    """A hardware profile says how, never what; a fragment is a piece, and builds on nothing."""
    if layer.kind == "fragment" and (entry := layer.node.get("extends")):
        yield Diagnostic("RCP2207", "a fragment extends nothing", entry.key_span, "extends",
                         "the file that includes it says what is extended")  # fmt: skip
    if "hardware" not in (layer.kind, layer.included_by):
        return
    for path, entry in leaves(layer.node):
        if path[-1] == INCLUDE:
            continue  # the fragment is held to the same
        at = ".".join(part for part in path if not part.startswith("$"))
        # a directive may speak of a whole section
        words = [word for known, word in WORDS.items() if known.startswith(f"{at}.")]
        word = word_at(at)
        if any(one.cache not in HOW for one in (words or ([word] if word else []))):
            yield Diagnostic(
                "RCP2301", f"a hardware profile may not set `{at}`", entry.key_span, at,
                f"`{at}` decides what is made; set it in the recipe or the flavour",
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
