"""Layers that stand side by side and disagree: neither knows of the other, and the order of ``extends`` decided."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from engine.language.diagnostics import Diagnostic, Severity
from engine.language.layers import Layer
from engine.language.merge import Leaf, Origin, Section, leaves
from engine.language.write import one_line


def disagreements(merged: Section, layers: Iterable[Layer]) -> Iterator[Diagnostic]:
    """Yield a finding for each value that two layers of one kind set differently, unless one above them decides.

    A hardware profile over a flavour is what layers are for; two flavours, or two hardware profiles, are a question
    that the file above has to answer.
    """
    by_name = {layer.name: layer for layer in layers}
    pairs: dict[tuple[str, str], list[_Quarrel]] = {}
    for path, leaf in leaves(merged):
        if (quarrel := _quarrel(path, leaf, by_name)) is not None:
            pairs.setdefault((quarrel.winner.layer, quarrel.other.layer), []).append(quarrel)
    for (above, below), quarrels in pairs.items():
        first, words = quarrels[0], [quarrel.path for quarrel in quarrels]
        about = f"`{first.path}`: {one_line(first.winner.value)} and {one_line(first.other.value)}"
        more = f", and about {len(words) - 1} more: {', '.join(words[1:_NAMED])}" if len(words) > 1 else ""
        two_models = by_name[above].kind == "flavour" and any(word.startswith("model.") for word in words)
        help_ = ("a model is one of the two: keep one of the flavours" if two_models else
                 "say it in the file that extends both; until then the later one counts")  # fmt: skip
        severity: Severity = "error" if two_models or by_name[above].kind == "hardware" else "warning"
        yield Diagnostic(
            "RCP2206", f"{above} and {below} disagree about {about}{more}", first.winner.span, first.path, help_, severity,
            (("the other is at", first.other.span),),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Quarrel:
    """One word that two layers set differently."""

    path: str
    winner: Origin
    other: Origin


def _quarrel(path: str, leaf: Leaf, by_name: dict[str, Layer]) -> _Quarrel | None:
    winner = leaf.origins[0]
    above = by_name[winner.layer]
    for other in leaf.origins[1:]:
        below = by_name[other.layer]
        of_a_kind = above.kind == below.kind and above.kind in _SIDE_BY_SIDE
        if of_a_kind and other.value != winner.value and below.name not in above.built_on:
            return _Quarrel(path, winner, other)
    return None


_SIDE_BY_SIDE = ("base", "flavour", "hardware", "recipe")
_NAMED = 4  # words that are named, of those that two layers disagree about
