"""From a folder, a table or a list of paths to candidates: files that may be clips. Reads names and tables, opens no clip."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unicodedata import normalize

from engine.clips.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from engine.sources.tables import BadTable, Row, read_lines, read_table, shown

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
"""Names of a table about the clips of its folder, as datasets of the Hugging Face Hub have it."""

METADATA_COLUMN = "file_name"
"""Its column that holds the path of a clip, relative to the table."""

WORDS_SUFFIXES = (".txt", ".json", ".jsonl", ".csv", ".tsv", ".md", ".yaml", ".yml", ".parquet")
"""Suffixes of words about clips, which are not counted among the files that are no clips."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may be a clip.

    Attributes:
        path: the file; relative where the folder, the table or the list was named by a relative path.
        row: what the row of a table says of it, by column; None where no table names it.
        line: the place that names it, for messages, such as ``clips.csv:12``; empty where it was found by searching.
        beside: the text file of the same name in its folder, whatever form its letters have; None where there is none, or
            where the folder was not searched.
    """

    path: Path
    row: Mapping[str, Any] | None = None
    line: str = ""
    beside: Path | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """What one source holds.

    Attributes:
        candidates: files that may be clips: of a folder by name, of a table or a list in its order. A file that two
            rows name is there twice.
        closed: folders that cannot be read.
        others: how many files are no clips, by suffix, and how many folders are links.
        missing: a sentence for each row that names no clip: ``clips.csv:12 names a.mp4, which is not there``.
    """

    candidates: list[Candidate] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def list_folder(root: Path, metadata: bool) -> Listing:
    """List the clips of a folder and its subfolders by their suffix.

    Hidden files are nobody's clips, and linked folders are counted but not followed, or a link to a folder above would
    be searched without end.

    Args:
        root: the folder; one that is not there, or is a file, is among the ``closed``.
        metadata: whether a ``metadata.csv``, ``.jsonl`` or ``.parquet`` in a folder tells of the clips in and below it.

    Raises:
        BadTable: such a table cannot be read, has no column ``file_name``, or is not the only one in its folder.
    """
    found, tables, listing = list[Path](), list[Path](), Listing()
    texts, exactly = dict[Path, Path](), set[Path]()
    walk = os.walk(root, followlinks=False, onerror=lambda error: listing.closed.append(str(error.filename)))
    for folder, folders, names in walk:
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in folders:
            if Path(folder, name).is_symlink():
                _count(listing, "linked folders")
        for name in (name for name in names if not name.startswith(".")):
            suffix = Path(name).suffix.lower()
            if suffix in VIDEO_SUFFIXES | IMAGE_SUFFIXES:
                found.append(Path(folder, name))
            elif suffix == ".txt":
                texts[_stem(Path(folder, name))] = Path(folder, name)
                exactly.add(Path(folder, name))
            elif suffix not in WORDS_SUFFIXES:
                _count(listing, suffix or "no suffix")
        if metadata:
            tables += _metadata(Path(folder), names)
    told = _told(root, found, sorted(tables), listing.missing)
    for path in sorted(found):
        # the very name counts more than one that looks like it
        exact = path.with_suffix(".txt")
        beside = exact if exact in exactly else texts.get(_stem(path))
        listing.candidates.extend(replace(one, beside=beside) for one in told.get(path, [Candidate(path)]))
    return listing


def _stem(path: Path) -> Path:
    """Return a path without its suffix, in the one form of letters that look the same."""
    return path.with_name(normalize("NFC", path.stem))


def list_table(path: Path, column: str) -> Listing:
    """List the clips that the rows of a table name, in its order.

    Args:
        path: the table.
        column: holds the path of a clip, absolute or relative to the table; any file of this machine may be named.

    Raises:
        BadTable: the table cannot be read, has no such column, or names an address instead of a file.
    """
    rows = read_table(path)
    _require(path, column, rows)
    named = ((row.line, Candidate(Path(), row.values, row.place), row.values.get(column)) for row in rows)
    return _named(path, named)


def list_lines(path: Path) -> Listing:
    """List the clips that a text file names, one path a line, absolute or relative to it.

    Blank lines and lines that begin with ``#`` are passed over, and so are spaces around a path.

    Raises:
        BadTable: the file cannot be read, names nothing, or names an address instead of a file.
    """
    lines = [(line, text.strip()) for line, text in enumerate(read_lines(path), start=1)]
    said = [(line, text) for line, text in lines if text and not text.startswith("#")]
    if not said:
        raise BadTable(path, None, "names no clips; it holds one path a line")
    place = shown(path.name)
    return _named(path, ((line, Candidate(Path(), None, f"{place}:{line}"), text) for line, text in said))


def _named(path: Path, named: Iterable[tuple[int, Candidate, Any]]) -> Listing:
    """Look for what a table or a list names; each with its line, its candidate without a path, and the words for it."""
    listing, alike = Listing(), dict[Path, dict[str, str]]()
    for line, candidate, said in named:
        if isinstance(said, str) and (url := _URL.match(said)):  # the rest of it may hold a secret
            reason = f"names an address, {url[1]}://…, and not a file; storage elsewhere is `kind: remote`"
            raise BadTable(path, line, reason)
        found = _find(path.parent, said, alike)
        if isinstance(found, Path):
            listing.candidates.append(replace(candidate, path=found))
        else:
            listing.missing.append(f"{candidate.line} {found}")
    return listing


def _find(folder: Path, said: Any, alike: dict[Path, dict[str, str]]) -> Path | str:
    """Return the file that a table in a folder names, or what is wrong, continuing a sentence that starts with the row.

    Letters with marks can be written in two ways that look the same, and systems differ in which one they choose for
    names; where the exact name is not there, the one that looks like it is meant. ``alike`` keeps such names by folder.
    """
    if not isinstance(said, str) or not said.strip():
        return "names no file"
    path = folder / said
    if os.path.lexists(path):
        return path
    if not path.name.isascii():
        names = alike.setdefault(path.parent, {})
        if not names:
            with suppress(OSError):  # a folder that cannot be listed has no other name to offer
                names |= {normalize("NFC", other.name): other.name for other in path.parent.iterdir()}
        if other := names.get(normalize("NFC", path.name)):
            return path.with_name(other)
    return f"names {shown(said)}, which is not there"


def _metadata(folder: Path, names: Iterable[str]) -> Iterator[Path]:
    """Yield the table about a folder, if it has one."""
    tables = [folder / name for name in METADATA if name in names]
    if len(tables) > 1:
        others = " and ".join(path.name for path in tables[1:])
        raise BadTable(tables[0], None, f"is not the only one: there is {others}; keep one of them")
    yield from tables


def _told(
    root: Path, found: Iterable[Path], tables: Iterable[Path], missing: list[str]
) -> dict[Path, list[Candidate]]:
    """Return what tables say of the clips that were found; what they name and was not found is ``missing``."""
    clips = {os.path.normpath(path): path for path in found}
    told, alike = dict[Path, list[Candidate]](), dict[Path, dict[str, str]]()
    for table in tables:
        rows = read_table(table)
        _require(table, METADATA_COLUMN, rows)
        inside = table.parent.relative_to(root)
        for row in rows:
            place = shown(str(inside / row.place))
            path = _find(table.parent, said := row.values.get(METADATA_COLUMN), alike)
            if isinstance(path, str):
                missing.append(f"{place} {path}")
            elif clip := clips.get(os.path.normpath(path)):
                told.setdefault(clip, []).append(Candidate(clip, row.values, place))
            else:
                missing.append(
                    f"{place} names {shown(str(said))}, which is not among the clips of the folder"
                )
    return told


def _require(path: Path, column: str, rows: Iterable[Row]) -> None:
    """Refuse a table in which no row has a column."""
    columns = sorted({name for row in rows for name in row.values})
    if column not in columns:
        there = ", ".join(shown(name) for name in columns) or "none that can be read"
        raise BadTable(path, None, f"has no column {shown(column)}; its columns are: {there}")


def _count(listing: Listing, kind: str) -> None:
    listing.others[kind] = listing.others.get(kind, 0) + 1
