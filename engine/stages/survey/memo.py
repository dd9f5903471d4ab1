"""What is known of files, and how it is remembered.

A file is looked at again when its size, one of its times or its inode changed, or when it was looked at so shortly after a
change that another one could hide behind the same time stamp. Where nothing speaks for a change, looking costs a ``stat``.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from engine.clips.files import Probe
from engine.seam import digest_of
from engine.store import write_whole

if TYPE_CHECKING:
    from engine.clips.looker import Looked

# what a file holds is what the decoder says of it
MEMO, MEMO_VERSION = "clips.json", f"3, av {version('av')}"
_EVERY = 10.0  # seconds between two times that the memo is written
_RACY = 2_000_000_000  # ns: the coarsest time stamp of a common file system


@dataclass(frozen=True, slots=True)
class Seen:
    """A file at one moment, and what it holds; ``broken`` says why it cannot be read."""

    size: int
    time: int
    changed: int  # of the inode: unlike the time of the content, it cannot be set back
    inode: int
    seen: int
    digest: str
    probe: Probe | None
    broken: str = ""

    def is_at(self, now: tuple[int, int, int, int]) -> bool:
        """Whether nothing speaks for a change since: same size, times and inode, and seen well after both times."""
        before = (self.size, self.time, self.changed, self.inode)
        return before == now and max(self.time, self.changed) < self.seen - _RACY


def look_again(
    paths: Iterable[Path], folder: Path, tell: Callable[[int, int], None], *, keep: bool
) -> dict[Path, Seen]:
    """Return what each file holds, reading only those that are not known as they are now.

    Args:
        folder: of the memo.
        tell: hears how many files of how many were read.
        keep: whether the memo is written: every few seconds, and also when this is broken off.
    """
    known = read_memo(folder)
    found = {path: _known(path, known) for path in dict.fromkeys(paths)}
    unknown = [path for path, seen in found.items() if seen is None]
    if unknown:
        # most plans find nothing new, and what starts processes is slow to load
        from engine.clips.looker import look_at

        now, learnt, kept = time.time_ns(), dict[str, Seen](), time.monotonic()
        try:
            for done, looked in enumerate(look_at(unknown), start=1):
                seen = found[looked.path] = _seen(looked, now)
                learnt[_name(looked.path)] = seen
                if keep and time.monotonic() - kept > _EVERY:
                    write_memo(folder, known | learnt)
                    kept = time.monotonic()
                tell(done, len(unknown))
        finally:
            if keep:
                write_memo(folder, known | learnt)
    return {path: seen for path, seen in found.items() if seen is not None}


def _seen(looked: "Looked", now: int) -> Seen:
    # what could not be read at all is told apart by its name
    digest = looked.digest or digest_of(os.fsencode(looked.path).hex())
    return Seen(*looked.stat, now, digest, looked.probe, looked.broken)


def _known(path: Path, known: Mapping[str, Seen]) -> Seen | None:
    seen = known.get(_name(path))
    if seen is None:
        return None
    try:
        stat = path.stat()
    except OSError:
        return None
    now = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
    return seen if seen.is_at(now) else None


def read_memo(folder: Path) -> dict[str, Seen]:
    """Return what was learnt about files earlier; nothing where the memo is damaged or of another version."""
    try:
        noted = json.loads((folder / MEMO).read_text())
        if noted["version"] != MEMO_VERSION:
            return {}
        return {
            name: Seen(**{**seen, "probe": seen["probe"] and Probe(**seen["probe"])})
            for name, seen in noted["files"].items()
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def write_memo(folder: Path, memo: Mapping[str, Seen]) -> None:
    """Keep what is known, of the files that are still there."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: asdict(seen) for name, seen in memo.items() if os.path.lexists(name)}
    write_whole(folder / MEMO, json.dumps({"version": MEMO_VERSION, "files": files}).encode())


def _name(path: Path) -> str:
    """Return the name under which a file is remembered: its own, where it was linked into the store."""
    return printable(path.resolve() if path.is_symlink() else path.absolute())


def printable(path: Path) -> str:
    """Return a path that can be printed and written, whatever bytes its name has."""
    return os.fsencode(path).decode(errors="backslashreplace")
