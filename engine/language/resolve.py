"""A recipe file, its layers and overrides → one complete recipe, with the origin of every value.

All findings come at once: what is wrong in one layer is left out, and the rest is merged and checked all the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from engine.language.allow import allowed
from engine.language.check import check_complete, check_layer, explained
from engine.language.diagnostics import Diagnostic, RecipeError, in_order
from engine.language.files import OFFLINE, Access
from engine.language.layers import Layer, load_layers
from engine.language.merge import Leaf, Origin, Section, found, leaves, merge, place, values
from engine.language.nodes import KeyPath, Mapping, Plain, Source, Span, plain, value_span, without
from engine.language.overrides import Override, override_layers
from engine.language.read import read_file
from engine.language.references import follow
from engine.language.rules import RULES
from engine.language.siblings import disagreements
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


def resolve(path: Path, overrides: Sequence[Override] = (), access: Access = OFFLINE) -> Resolved:
    """Return the complete recipe.

    Raises:
        RecipeError: with every finding of every layer.
    """
    layers, findings = load_layers(path, access)
    # a layer could not be read: what it would have said is not the author's omission
    hollow = any(finding.severity == "error" for finding in findings)
    sets, wrong = override_layers(overrides)
    findings += wrong
    if not layers:
        raise RecipeError(findings)
    own = layers[-1]  # the file itself is laid last
    usable, excused, wrong = _usable(layers, sets)
    merged, conflicts = merge(usable, own.node.span)
    lost, without_value = follow(merged)
    lacks = [lack for lack in check_complete(merged) if lack.path not in without_value]
    complete = not lacks and not conflicts and not lost
    findings += [*wrong, *conflicts, *lost, *disagreements(merged, usable)]
    if own.kind in LAYERS:
        findings.append(_does_not_run(own))
    if hollow or own.kind in LAYERS:
        lacks = [lack for lack in lacks if lack.code != "RCP2003"]
    findings += [lack for lack in lacks if not explained(lack, excused)]
    made = _located(merged)
    if complete:
        seen = cast("Recipe", _seen(made))
        findings += [finding for rule in RULES for finding in rule(seen, lambda at: place(merged, at))]
    sources = tuple(dict.fromkeys(layer.node.span.source for layer in layers))
    findings = allowed(findings, sources)
    if not complete or any(finding.severity == "error" for finding in findings):
        raise RecipeError(findings)
    header = {entry.key: plain(entry.value) for entry in own.node.entries if entry.key in HEADER_WORDS}
    names = tuple(layer.name for layer in usable)
    return Resolved(path.resolve(), header, made, merged, names, in_order(findings), sources)


def kind_of(path: Path) -> str:
    """Return what a file says it is; empty where it does not say."""
    node, _ = read_file(path, str(path))
    return Layer("", node).kind if isinstance(node, Mapping) else ""


def check_layers(path: Path) -> tuple[Diagnostic, ...]:
    """Check a file that is not a recipe, and those that it extends, by themselves; returns the warnings.

    Raises:
        RecipeError: with every finding.
    """
    layers, findings = load_layers(path)
    for layer in layers:
        findings += check_layer(layer)[0]
    # rules speak of complete recipes: that a layer's allowance silences nothing cannot be told of it alone
    findings = allowed(findings, (layer.node.span.source for layer in layers), whole=False)
    if any(finding.severity == "error" for finding in findings):
        raise RecipeError(findings)
    return in_order(findings)


class _Seen(dict[str, Any]):
    """Checked values that read like the typed recipe: ``recipe.train.steps``."""

    __getattr__ = dict.__getitem__


def _seen(value: Any) -> Any:
    if isinstance(value, dict):
        return _Seen({name: _seen(below) for name, below in value.items()})
    return [_seen(item) for item in value] if isinstance(value, list) else value


def _usable(layers: Sequence[Layer], sets: Sequence[Layer]) -> tuple[list[Layer], set[str], list[Diagnostic]]:
    """Check every layer; returns them without what cannot be used, the paths of that, and why."""
    usable, bad, findings = list[Layer](), set[str](), list[Diagnostic]()
    for layer in [*layers, *sets]:
        wrong, paths = check_layer(layer, header=layer in layers)
        findings += wrong
        bad |= {".".join(map(str, at)) for at in paths}
        usable.append(Layer(layer.name, _pruned(layer.node, paths), layer.built_on))
    return usable, bad, findings


def _pruned(node: Mapping, bad: Sequence[KeyPath]) -> Mapping:
    # a directive that cannot be used says nothing at its word
    whole = [path[:-1] if isinstance(path[-1], str) and path[-1].startswith("$") else path for path in bad]
    kept = without(node, whole)
    assert isinstance(kept, Mapping), "a mapping without some of its keys is a mapping"
    return kept


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
    return str((leaf.origins[0].folder / str(leaf.value)).resolve())
