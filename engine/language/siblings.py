"""Layers that stand side by side and disagree: neither knows of the other, and the order of ``extends`` decided."""

from collections.abc import Iterable, Iterator

from engine.language.diagnostics import Diagnostic
from engine.language.layers import Layer
from engine.language.merge import Leaf, Section, leaves


def disagreements(merged: Section, layers: Iterable[Layer]) -> Iterator[Diagnostic]:
    """Yield a finding for each value that two layers of one kind set differently, unless one above them decides.

    A hardware profile over a flavour is what layers are for; two flavours, or two hardware profiles, are a question
    that the file above has to answer.
    """
    by_name = {layer.name: layer for layer in layers}
    for path, leaf in leaves(merged):
        if len(leaf.origins) > 1 and (found := _disagreement(path, leaf, by_name)):
            yield found


def _disagreement(path: str, leaf: Leaf, by_name: dict[str, Layer]) -> Diagnostic | None:
    winner = leaf.origins[0]
    above = by_name[winner.layer]
    for other in leaf.origins[1:]:
        below = by_name[other.layer]
        if above.kind != below.kind or above.kind not in _SIDE_BY_SIDE or other.value == winner.value:
            continue
        if below.name in above.built_on:
            return None
        return Diagnostic(
            "RCP2206", f"{above.name} and {below.name} disagree about `{path}`: {winner.value} and {other.value}",
            winner.span, path, f"say `{path}` in the file that extends both; until then the later one counts",
            "error" if above.kind == "hardware" else "warning", (("the other is at", other.span),),
        )  # fmt: skip
    return None


_SIDE_BY_SIDE = ("base", "flavour", "hardware", "recipe")
