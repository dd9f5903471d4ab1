"""Change a file without writing it anew: replace stretches of its text, and leave every other character alone."""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import yaml

from engine.authoring.tokens import end, start, tokens
from engine.language.diagnostics import Diagnostic, RecipeError
from engine.language.files import shown
from engine.language.nodes import Node, Source, Span
from engine.language.read import read_file, read_text


class Spoilt(Exception):
    """A change would make a text say something else, or lose a comment of it; nothing of that may be written."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Put ``text`` where the characters from ``start`` to ``end`` stand; equal offsets insert."""

    start: int
    end: int
    text: str


def edited(text: str, edits: Iterable[Edit]) -> str:
    """Return the text with all edits made; they may touch, but not overlap."""
    parts, at = list[str](), 0
    for edit in sorted(set(edits), key=lambda edit: (edit.start, edit.end)):
        if edit.start < at:
            raise ValueError(f"two edits overlap at character {edit.start}")
        parts += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join([*parts, text[at:]])


def readable(path: Path) -> tuple[Source, Node]:
    """Read a file that is to be changed.

    Raises:
        RecipeError: it is not YAML as recipes are written; then nobody can tell what a change of it would mean.
    """
    node, findings = read_file(path, shown(path))
    text = "" if node is None else path.read_text(encoding="utf-8-sig")
    source = Source(shown(path), text, path.parent)
    findings += _asked(source) if node is not None else ()
    if node is None or any(found.severity == "error" for found in findings):
        raise RecipeError(findings)
    return source, node


def reread(source: Source, text: str) -> Node:
    """Read what a file would become.

    Raises:
        Spoilt: it could not be read any more.
    """
    node, findings = read_text(Source(source.name, text, source.folder))
    if node is None or any(found.severity == "error" for found in findings):
        said = "; ".join(found.message for found in findings)
        raise Spoilt(f"it could not be read any more: {said}")
    return node


def put(path: Path, text: str) -> None:
    """Write a file whole or not at all; a link stays a link, and permissions stay."""
    path = path.resolve()
    with NamedTemporaryFile("w", encoding="utf-8", newline="\n", dir=path.parent, delete=False) as new:
        try:
            new.write(text)
            new.flush()
            os.fsync(new.fileno())
            shutil.copymode(path, new.name)
            Path(new.name).replace(path)
        except BaseException:
            Path(new.name).unlink(missing_ok=True)
            raise


def begin(path: Path, text: str) -> None:
    """Write a new file; one that is there stays as it is.

    Raises:
        FileExistsError: there is one already.
    """
    with path.open("x", encoding="utf-8", newline="\n") as new:
        new.write(text)


def _asked(source: Source) -> list[Diagnostic]:
    """Find keys in the long form of YAML, `? key`, which nothing here needs."""
    keys = [
        token
        for token in tokens(source.text)
        if isinstance(token, yaml.KeyToken) and end(token) > start(token)
    ]
    return [Diagnostic("RCP1003", "a key with `?`", Span(source, key.start_mark.line + 1, key.start_mark.column + 1,
                       key.start_mark.column + 2), help="write `key: value`") for key in keys]  # fmt: skip
