"""Why a step runs again: which words and inputs differ from the last time, before → after, and who set them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from engine.language.resolve import Resolved
from engine.plan.keys import flat, word_paths
from engine.seam import Part, Spec, Stage, canonical
from engine.words.table import is_location

_MOST = 6  # reasons that a person reads


def what_changed(
    stage: Stage, spec: Any, digests: Mapping[str, str], before: Mapping[str, Any], resolved: Resolved
) -> tuple[str, ...]:
    """Return the differences between a step and the manifest of its last output."""
    if before["version"] != stage.version:
        return (f"the stage changed: version {before['version']} → {stage.version}",)
    changed = [*_words(spec, before["spec"], resolved), *_inputs(digests, before["inputs"])]
    return tuple(changed[:_MOST])


def _words(spec: Spec, before: Mapping[str, Any], resolved: Resolved) -> Iterator[str]:
    old = dict(_flat_as(spec, before))
    for path, value in flat(spec):
        if not is_location(path) and (path not in old or old[path] != value):
            origin = resolved.origin(path)
            where = f"  ({origin.span})" if origin else ""
            yield f"{path} {_short(old.get(path, 'unset'))} → {_short(value)}{where}"


def _flat_as(spec: Spec, dumped: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Flatten an older spec by the paths of the present one."""
    for name, path in word_paths(type(spec)).items():
        stack = [(path, dumped.get(name))]
        while stack:
            at, value = stack.pop()
            if isinstance(value, Mapping):
                stack += [(f"{at}.{key}", below) for key, below in value.items()]
            else:
                yield at, value


def _inputs(digests: Mapping[str, str], before: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*digests, *before}):
        if digests.get(name) != before.get(name):
            maker, slash, part = name.partition("/")
            yield f"{part} of {maker} changed" if slash else f"the {name} changed"


def what_moved(before: Mapping[str, Part], after: Mapping[str, Part]) -> Iterator[str]:
    """Say how many entries of each foreseen list are new, and how many are gone: "clips: 1 new, 0 gone"."""
    for name in sorted(before.keys() & after.keys()):
        old, new = (_entries(part.read(f"{name}.json")) for part in (before[name], after[name]))
        if old != new:
            yield f"{name}: {len(new - old)} new, {len(old - new)} gone, {len(new)} in all"


def _entries(content: bytes) -> set[bytes]:
    found = json.loads(content)
    return {canonical(entry) for entry in (found.items() if isinstance(found, dict) else found)}


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:39] + "…"
