"""The lock of a recipe: what it stood on and what it came to, one fact a line, the same on every machine.

It holds the commits of references that can move, and the digest of every layer. All words that count are written out,
so that a review shows what a new commit of a base changes, and a stale lock can say which word is another one now.
Words that only say where, how fast or for whom are left out: they do not make a lock stale.
"""

import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine import VERSION as PROGRAM
from engine.language.address import Address, is_commit
from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.files import BUILTIN, Access, git_cache
from engine.language.git import Repository, commit_of
from engine.language.layers import Layer, load_layers
from engine.language.nodes import Mapping as Node
from engine.language.nodes import Plain, Source, Span, leaves, plain
from engine.language.pins import (
    MARK,
    NOT_OURS,
    REVISION,
    VERSION,
    Pins,
    lock_file,
    read_lock,
    written_by_lock,
)
from engine.language.resolve import Resolved, resolve
from engine.seam import digest_of
from engine.words.classes import CacheClass
from engine.words.table import SECTIONS, word_at

Facts = dict[str, Any]

_FREE = (CacheClass.RUNTIME, CacheClass.LOCATION, CacheClass.LABEL)


@dataclass(frozen=True, slots=True)
class Move:
    """A reference that stands for another commit now."""

    address: Address
    old: str
    new: str
    log: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Locked:
    """What ``recipe lock`` did."""

    file: Path
    layers: int
    changed: bool
    moves: tuple[Move, ...]


class NoSuchReference(Exception):
    """A name to upgrade that no reference that can move has."""

    def __init__(self, names: Sequence[str], known: Sequence[str]) -> None:
        super().__init__(
            f"no reference that can move is called {', '.join(names)}; known: {', '.join(known) or 'none'}"
        )


@dataclass(slots=True)
class _Pinning:
    """Says which commit a reference stands for: the one before, unless it is to move or is new."""

    before: Pins
    upgrade: Callable[[Address], bool]
    now: dict[tuple[str, str], str] = field(default_factory=dict)
    met: dict[tuple[str, str], Address] = field(default_factory=dict)

    def __call__(self, address: Address) -> str:
        key = (address.remote, address.ref)
        self.met.setdefault(key, address)
        if key not in self.now:
            kept = self.before.get(key) if not self.upgrade(address) else None
            self.now[key] = kept or commit_of(*key)
        return self.now[key]


def lock(recipe: Path, access: Access, upgrade: Sequence[str] | None = None) -> Locked:
    """Write the lock of a recipe, keeping the commits that it holds.

    Args:
        recipe: the recipe file.
        access: what may be fetched.
        upgrade: names of references to move to their newest commit; empty for all of them; None to move none.

    Raises:
        RecipeError: the recipe is wrong, or its lock is a newer program's or not a lock at all.
        NoSuchReference: a name to upgrade is none.
    """
    file = lock_file(recipe)
    before = _pins_before(recipe)
    pinning = _Pinning(
        before, lambda address: upgrade is not None and (not upgrade or bool({*upgrade} & _names(address)))
    )
    facts = compose(recipe, replace(access, pin=pinning))
    known = {name for address in pinning.met.values() for name in _names(address)}
    if unknown := [name for name in upgrade or () if name not in known]:
        raise NoSuchReference(unknown, [str(address) for address in pinning.met.values()])
    text = written(facts, about_lock(recipe))
    changed = not file.is_file() or file.read_text("utf-8") != text
    if changed:
        _publish(file, text)
    moves = [
        Move(address, before[key], pinning.now[key], _log(address, before[key], pinning.now[key], access))
        for key, address in pinning.met.items() if before.get(key, pinning.now[key]) != pinning.now[key]
    ]  # fmt: skip
    return Locked(file, len(facts["layers"]), changed, tuple(moves))


