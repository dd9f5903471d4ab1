"""A recipe file, its layers and overrides → one complete recipe, with the origin of every value.

All findings come at once: what is wrong in one layer is left out, and the rest is merged and checked all the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from engine.language.allow import allowed
from engine.language.check import check_complete, check_layer, check_machines, explained
from engine.language.diagnostics import Diagnostic, RecipeError, in_order
from engine.language.files import OFFLINE, Access
from engine.language.inherit import inherit
from engine.language.layers import Layer, load_layers
from engine.language.merge import Leaf, Origin, Section, found, leaves, merge, place, values
from engine.language.missing import in_own_words
from engine.language.nodes import KeyPath, Mapping, Plain, Source, Span, plain, value_span, without
from engine.language.overrides import Override, override_layers
from engine.language.read import read_file
from engine.language.references import follow
from engine.language.rules import RULES
from engine.language.siblings import disagreements
from engine.language.trainers import TITLES, looks_like
from engine.words.table import HEADER_WORDS, is_location

if TYPE_CHECKING:
    from engine.words.recipe import Recipe

LAYERS = ("base", "flavour", "hardware", "fragment")  # kinds that others build on, and that do not run


@dataclass(frozen=True)
class Resolved:
    """A recipe with nothing left implicit, and the origin of each value.

    Attributes:
        file: the recipe file.
        header: what that file says about itself.
        values: all words as plain data; paths are absolute.
        merged: the same with the origins; paths as they were written.
        layers: names of the layers, lowest first.
        warnings: findings that do not stop anything, and that nobody allowed.
        sources: the texts that it was read from; comments in them allow warnings.
    """

    file: Path
    header: dict[str, Plain]
    values: dict[str, Any]
    merged: Section
    layers: tuple[str, ...]
    warnings: tuple[Diagnostic, ...]
    sources: tuple[Source, ...]

    @cached_property
    def recipe(self) -> "Recipe":
        """All words, typed. Built when first asked for: to build the models takes longer than to validate."""
        from engine.words.recipe import Recipe

        return Recipe.model_validate(self.values)

    def origin(self, path: str) -> Origin | None:
        """Return who set the word at a dotted path; None for a section."""
        there = found(self.merged, path)
        return there.origins[0] if isinstance(there, Leaf) else None

    def span(self, path: str) -> Span:
        """Return the place of the word at a dotted path, or of the section around it."""
        return place(self.merged, path)


@dataclass(frozen=True)
class Composed:
    """Layers laid on each other, be they right or wrong.

    Attributes:
        own: the file itself.
        layers: lowest first, without what cannot be used.
        findings: everything that is wrong with them, warnings included.
        complete: whether every word has a value of the right kind.
    """

    own: Layer
    layers: tuple[Layer, ...]
    merged: Section
    findings: tuple[Diagnostic, ...]
    complete: bool

    @property
    def wrong(self) -> bool:
        """Whether it cannot be run."""
        return not self.complete or any(finding.severity == "error" for finding in self.findings)


def resolve(path: Path, overrides: Sequence[Override] = (), access: Access = OFFLINE) -> Resolved:
    """Return the complete recipe.

    Raises:
        RecipeError: with every finding of every layer.
    """
    made = compose(path, overrides, access)
    if made.wrong:
        raise RecipeError(made.findings)
    header = {entry.key: plain(entry.value) for entry in made.own.node.entries if entry.key in HEADER_WORDS}
    names = tuple(layer.name for layer in made.layers)
    values, sources = _located(made.merged), _sources(made.layers)
    return Resolved(path.resolve(), header, values, made.merged, names, in_order(made.findings), sources)


def compose(path: Path, overrides: Sequence[Override] = (), access: Access = OFFLINE) -> Composed:
    """Lay the layers of a recipe on each other and find everything that is wrong.

    Raises:
        RecipeError: there is nothing that could be read.
    """
    layers, findings = load_layers(path, access)
    # a layer could not be read: what it would have said is not the author's omission
    hollow = any(finding.severity == "error" for finding in findings)
    sets, wrong = override_layers(overrides)
    findings += wrong
    if not layers:
        raise RecipeError(findings)
    own = layers[-1]  # the file itself is laid last
    if own.node.get("apiVersion") is None and (tool := looks_like(plain(own.node))):
        raise RecipeError([_of_another_trainer(own, tool)])
    usable, excused, wrong = _usable(layers, sets)
    merged, conflicts = merge(usable, own.node.span)
    inherit(merged)
    lost, without_value = follow(merged)
    lacks = [lack for lack in check_complete(merged) if lack.path not in without_value]
    complete = not lacks and not conflicts and not lost
    findings += [*wrong, *conflicts, *lost, *disagreements(merged, usable), *check_machines(layers)]
    if own.kind in LAYERS:
        findings.append(_does_not_run(own))
    if hollow or own.kind in LAYERS or "extends" in excused:
        lacks = [lack for lack in lacks if lack.code != "RCP2003"]
    findings += in_own_words([lack for lack in lacks if not explained(lack, excused)], own, layers)
    if complete:
        findings += _by_rule(merged, [own, *sets])
    findings = allowed(findings, _sources(layers), whole=not sets)
    return Composed(own, tuple(usable), merged, tuple(findings), complete)


def kind_of(path: Path) -> str:
    """Return what a file says it is; empty where it does not say."""
    node, _ = read_file(path, str(path))
    return Layer("", node).kind if isinstance(node, Mapping) else ""


def check_layers(
    path: Path, overrides: Sequence[Override] = (), access: Access = OFFLINE
) -> tuple[Diagnostic, ...]:
    """Check a file that is not a recipe, those that it extends, and what is set over it; returns the warnings.

    Raises:
        RecipeError: with every finding.
    """
    layers, findings = load_layers(path, access)
    sets, wrong = override_layers(overrides)
    findings += [*wrong, *check_machines(layers)]
    for layer in layers:
        findings += check_layer(layer)[0]
    for layer in sets:
        own = layers[-1].kind if layers else ""
        findings += check_layer(replace(layer, included_by=own), header=False)[0]
    # rules speak of complete recipes: that a layer's allowance silences nothing cannot be told of it alone
    findings = allowed(findings, _sources(layers), whole=False)
    if any(finding.severity == "error" for finding in findings):
        raise RecipeError(findings)
    return in_order(findings)


class _Seen(dict[str, Any]):
    """Checked values that read like the typed recipe: ``recipe.train.steps``."""

    __getattr__ = dict.__getitem__


def _by_rule(merged: Section, mine: Sequence[Layer]) -> Iterator[Diagnostic]:
    """Ask every rule; a finding stands where the reader can mend it, in the file itself where that has a part in it."""
    seen = cast("Recipe", _seen(_located(merged)))
    sources = [layer.node.span.source for layer in mine]
    said = set[tuple[str, Span, str]]()
    for rule in RULES:
        for finding in rule(seen, lambda at: place(merged, at)):
            # what several datasets have from one line is one mistake
            if (one := (finding.code, finding.span, finding.message)) in said:
                continue
            said.add(one)
            own = next((span for _, span in finding.related if span.source in sources), None)
            if own is None or finding.span.source in sources:
                yield finding
            else:
                others = tuple((role, span) for role, span in finding.related if span != own)
                yield replace(
                    finding, span=own, related=((f"`{finding.path}` is set at", finding.span), *others)
                )


def _seen(value: Any) -> Any:
    if isinstance(value, dict):
        return _Seen({name: _seen(below) for name, below in value.items()})
    return [_seen(item) for item in value] if isinstance(value, list) else value


def _sources(layers: Sequence[Layer]) -> tuple[Source, ...]:
    """Return the texts that layers were read from; comments in them allow warnings."""
    return tuple(dict.fromkeys(layer.node.span.source for layer in layers))


def _usable(layers: Sequence[Layer], sets: Sequence[Layer]) -> tuple[list[Layer], set[str], list[Diagnostic]]:
    """Check every layer; returns them without what cannot be used, the paths of that, and why."""
    usable, bad, findings = list[Layer](), set[str](), list[Diagnostic]()
    for layer in [*layers, *sets]:
        wrong, paths = check_layer(layer, header=layer in layers)
        findings += wrong
        # a directive that cannot be used leaves its word unsaid
        bad |= {".".join(str(part) for part in at if str(part)[:1] != "$") for at in paths}
        usable.append(replace(layer, node=_pruned(layer.node, paths)))
    return usable, bad, findings


def _pruned(node: Mapping, bad: Sequence[KeyPath]) -> Mapping:
    # a directive that cannot be used says nothing at its word
    whole = [path[:-1] if isinstance(path[-1], str) and path[-1].startswith("$") else path for path in bad]
    kept = without(node, whole)
    assert isinstance(kept, Mapping), "a mapping without some of its keys is a mapping"
    return kept


def _of_another_trainer(layer: Layer, tool: str) -> Diagnostic:
    message = f"this is no recipe; it looks like {TITLES[tool]}'s"
    return Diagnostic(
        "RCP3201", message, layer.node.span, help=f"`recipe import {tool} {layer.name}` makes one of it"
    )


def _does_not_run(layer: Layer) -> Diagnostic:
    span = value_span(layer.node, ("kind",))
    message = f"a file of kind `{layer.kind}` does not run"
    help_ = "include it from a recipe" if layer.kind == "fragment" else "write a recipe that extends it"
    return Diagnostic("RCP2302", message, span, "kind", help_)


def _located(merged: Section) -> dict[str, Any]:
    """Return the merged values with every path made absolute from the file that says it."""
    made: dict[str, Any] = values(merged)
    for at, leaf in leaves(merged):
        if is_location(at) and isinstance(leaf.value, str):
            *above, last = at.split(".")
            below = made
            for part in above:
                below = below[part]
            below[last] = _absolute(leaf)
    return made


def _absolute(leaf: Leaf) -> str:
    path = leaf.origins[0].folder / str(leaf.value)
    try:
        return str(path.resolve())
    except (OSError, RuntimeError):  # a link that leads to itself: whoever opens it says so
        return str(path.absolute())
