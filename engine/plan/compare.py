"""Two recipes side by side: which values differ, who set them, and which stages a change sends to work again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from engine.language.merge import Origin, leaves
from engine.language.resolve import Resolved
from engine.plan.keys import flat, identity_of, key_of, project
from engine.seam import Stage


@dataclass(frozen=True, slots=True)
class Change:
    """One word that differs; an origin is None where the recipe does not have the word."""

    path: str
    before: Origin | None
    after: Origin | None


class Effect(StrEnum):
    """What a change means for the output of a stage."""

    AGAIN = "runs again"
    RESUMES = "goes on from where it is"
    CONTENT = "runs again where the content differs"
    INPUT = "runs again if its input comes out otherwise"
    NEW = "is new"
    GONE = "is no longer needed"


@dataclass(frozen=True, slots=True)
class Affected:
    """A stage that a change touches, and by which words or stages."""

    stage: str
    effect: Effect
    because: tuple[str, ...]


def changes(old: Resolved, new: Resolved) -> list[Change]:
    """Return the words that differ, in the order of the vocabulary."""
    before, after = dict(leaves(old.merged)), dict(leaves(new.merged))
    found = []
    for path in dict.fromkeys([*before, *after]):
        was = before[path].origins[0] if path in before else None
        now = after[path].origins[0] if path in after else None
        if was is None or now is None or _counts(old, path) != _counts(new, path):
            found.append(Change(path, was, now))
    return found


def affected(old: Resolved, new: Resolved, stages: Sequence[Stage]) -> list[Affected]:
    """Return the stages that differ, in running order; the others are kept."""
    found: dict[str, Affected] = {}
    for stage in stages:
        effect, because = _own(stage, old, new)
        inputs = [maker for need in stage.needs if (maker := need.partition("/")[0]) in found]
        if effect is None and inputs and stage.applies(new.recipe):
            effect, because = Effect.INPUT, tuple(dict.fromkeys(inputs))
        if effect is not None:
            found[stage.name] = Affected(stage.name, effect, because)
    return list(found.values())


def _own(stage: Stage, old: Resolved, new: Resolved) -> tuple[Effect | None, tuple[str, ...]]:
    """Return what a stage's own words do to it."""
    had, has = stage.applies(old.recipe), stage.applies(new.recipe)
    if not had or not has:
        return (None if had == has else Effect.NEW if has else Effect.GONE), ()
    before, after = project(stage.spec, old.recipe), project(stage.spec, new.recipe)
    words = tuple(_differing(dict(flat(before)), dict(flat(after))))
    if key_of(stage, before, {}) == key_of(stage, after, {}):
        return (Effect.CONTENT if words else None), words
    same_work = identity_of(stage, before, {}) == identity_of(stage, after, {})
    return (Effect.RESUMES if same_work else Effect.AGAIN), words


def _differing(before: dict[str, object], after: dict[str, object]) -> Iterator[str]:
    for path in dict.fromkeys([*before, *after]):
        if before.get(path) != after.get(path):
            yield path


def _counts(resolved: Resolved, path: str) -> object:
    """The value of a word with its location made absolute: the same folder by another path is the same."""
    value: object = resolved.values
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
