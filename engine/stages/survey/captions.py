"""The words about a clip: where they stand, and what a recipe does to them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any

import regex

from engine.sources.listing import Candidate
from engine.words.data import BesideCaptions, ColumnCaptions, Dataset, OneCaption

PATIENCE = 0.5  # seconds for the patterns of a stranger and one caption
_LONGEST = 1 << 20  # bytes of a text file that can be a caption


@dataclass(frozen=True, slots=True)
class Words:
    """The captions of a clip, of which each sample sees one; or why there are none."""

    captions: tuple[str, ...]
    why: str = ""


def words_of(candidate: Candidate, dataset: Dataset) -> Words:
    """Return the captions of a clip as training sees them, each once and in order."""
    read = _said(candidate, dataset)
    if read.why:
        return read
    try:
        edited = [_edited(text, dataset) for text in read.captions]
    except TimeoutError:
        return Words((), f"a pattern of `caption_filter` takes too long on {candidate.path.name}'s words")
    kept = tuple(dict.fromkeys(text for text in edited if text))
    return Words(
        kept, "" if kept else f"nothing of its words is left by `caption_filter`: {read.captions[0][:60]!r}"
    )


def _said(candidate: Candidate, dataset: Dataset) -> Words:
    said = dataset.captions
    if isinstance(said, OneCaption):
        return Words((said.text,))
    if isinstance(said, ColumnCaptions):
        return _in_a_column(candidate, said.column)
    if isinstance(said, BesideCaptions):
        return _beside(candidate.beside or candidate.path.with_suffix(".txt"), said)
    words = _tidy(candidate.path.stem.replace("_", " ").replace("-", " "))
    return Words((words,)) if words else Words((), "there are no words in its name")


def _beside(path: Path, said: BesideCaptions) -> Words:
    try:
        found = path.stat()
        if not S_ISREG(found.st_mode):  # a pipe would be waited on for ever
            return Words((), f"{path.name} is not a file")
        if found.st_size > _LONGEST:
            return Words((), f"{path.name} is too large for a caption")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return Words((), f"there is no {path.name}")
    except UnicodeDecodeError:
        return Words((), f"{path.name} is not UTF-8")
    except OSError as error:
        return Words((), f"{path.name} cannot be read: {error.strerror}")
    lines = [text] if said.lines == "joined" else text.splitlines()
    return _first_of(lines, f"{path.name} is empty")


def _in_a_column(candidate: Candidate, column: str) -> Words:
    if candidate.row is None:
        return Words((), "no metadata.csv, .jsonl or .parquet in its folder names it")
    if column not in candidate.row:
        return Words((), f"{candidate.line} has no column `{column}`, only {', '.join(candidate.row)}")
    value: Any = candidate.row[column]
    texts = value if isinstance(value, list) else [value]
    if any(not isinstance(text, str) for text in texts if text is not None):
        return Words((), f"`{column}` of {candidate.line} is no text")
    return _first_of([text for text in texts if text is not None], f"`{column}` of {candidate.line} is empty")


def _first_of(texts: Iterable[str], otherwise: str) -> Words:
    kept = tuple(text for text in map(_tidy, texts) if text)
    return Words(kept, "" if kept else otherwise)


def _edited(text: str, dataset: Dataset) -> str:
    for pattern in dataset.caption_filter:
        text = regex.sub(pattern, "", text, timeout=PATIENCE)
    text, prefix = _tidy(text), _tidy(dataset.caption_prefix)
    return text if not text or _begins(text, prefix) else f"{prefix} {text}"


def _begins(text: str, prefix: str) -> bool:
    """Whether a text begins with a prefix, and not only with the same letters: `Mickey` does not begin with `Mick`."""
    after = text[len(prefix) : len(prefix) + 1]
    return text.startswith(prefix) and not (prefix[-1:].isalnum() and after.isalnum())


def _tidy(text: str) -> str:
    return " ".join(text.split())
