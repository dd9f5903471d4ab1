"""``${train.adapter.rank}``: a value that is taken from another word, once, after the layers were merged.

A value that is one reference keeps its kind; inside a longer text it is written out. ``${env:NAME}`` and
``${env:NAME:-otherwise}`` stand only in words that say where something lies, because the environment must never decide
what is learnt. ``$${`` is a plain ``${``. There are no expressions: a recipe is data.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from engine.language.diagnostics import Diagnostic
from engine.language.merge import Leaf, Section, found, leaves
from engine.language.nodes import Plain, Span
from engine.language.suggest import did_you_mean
from engine.words.classes import CacheClass
from engine.words.table import is_location, word_at

MAX_WRITTEN = 1 << 20  # characters and items that references may make, all together
_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}?")


class _Unfound(Exception):
    """A reference leads nowhere; carries the finding, and the words that were being followed."""

    def __init__(self, finding: Diagnostic, words: set[str]) -> None:
        self.finding = finding
        self.words = words


def follow(merged: Section) -> tuple[list[Diagnostic], set[str]]:
    """Put what each reference means in its place; returns what leads nowhere, and the words left without a value."""
    findings, lost = list[Diagnostic](), set[str]()
    walk = _Walk(merged)
    for path, leaf in leaves(merged):
        if path not in lost and _refers(leaf.value):
            try:
                walk.value_of(path, leaf)
            except _Unfound as unfound:
                lost |= unfound.words
                if unfound.finding.span not in [found.span for found in findings]:
                    findings.append(unfound.finding)
    return findings, lost


def _refers(value: Plain) -> bool:
    return any("${" in text for text in _texts(value))


def _texts(value: Plain) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


@dataclass(slots=True)
class _Walk:
    """Follows references, each word once."""

    merged: Section
    done: set[str] = field(default_factory=set)
    written: int = 0  # characters that references made
    above: list[tuple[str, Span]] = field(default_factory=list)  # words that are being followed

    def value_of(self, path: str, leaf: Leaf) -> Plain:
        """Return the value of a word with its references followed, and keep it."""
        if path in self.done or not _refers(leaf.value):
            return leaf.value
        span = leaf.origins[0].span
        names = [name for name, _ in self.above]
        if path in names:
            circle = " → ".join([*names[names.index(path) :], path])
            raise self._lost(f"the reference goes in a circle: {circle}", path, "say one of them as a value")
        self.above.append((path, span))
        try:
            value = self._filled(leaf.value, path)
        finally:
            self.above.pop()
        self.done.add(path)
        leaf.origins = (replace(leaf.origins[0], value=value), *leaf.origins[1:])
        return value

    def _filled(self, value: Plain, path: str) -> Plain:
        if isinstance(value, list):
            return [self._filled(item, path) for item in value]
        if not isinstance(value, str):
            return value
        whole = _REFERENCE.fullmatch(value)
        if whole and whole[1] is not None:
            return self._taken(whole, path)
        return _REFERENCE.sub(
            lambda match: "${" if match[1] is None else _written(self._taken(match, path)), value
        )

    def _taken(self, match: re.Match[str], path: str) -> Plain:
        """Return what a reference means; a few short lines that double each other must not fill the memory."""
        value = self._target(match, path)
        self.written += _size(value)
        if self.written > MAX_WRITTEN:
            raise self._lost(
                f"references make more than {MAX_WRITTEN:,} characters", path, "say the values themselves"
            )
        return value

    def _target(self, match: re.Match[str], path: str) -> Plain:
        name = match[1]
        if not match[0].endswith("}"):
            raise self._lost(
                f"`{match[0]}` does not end", path, "close it with `}`, or write `$${` for a plain `${`"
            )
        if name.startswith("env:"):
            return self._environment(name.removeprefix("env:"), path)
        there = found(self.merged, name)
        if isinstance(there, Section):
            raise self._lost(f"`${{{name}}}` is a section, not a value", path, "name one of its words")
        if there is None:
            near = did_you_mean(name, [known for known, _ in leaves(self.merged)])
            raise self._lost(
                f"`${{{name}}}` refers to nothing", path, near or "name a word by its whole path"
            )
        if _counts(path) and not _counts(name):
            raise self._lost(f"`{path}` decides what is made, and `{name}` must not", path,
                             f"`{name}` may be another on the next machine: say the value itself")  # fmt: skip
        return self.value_of(name, there)

    def _environment(self, said: str, path: str) -> Plain:
        name, otherwise, default = said.partition(":-")
        if not is_location(path):
            raise self._lost(f"`{path}` may not depend on the environment", path,
                             "only words that say where something lies may; another machine must learn the same")  # fmt: skip
        if name not in os.environ and not otherwise:
            raise self._lost(
                f"the environment has no {name}", path, f"set it, or write `${{env:{name}:-otherwise}}`"
            )
        return os.environ.get(name, default)

    def _lost(self, message: str, path: str, help_: str) -> _Unfound:
        related = tuple((f"`{name}` refers on at", span) for name, span in self.above[:-1])
        leaf = found(self.merged, self.above[-1][0] if self.above else path)
        assert isinstance(leaf, Leaf), "only values refer"
        found_at = Diagnostic("RCP2205", message, leaf.origins[0].span, path, help_, related=related)
        return _Unfound(found_at, {name for name, _ in self.above})


def _counts(path: str) -> bool:
    """Whether a word decides what is made."""
    word = word_at(path)
    return word is not None and word.cache in (CacheClass.IDENTITY, CacheClass.EXTEND)


def _size(value: Plain) -> int:
    if isinstance(value, list):
        return 1 + sum(map(_size, value))
    return 1 + len(value) if isinstance(value, str) else 1


def _written(value: Plain) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