def stale(recipe: Path, access: Access, resolved: Resolved | None = None) -> tuple[Diagnostic, ...]:
    """Return what the lock of a recipe says otherwise than the recipe; nothing where it fits.

    Args:
        resolved: what will run, with all that is set over the recipe; the recipe alone where it is not said.

    Raises:
        RecipeError: the recipe is wrong, or there is no lock that can be read.
    """
    held = held_lock(recipe)
    resolved = resolved or resolve(recipe, (), access)
    return tuple(_differences(held, compose(recipe, access, resolved), resolved, recipe))


def held_lock(recipe: Path) -> Facts:
    """Return the facts of the lock of a recipe.

    Raises:
        RecipeError: there is none, or it cannot be read.
    """
    held = read_lock(recipe)
    if held is None:
        file = lock_file(recipe)
        span = Span(Source(file.name, "", file.parent), 1, 1, 2)
        raise RecipeError(
            [Diagnostic("RCP5102", f"there is no {file.name}", span, help=f"run `recipe lock {recipe.name}`")]
        )
    return held.facts


def compose(recipe: Path, access: Access, resolved: Resolved | None = None) -> Facts:
    """Return the facts of a recipe as it is now."""
    resolved = resolved or resolve(recipe, (), access)
    layers, _ = load_layers(recipe, access)
    *above, own = layers
    values = dict(sorted(_values(resolved.values)))
    return {
        "version": VERSION,
        "revision": REVISION,
        "engine": PROGRAM,
        "recipe": {"digest": _digest(own.node)},
        "layers": [_layer(layer, recipe.resolve().parent) for layer in above],
        "models": list(_repositories(resolved.values.get("model"))),
        "datasets": list(_repositories(resolved.values.get("data"))),
        "values": values,
        "resolved": f"b3:{digest_of(values)}",
    }


def written(facts: Facts, about: str) -> str:
    """Write facts as YAML, one a line, always in the same way, under a comment about them."""
    lines = [f"# Derived {about}"]
    for name, fact in facts.items():
        match fact:
            case list():
                lines += [f"{name}:" if fact else f"{name}: []", *(f"  - {_flow(one)}" for one in fact)]
            case dict() if name == "values":
                lines += [f"{name}:", *(f"  {_key(path)}: {_json(value)}" for path, value in fact.items())]
            case dict():
                lines.append(f"{name}: {_flow(fact)}")
            case _:
                lines.append(f"{name}: {_json(fact)}")
    return "\n".join([*lines, ""])


def about_lock(recipe: Path) -> str:
    """Return what the first line of a lock says."""
    return f"from {recipe.name} {MARK}, share it with the recipe. After a conflict, run that again."


def _pins_before(recipe: Path) -> Pins:
    """Return what the lock held; nothing where it is torn, because it is derived; a stranger's file is left alone."""
    file = lock_file(recipe)
    if file.is_file() and not written_by_lock(file):
        span = Span(Source(file.name, "", file.parent), 1, 1, 2)
        message = f"{file.name} was not written by `recipe lock` and is left alone"
        raise RecipeError([Diagnostic("RCP5102", message, span, help=NOT_OURS)])
    try:
        held = read_lock(recipe)
    except RecipeError as error:
        if any(found.code != "RCP5102" for found in error.findings):
            raise
        return {}
    return held.pins if held else {}


def _names(address: Address) -> set[str]:
    """What a reference may be called on the command line."""
    *_, organisation, repository = ("", *address.remote.split("/"))
    return {
        str(address),
        address.remote,
        repository,
        f"{organisation}/{repository}",
        address.file,
        Path(address.file).stem,
    }


def _log(address: Address, old: str, new: str, access: Access) -> tuple[str, ...]:
    return tuple(Repository.of(address.at(new), git_cache(access.store)).log(old, new))


def _layer(layer: Layer, folder: Path) -> Facts:
    source = layer.node.span.source
    digest = {"digest": _digest(layer.node)}
    if source.blob is not None:
        return {"ref": str(source.blob.asked), "commit": source.blob.commit, "blob": source.blob.oid} | digest
    if layer.name.startswith(BUILTIN):
        return {"ref": layer.name} | digest
    file = source.folder / Path(layer.name).name
    return {"ref": Path(os.path.relpath(file, folder)).as_posix()} | digest


