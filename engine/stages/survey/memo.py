"""What is known of files, and how it is remembered.

A file is looked at again when its size, one of its times or its inode changed, or when it was looked at so shortly after a
change that another one could hide behind the same time stamp. Where nothing speaks for a change, looking costs a ``stat``.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.clips.files import Probe
from engine.seam import digest_of
from engine.store import write_whole

MEMO, MEMO_VERSION = "clips.json", 2
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
    paths: Iterable[Path], known: Mapping[str, Seen], tell: Callable[[int, int], None]
) -> dict[Path, Seen]:
    """Return what each file holds, reading only those that are not known as they are now."""
    found = {path: _known(path, known) for path in dict.fromkeys(paths)}
    unknown = [path for path, seen in found.items() if seen is None]
    if unknown:
        # most plans find nothing new, and what starts processes is slow to load
        from engine.clips.looker import look_at

        now = time.time_ns()  # before any of them is read: a change while it is read must not hide
        for done, looked in enumerate(look_at(unknown), start=1):
            # what could not be read at all is told apart by its name
            digest = looked.digest or digest_of(os.fsencode(looked.path).hex())
            found[looked.path] = Seen(*looked.stat, now, digest, looked.probe, looked.broken)
            tell(done, len(unknown))
    return {path: seen for path, seen in found.items() if seen is not None}


def _known(path: Path, known: Mapping[str, Seen]) -> Seen | None:
    seen = known.get(printable(path.absolute()))
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


def write_memo(folder: Path, learnt: Mapping[str, Seen]) -> None:
    """Keep what was learnt, beside what is known of other files."""
    known = read_memo(folder)
    if known == (together := known | dict(learnt)):
        return
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: asdict(seen) for name, seen in together.items()}
    write_whole(folder / MEMO, json.dumps({"version": MEMO_VERSION, "files": files}).encode())


def printable(path: Path) -> str:
    """Return a path that can be printed and written, whatever bytes its name has."""
    return os.fsencode(path).decode(errors="backslashreplace")
