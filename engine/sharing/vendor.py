"""A copy of a recipe with every layer that it stands on, which needs no network, no store and no builtin layer.

Files below the recipe's folder keep their places; the others go to ``layers/``. Only the names in ``extends`` and
``$include`` are written anew, by their spans: comments and layout stay as they are.
"""

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from engine.language.address import Address
from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.files import BUILTIN, Access, Files, Place, name_of
from engine.language.fragments import inclusions
from engine.language.layers import parents
from engine.language.nodes import Mapping, Scalar, Span, leaves
from engine.language.pins import lock_file
from engine.language.resolve import resolve
from engine.sharing.lock import about_lock, compose, written
from engine.words.table import is_location


@dataclass(frozen=True, slots=True)
class Vendored:
    """A copy that was made.

    Attributes:
        folder: where it is.
        files: its files, below that folder.
        places: words that say where something lies, which was not copied, with what they say.
    """

    folder: Path
    files: tuple[str, ...]
    places: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Copy:
    """Files to write, by their place in the copy."""

    recipe: Path
    files: Files
    target: dict[Place, PurePosixPath] = field(default_factory=dict)
    texts: dict[PurePosixPath, str] = field(default_factory=dict)

    def add(self, place: Place, name: str) -> PurePosixPath:
        """Take a file into the copy, and all that it names."""
        if place in self.target:
            return self.target[place]
        target = self.target[place] = self._free(_target(place, name, self.recipe.parent))
        self.texts[target] = ""  # the place is taken
        node, _ = self.files.read(place, name)
        assert isinstance(node, Mapping), "the recipe was resolved before"
        edits = [(said.span, self._named(said, target)) for said in _names(node)]
        if isinstance(place, Address):
            edits += [(entry.value.span, self._beside(entry.value, target)) for path, entry in leaves(node)
                      if isinstance(entry.value, Scalar) and is_location(_word(path))]  # fmt: skip
        origin = (
            ""
            if target == PurePosixPath(name_of(place, name)) or not _foreign(place, name)
            else f"# From {name}\n"
        )
        self.texts[target] = origin + _edited(node.span.source.text, [one for one in edits if one[1]])
        return target

    def _named(self, said: Scalar, target: PurePosixPath) -> str:
        place, text = self.files.find(said), str(said.value)
        there = self.add(place, name_of(place, text))
        now = PurePosixPath(os.path.relpath(there, target.parent)).as_posix()
        if now == PurePosixPath(text).as_posix():
            return ""
        _on_one_line(said)
        return now

    def _beside(self, said: Scalar, target: PurePosixPath) -> str:
        """A path in a layer of a repository counts from the recipe, and goes on doing so."""
        _on_one_line(said)
        return PurePosixPath(os.path.relpath(str(said.value), target.parent)).as_posix()

    def _free(self, wanted: PurePosixPath) -> PurePosixPath:
        number, free = 1, wanted
        while free in self.texts:
            number += 1
            free = wanted.with_stem(f"{wanted.stem}-{number}")
        return free


def vendor(recipe: Path, folder: Path, access: Access) -> Vendored:
    """Copy a recipe with all of its layers and a lock into a new folder.

    Raises:
        FileExistsError: there is something at that place.
        RecipeError: the recipe is wrong, or a layer of it was not fetched.
    """
    if folder.is_file() or (folder.exists() and any(folder.iterdir())):
        raise FileExistsError(17, "is there already; a copy goes into a new folder", str(folder))
    resolved = resolve(recipe, (), access)
    facts = compose(recipe, access, resolved)
    recipe = recipe.resolve()
    copy = _Copy(recipe, Files(recipe, access))
    copy.add(recipe, recipe.name)
    draft = folder.parent / f".{folder.name}.{uuid.uuid4().hex}"
    try:
        for target, text in copy.texts.items():
            (draft / target).parent.mkdir(parents=True, exist_ok=True)
            (draft / target).write_text(text, "utf-8")
        made = compose(draft / recipe.name, Access())
        assert made["values"] == facts["values"], "a copy says what the recipe says"
        lock_file(draft / recipe.name).write_text(written(made, about_lock(recipe)), "utf-8")
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)  # ours, half written; gone when it became the copy
    files = tuple(sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()))
    places = tuple((path, str(said)) for path, said in _places(resolved.values))
    return Vendored(folder, files, places)


def _target(place: Place, name: str, folder: Path) -> PurePosixPath:
    """Return where a file goes in the copy."""
    if isinstance(place, Address):
        _, _, remote = place.remote.rpartition("://")
        return PurePosixPath(
            "layers", remote.lstrip("/").replace(":", "-").replace("@", "-"), place.ref[:12], place.file
        )
    if name.startswith(BUILTIN):
        return PurePosixPath("layers", "builtin", f"{name.removeprefix(BUILTIN)}.yaml")
    if place.is_relative_to(folder):
        return PurePosixPath(place.relative_to(folder).as_posix())
    return PurePosixPath("layers", "local", place.name)


def _foreign(place: Place, name: str) -> bool:
    return isinstance(place, Address) or name.startswith(BUILTIN)


def _names(node: Mapping) -> list[Scalar]:
    return [*parents(node), *(said for _, said in inclusions(node))]


def _word(path: tuple[str, ...]) -> str:
    return ".".join(part for part in path if not part.startswith("$"))


def _places(node: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(node, dict):
        for key, below in node.items():
            yield from _places(below, f"{path}.{key}".strip("."))
    elif is_location(path) and node:
        yield path, node


def _on_one_line(said: Scalar) -> None:
    """A name is replaced where it stands; one that its span does not hold in full is better left to its author."""
    line = said.span.source.text.splitlines()[said.span.line - 1]
    if line[said.span.column - 1 : said.span.end - 1].strip("\"'") != str(said.value):
        raise RecipeError([Diagnostic("RCP2002", "this name cannot be replaced in a copy", said.span,
                                      help="write it on one line, without an anchor")])  # fmt: skip


def _edited(text: str, edits: list[tuple[Span, str]]) -> str:
    """Replace stretches of a text, last one first."""
    lines = text.splitlines(keepends=True)
    for span, new in sorted(edits, key=lambda edit: (edit[0].line, edit[0].column), reverse=True):
        line = lines[span.line - 1]
        lines[span.line - 1] = (
            line[: span.column - 1] + json.dumps(new, ensure_ascii=False) + line[span.end - 1 :]
        )
    return "".join(lines)
