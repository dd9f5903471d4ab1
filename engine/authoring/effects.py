"""What a change of a word sends to work again, told from what the stages say that they read."""

from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from engine.plan.keys import word_paths
from engine.seam import Stage
from engine.stages import STAGES
from engine.words.classes import CacheClass

MEANS = {
    CacheClass.IDENTITY: "changes what is learnt or made: what depends on it runs again",
    CacheClass.NUMERICS: "the same mathematics, rounded differently: nothing runs again",
    CacheClass.EXTEND: "a longer run of the same training: it resumes (with a constant schedule)",
    CacheClass.RUNTIME: "how fast or where, never what: nothing runs again",
    CacheClass.LOCATION: "where something lies: only its content counts",
    CacheClass.LABEL: "for people: nothing runs again",
}


def readers(path: str) -> tuple[str, ...]:
    """Return the stages that read a word, or a word of a section, be it for the result or for speed."""
    return tuple(stage.name for stage in STAGES if _reads(stage.spec, path) or _reads(stage.runtime, path))


def run_again(path: str) -> tuple[str, ...]:
    """Return the stages that a change of a word sends to work: their result depends on it."""
    return tuple(stage.name for stage in STAGES if _decides(stage, path))


def may_follow(first: tuple[str, ...]) -> tuple[str, ...]:
    """Return the stages behind others: they work again where what they read comes out otherwise."""
    found = list(first)
    for stage in STAGES:
        if stage.name not in found and {need.partition("/")[0] for need in stage.needs} & set(found):
            found.append(stage.name)
    return tuple(found[len(first) :])


def _decides(stage: Stage, path: str) -> bool:
    return _reads(stage.spec, path)


def _reads(model: type[BaseModel], path: str) -> bool:
    return any(f"{path}.".startswith(f"{word}.") or word.startswith(f"{path}.") for word in _words(model))


@cache
def _words(model: type[BaseModel]) -> frozenset[str]:
    """Return every single word that a spec or runtime model holds, those of its sections among them."""
    paths = word_paths(model)
    return frozenset(
        word for name, path in paths.items() for word in _leaves(model.model_fields[name].annotation, path)
    )


def _leaves(annotation: Any, path: str) -> Iterator[str]:
    kinds = [
        kind
        for kind in (annotation, *get_args(annotation))
        if isinstance(kind, type) and issubclass(kind, BaseModel)
    ]
    if not kinds:
        yield path
    for kind in kinds:
        for name, field in kind.model_fields.items():
            yield from _leaves(field.annotation, f"{path}.{name}")
