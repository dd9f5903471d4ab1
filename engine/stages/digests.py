"""Digests of large files that a recipe points at, such as weights: read once, and remembered while nothing changes.

As with clips, a file is read again when its size, one of its times or its inode changed, or when it was read so shortly
after a change that another one could hide behind the same time stamp.
"""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.stages.survey.memo import printable
from engine.store import digest_file, write_whole

MEMO = "digests.json"
_RACY = 2_000_000_000  # ns: the coarsest time stamp of a common file system

Noted = dict[str, list[Any]]  # name → size, times and inode, when it was read, digest


def digests_of(
    paths: Sequence[Path],
    memo: Path,
    tell: Callable[[int, int], None] = lambda _, __: None,
    *,
    keep: bool,
) -> dict[Path, str]:
    """Return the digest of each file, reading only those that are not known as they are now.

    Args:
        paths: files that are there; of a link, what it leads to.
        memo: folder for what was learnt about files.
        tell: hears how many files of how many were read.
        keep: whether what is learnt is written there.

    Raises:
        OSError: a file cannot be read.
    """
    known = _read(memo)
    found = {path: digest for path in paths if (digest := _known(path, known))}
    learnt: Noted = {}
    for done, path in enumerate(unknown := [path for path in paths if path not in found], start=1):
        stat, now = _stat(path), time.time_ns()  # before it is read: a change meanwhile shows the next time
        found[path] = digest_file(path)
        learnt[_name(path)] = [stat, now, found[path]]
        tell(done, len(unknown))
    if keep and learnt:
        memo.mkdir(parents=True, exist_ok=True)
        still = {name: noted for name, noted in known.items() if os.path.lexists(name)}
        write_whole(memo / MEMO, json.dumps(still | learnt).encode())
    return found


def _known(path: Path, known: Mapping[str, list[Any]]) -> str:
    """Return the digest that a file had and, for all that can be told, still has; empty where that is not known."""
    match known.get(_name(path)):
        case [[int(), int(time_), int(changed), int()] as stat, int(seen), str(digest)] if (
            stat == _stat(path) and max(time_, changed) < seen - _RACY
        ):
            return digest
    return ""


def _stat(path: Path) -> list[int]:
    said = path.stat()
    # the time of the inode, unlike that of the content, cannot be set back
    return [said.st_size, said.st_mtime_ns, said.st_ctime_ns, said.st_ino]


def _read(memo: Path) -> Noted:
    """Return what was learnt earlier; nothing where the note is damaged."""
    try:
        noted = json.loads((memo / MEMO).read_text())
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _name(path: Path) -> str:
    return printable(path.resolve())
