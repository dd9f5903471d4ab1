"""What an unknown word was meant to be: a slip, a name of another trainer, or a word that stands elsewhere."""

from collections.abc import Iterator
from collections.abc import Mapping as Words
from typing import Any

from engine.language.choices import branches_at, kinds_with
from engine.language.foreign import Foreign, foreign
from engine.language.slips import spaced
from engine.language.suggest import nearest
from engine.shipped import schema
from engine.words.table import HEADER_WORDS, MEANINGS

DIRECTIVES = tuple(schema("layer")["$defs"]["Directive"]["properties"])
_A_LINE = 160  # characters of names that are listed
_FEW = 3  # places that are named
_AT_ONCE = ("train_batch_size", "batch_size")
_GATHERED = ("gradient_accumulation_steps", "gradient_accumulation", "grad_accum")


def meant(name: str, at: str, known: Words[str, Any], said: dict[str, Any]) -> str:
    """Say what to write instead of a word that nobody knows.

    Args:
        name: the word.
        at: dotted path of the section that it stands in; empty for the top of the file.
        known: the words that the section has, without directives.
        said: what the section says, as plain data.
    """
    value = said[name]
    elsewhere = foreign(name, value, at)
    return (
        _directive(name)
        or spaced(name)
        or ("write `kind`" if name == "type" and "kind" in known else "")
        or _batch(name, said)
        or (_called(elsewhere) if elsewhere and elsewhere.word else "")
        or _belongs(name, value, at, beside=True)
        or (f"did you mean `{near}`?" if (near := nearest(name, known)) else "")
        or (elsewhere.why if elsewhere else "")
        or _belongs(name, value, at, beside=False)
        or _known(at, known)
    )


def _directive(name: str) -> str:
    if f"${name}" in DIRECTIVES:
        return f"write `${name}`: what begins with `$` says what to do with what stands below"
    if not name.startswith("$"):
        return ""
    near = nearest(name, DIRECTIVES)
    return f"did you mean `{near}`?" if near else f"known are {', '.join(DIRECTIVES)}"


def _batch(name: str, said: dict[str, Any]) -> str:
    """The batch of a step, where another trainer says its parts."""
    at_once, gathered = _count(said, _AT_ONCE), _count(said, _GATHERED)
    if not at_once or name not in (_AT_ONCE[0], *_GATHERED):
        return ""
    product = f" ({at_once} × {gathered})" if gathered else ""
    whole = at_once * (gathered or 1)
    return (f"`train.batch_size` is the whole batch of a step, and `train.micro_batch` what is on the device at once: "
            f"write `batch_size: {whole}`{product} and `micro_batch: {at_once}`")  # fmt: skip


def _count(said: dict[str, Any], names: tuple[str, ...]) -> int:
    return next((said[name] for name in names if type(said.get(name)) is int and said[name] > 0), 0)


def _called(other: Foreign) -> str:
    if other.why.startswith("write"):
        return other.why
    above, _, last = other.word.rpartition(".")
    every = branches_at(above) if last != "kind" else {}
    kinds = kinds_with(above, [last]) if every else []
    # what most kinds have need not be told apart
    only = (
        f" with {_or(f'`kind: {kind}`' for kind in kinds)}" if 2 * len(kinds) <= len(every) and kinds else ""
    )
    return f"here it is called `{other.word}`{only}" + (f"; {other.why}" if other.why else "")


def _belongs(name: str, value: Any, at: str, *, beside: bool) -> str:
    """Say where a word of that name stands: in the same section of the recipe, or in another, which is never the model."""
    if not beside and at and name in HEADER_WORDS and name != "kind":
        return f"`{name}` stands at the top of a file"
    top = at.partition(".")[0]
    near = [place for place in _places(name, value) if place != at
            and (place.partition(".")[0] == top if beside else not f"{place}.".startswith("model."))]  # fmt: skip
    for some in ([place for place in near if place.startswith(f"{at}.")], near):
        if some:
            depth = min(place.count(".") for place in some)
            return f"`{name}` belongs under {_or(_shown(place, name) for place in some if place.count('.') == depth)}"
    return ""


def _places(name: str, value: Any) -> Iterator[str]:
    """Yield the sections that have a word of that name; of `kind`, those that have such a kind."""
    for path in MEANINGS:
        above, _, last = path.rpartition(".")
        if last == name and above and (name != "kind" or value in branches_at(above)):
            yield above


def _shown(place: str, name: str) -> str:
    kinds, every = kinds_with(place, [name]), branches_at(place)
    return f"`{place}`" + (f" with `kind: {kinds[0]}`" if 0 < len(kinds) < len(every) else "")


def _known(at: str, known: Words[str, Any]) -> str:
    if not known:
        return f"`{at}` has no words of its own"
    names = ", ".join(known)
    return (
        f"known here: {names}"
        if len(names) < _A_LINE
        else f"`recipe doc {at}` lists the words that are known here"
    )


def _or(texts: Iterator[str]) -> str:
    return " or ".join(list(texts)[:_FEW])
