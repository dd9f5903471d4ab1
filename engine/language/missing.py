"""What a complete recipe lacks, said to the author of the file: in their file, and once where it has one cause."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from engine.language.diagnostics import Diagnostic
from engine.language.layers import Layer
from engine.language.nodes import Mapping, Span, value_span

_FEW = 3  # missing words that are said one by one
_WRITE = 'write `extends: ["builtin:flavours/…", "builtin:hardware/…"]`; `recipe list` shows them, and `recipe init` asks'


def in_own_words(lacks: Sequence[Diagnostic], own: Layer, layers: Iterable[Layer]) -> list[Diagnostic]:
    """Give missing words a place in the file itself, and say a forgotten flavour once instead of every word of it."""
    missing = [lack for lack in lacks if lack.code == "RCP2003"]
    others = [lack for lack in lacks if lack.code != "RCP2003"]
    if len(missing) > _FEW and not any(layer.kind == "flavour" for layer in layers):
        some = ", ".join(f"`{lack.path}`" for lack in missing[:_FEW])
        message = f"no flavour is extended, so {len(missing)} words are missing: {some} …"
        span = (
            value_span(own.node, ("extends",)) if own.node.get("extends") else value_span(own.node, ("kind",))
        )
        return [*others, Diagnostic("RCP2003", message, span, "extends", _WRITE)]
    # what a kind lacks is said where the kind is, whoever says it
    return [
        *others,
        *(
            lack if lack.path.endswith(".kind") else replace(lack, span=_nearest(own.node, lack.path))
            for lack in missing
        ),
    ]


def _nearest(node: Mapping, path: str) -> Span:
    """Return the place of the key that is nearest to a word in a file: its section, or the header."""
    kind = node.get("kind")
    span, inner = kind.value.span if kind else node.span, node
    for part in path.split("."):
        entry = inner.get(part)
        if entry is None:
            break
        span = entry.key_span
        if not isinstance(entry.value, Mapping):
            break
        inner = entry.value
    return span
