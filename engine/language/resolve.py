"""A recipe file, its layers and overrides → one complete, typed recipe, with the origin of every value.

All findings come at once: what is wrong in one layer is left out, and the rest is merged and checked all the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.language.check import check_complete, check_layer, explained
from engine.language.diagnostics import Diagnostic, RecipeError, in_order
from engine.language.layers import Layer, load_layers, override
from engine.language.merge import Leaf, Origin, Section, leaves, merge, place, values
from engine.language.nodes import KeyPath, Mapping, Plain, Span, plain, value_span, without
from engine.language.read import read_file
from engine.language.rules import RULES
from engine.words.recipe import HEADER_WORDS, Recipe
from engine.words.table import is_location

LAYERS = ("base", "flavour", "hardware")  # kinds that others extend, and that do not run


@dataclass(frozen=True, slots=True)
class Resolved:
    """A recipe with nothing left implicit, and the origin of each value.

    Attributes:
        file: the recipe file.
        header: what that file says about itself.
        recipe: all words, typed; paths are absolute.
        layers: names of the layers, lowest first.
        warnings: findings that do not stop anything.
    """

    file: Path
    header: dict[str, Plain]
    recipe: Recipe
    merged: Section
    layers: tuple[str, ...]
    warnings: tuple[Diagnostic, ...]

    def origin(self, path: str) -> Origin | None:
        """Return who set the word at a dotted path; None for a section."""
        found = next((leaf for at, leaf in leaves(self.merged) if path == at), None)
        return found.origins[0] if found else None

    def span(self, path: str) -> Span:
        """Return the place of the word at a dotted path, or of the section around it."""
        return place(self.merged, path)


def resolve(path: Path, overrides: Sequence[str] = ()) -> Resolved:
    """Return the complete recipe.

    Raises:
        RecipeError: with every finding of every layer.
    """
    layers, findings = load_layers(path)
    hollow = bool(findings)  # a layer could not be read: what it would have said is not the author's omission
    sets = [override(text, number) for number, text in enumerate(overrides, start=1)]
    findings += [found for _, wrong in sets for found in wrong]
    if not layers:
        raise RecipeError(findings)
    own = layers[-1]  # the file itself is laid last
    usable, excused = list[Layer](), set[str]()
    for layer in [*layers, *(made for made, _ in sets if made is not None)]:
        wrong, bad = check_layer(layer, header=layer in layers)
        findings += wrong
        excused |= {".".join(map(str, at)) for at in bad}
        usable.append(Layer(layer.name, _pruned(layer.node, bad)))
    merged, conflicts = merge(usable, own.node.span)
    findings += conflicts
    lacks = check_complete(merged)
    typed = not lacks and not conflicts
    if own.kind in LAYERS:
        findings.append(_does_not_run(own))
    if hollow or own.kind in LAYERS:
        lacks = [found for found in lacks if found.code != "RCP2003"]
    findings += [found for found in lacks if not explained(found, excused)]
    made = Recipe.model_validate(_located(merged)) if typed else None
    if made is not None:
        findings += [found for rule in RULES for found in rule(made, lambda at: place(merged, at))]
    if made is None or any(found.severity == "error" for found in findings):
        raise RecipeError(findings)
    header = {entry.key: plain(entry.value) for entry in own.node.entries if entry.key in HEADER_WORDS}
    return Resolved(
        path.resolve(), header, made, merged, tuple(layer.name for layer in usable), in_order(findings)
    )


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
    if any(found.severity == "error" for found in findings):
        raise RecipeError(findings)
    return in_order(findings)


def _pruned(node: Mapping, bad: Sequence[KeyPath]) -> Mapping:
    for path in bad:
        kept = without(node, path)
        assert isinstance(kept, Mapping), "a mapping without one of its keys is a mapping"
        node = kept
    return node


def _does_not_run(layer: Layer) -> Diagnostic:
    span = value_span(layer.node, ("kind",))
    message = f"a file of kind `{layer.kind}` does not run"
    return Diagnostic("RCP2302", message, span, "kind", "write a recipe that extends it")


def _located(merged: Section) -> dict[str, Any]:
    """Return the merged values with every path made absolute from the file that says it."""
    found: dict[str, Any] = values(merged)
    for at, leaf in leaves(merged):
        if is_location(at) and isinstance(leaf.value, str):
            *above, last = at.split(".")
            below = found
            for part in above:
                below = below[part]
            below[last] = _absolute(leaf)
    return found


def _absolute(leaf: Leaf) -> str:
    return str((leaf.origins[0].folder / str(leaf.value)).resolve())
