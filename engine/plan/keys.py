"""What a stage reads of a recipe, and the key that follows from it.

A key is a digest of *stage, version, spec, digests of the inputs*. An identity is the same without the words of class
``extend``: a longer run of the same training has another key but the same identity, and so finds its checkpoints.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from engine.seam import Spec, Stage, digest_of
from engine.words.classes import CacheClass
from engine.words.recipe import Recipe
from engine.words.table import is_location, word_at

M = TypeVar("M", bound=BaseModel)


def word_paths(model: type[BaseModel]) -> dict[str, str]:
    """Return which word of a recipe each field of a spec or runtime model is."""
    paths = {}
    for name, field in model.model_fields.items():
        assert isinstance(field.json_schema_extra, dict), (
            f"{model.__module__}.{name} does not say which word it is"
        )
        paths[name] = str(field.json_schema_extra["path"])
    return paths


def project(model: type[M], recipe: Recipe) -> M:
    """Take from a recipe the words that a stage reads."""
    found: dict[str, Any] = {}
    for name, path in word_paths(model).items():
        value: Any = recipe
        for part in path.split("."):
            # a choice has only the words of its branch: a word of another branch reads as None
            value = getattr(value, part, None)
        found[name] = value
    return model.model_validate(found, from_attributes=True)


def key_of(stage: Stage, spec: Spec, digests: Mapping[str, str]) -> str:
    """Return the key of a stage's output."""
    return digest_of(_parts(stage, _counting(spec), digests))


def identity_of(stage: Stage, spec: Spec, digests: Mapping[str, str]) -> str:
    """Return the identity of the work: its key without the words that only make it longer."""
    kept = _counting(spec)
    for name, path in word_paths(type(spec)).items():
        word = word_at(path)
        if word is not None and word.cache is CacheClass.EXTEND and not _falls_with(spec, name):
            del kept[name]
    return digest_of(_parts(stage, kept, digests))


def flat(spec: Spec) -> Iterator[tuple[str, object]]:
    """Yield every value of a spec by the dotted path of its word."""
    dumped = spec.model_dump(mode="json")
    for name, path in word_paths(type(spec)).items():
        yield from _flat(dumped[name], path)


def _flat(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _flat(below, f"{path}.{key}")
    else:
        yield path, value


def _counting(spec: Spec) -> dict[str, Any]:
    """Return a spec as plain data, without the words that say where something lies: its content stands in for them."""
    dumped, paths = spec.model_dump(mode="json"), word_paths(type(spec))
    return {
        name: _without_places(dumped[name], path) for name, path in paths.items() if not is_location(path)
    }


def _without_places(value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        return value
    below = {key: (inner, f"{path}.{key}") for key, inner in value.items()}
    return {key: _without_places(inner, at) for key, (inner, at) in below.items() if not is_location(at)}


def _falls_with(spec: Spec, name: str) -> bool:
    """What falls towards the last step is another training when that step moves."""
    schedule, crepa = getattr(spec, "schedule", None), getattr(spec, "crepa", None)
    falls = (getattr(schedule, "kind", "constant"), getattr(crepa, "falls", "constant"))
    return name == "steps" and falls != ("constant", "constant")


def _parts(stage: Stage, spec: dict[str, Any], digests: Mapping[str, str]) -> dict[str, Any]:
    return {"stage": stage.name, "version": stage.version, "spec": spec, "inputs": dict(digests)}