def _digest(node: Node) -> str:
    """Digest of what a layer says, in its order of layers, without comments and without words that do not count."""
    said = []
    for path, entry in leaves(node):
        word = ".".join(part for part in path if not part.startswith("$"))
        counts = path[0] in SECTIONS and _counts(word)
        if counts or path[0] in ("kind", "extends"):
            said.append([list(path), plain(entry.value)])
    return f"b3:{digest_of(sorted(said, key=str))}"


def _counts(path: str) -> bool:
    word = word_at(path)
    return word is None or word.cache not in _FREE


def _values(node: Plain, path: str = "") -> Iterator[tuple[str, Plain]]:
    """Yield every word that counts."""
    if isinstance(node, dict):
        for key, below in node.items():
            yield from _values(below, f"{path}.{key}".strip("."))
    elif _counts(path):
        yield path, node


def _repositories(node: Plain) -> Iterator[Facts]:
    """Yield the repositories of the Hub that a section names; a commit is known where it was asked for."""
    if not isinstance(node, dict):
        return
    if "repository" in node and "revision" in node:
        asked = str(node["revision"])
        yield {"id": node["repository"], "requested": asked, "commit": asked if is_commit(asked) else None}
    for below in node.values():
        yield from _repositories(below)


def _differences(held: Facts, now: Facts, resolved: Resolved, recipe: Path) -> Iterator[Diagnostic]:
    file, again = lock_file(recipe).name, f"run `recipe lock {recipe.name}` and look at what changes"
    before, after = _facts(held.get("values")), now["values"]
    changed = False
    for path in sorted({*before, *after}):
        if path not in before or path not in after or before[path] != after[path]:
            changed = True
            was, is_ = (_json(side[path]) if path in side else "not set" for side in (before, after))
            yield Diagnostic(
                "RCP5101", f"`{path}` is {is_}; {file} says {was}", resolved.span(path), path, again
            )
    here = resolved.span("extends")
    old, new = ({layer["ref"]: layer for layer in side} for side in (_layers(held), now["layers"]))
    for ref in [ref for ref in new if ref not in old]:
        yield Diagnostic("RCP5101", f"{file} does not know the layer {ref}", here, "extends", again)
    for ref in [ref for ref in old if ref not in new]:
        yield Diagnostic(
            "RCP5101", f"{file} has the layer {ref}, which is no longer one", here, "extends", again
        )
    if changed or {*old} != {*new}:
        return  # what changed in a layer has been said, word by word
    if list(old) != list(new):
        yield Diagnostic("RCP5101", f"{file} has the layers in another order", here, "extends", again)
    for ref in [ref for ref in new if new[ref] != old[ref]]:
        yield Diagnostic("RCP5101", f"the layer {ref} is not the one of {file}", here, "extends", again)
    if now["recipe"] != held.get("recipe"):
        yield Diagnostic(
            "RCP5101", f"{recipe.name} says more or less than when {file} was written", here, "", again
        )


def _facts(said: Any) -> Mapping[str, Any]:
    return said if isinstance(said, dict) else {}


def _layers(held: Facts) -> list[Facts]:
    said = held.get("layers")
    return (
        [layer for layer in said if isinstance(layer, dict) and isinstance(layer.get("ref"), str)]
        if isinstance(said, list)
        else []
    )


def _publish(file: Path, text: str) -> None:
    """Write a file at once: nobody ever sees half of it, and no link that lies there is written through."""
    draft = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    try:
        with draft.open("x", encoding="utf-8") as out:
            out.write(text)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _flow(facts: Facts) -> str:
    return "{" + ", ".join(f"{name}: {_json(value)}" for name, value in facts.items()) + "}"


def _key(path: str) -> str:
    return path if all(sign.isalnum() or sign in "._-" for sign in path) else _json(path)


def _json(value: Any) -> str:
    """Write a value as JSON that YAML reads back: what YAML takes for the end of a line is written by its number."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return "".join(sign if sign.isprintable() else f"\\U{ord(sign):08x}" for sign in text)
