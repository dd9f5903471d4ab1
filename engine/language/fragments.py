"""Fragments: a piece of a recipe that others take in at one place, by ``$include``.

A fragment says its words at their full place, as every layer does, and so the same schema holds for it::

    kind: fragment                          kind: recipe
    data:                                   data:
      source: {kind: folder, path: clips}     $include: parts/my-clips.yaml
      frames: 33                              short_clips: drop

It counts as a layer right below the file that includes it, of which only the section at that place is read.
``extends`` says "like that, but"; ``$include`` says "use this piece".
"""

from collections.abc import Iterator

from engine.language.diagnostics import Diagnostic
from engine.language.nodes import Entry, Mapping, Node, Scalar, leaves
from engine.words.table import HEADER_WORDS

INCLUDE = "$include"


def inclusions(node: Node, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Scalar]]:
    """Yield every ``$include`` of a layer with the place at which it stands."""
    if isinstance(node, Mapping):
        for entry in node.entries:
            if (
                entry.key == INCLUDE
                and isinstance(entry.value, Scalar)
                and isinstance(entry.value.value, str)
            ):
                yield path, entry.value
            elif (entry.key != "meta" or path) and not entry.key.startswith("$"):
                yield from inclusions(entry.value, (*path, entry.key))


def piece(fragment: Mapping, path: tuple[str, ...], said: Scalar) -> tuple[Mapping | None, list[Diagnostic]]:
    """Return what a fragment says at a place, as a layer; nothing where it is no fragment for that place."""
    at = ".".join(path)
    kind = fragment.get("kind")
    if kind is None or not isinstance(kind.value, Scalar) or kind.value.value != "fragment":
        of = f" but of kind `{kind.value.value}`" if kind and isinstance(kind.value, Scalar) else ""
        return None, [_wrong(f"`{said.value}` is not a fragment{of}", said, at,
                             "a whole layer is taken in by `extends`; a fragment says `kind: fragment`")]  # fmt: skip
    if any(True for _ in inclusions(fragment)):
        return None, [
            _wrong(f"the fragment `{said.value}` includes another", said, at, "include both from the recipe")
        ]
    outside = [entry for below, entry in leaves(fragment)
               if below[0] not in HEADER_WORDS and below[: len(path)] != path]  # fmt: skip
    if outside:
        help_ = f"it is included at `{at}`; take the other words out, or include it where all of them belong"
        found = _wrong(
            f"the fragment `{said.value}` speaks of `{outside[0].key}` outside of `{at}`", said, at, help_
        )
        return None, [found]
    entry: Entry | None = None
    node: Node = fragment
    for part in path:
        entry = node.get(part) if isinstance(node, Mapping) else None
        if entry is None:
            return None, [_wrong(f"the fragment `{said.value}` says nothing at `{at}`", said, at,
                                 "a fragment says its words at their full place, from the section on")]  # fmt: skip
        node = entry.value
    return fragment, []


def _wrong(message: str, said: Scalar, at: str, help_: str) -> Diagnostic:
    return Diagnostic("RCP2207", message, said.span, f"{at}.{INCLUDE}", help_)
