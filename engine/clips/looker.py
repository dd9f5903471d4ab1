"""Look at many files at once, each in a process that may hang or crash without harm to the others.

Three rules, and no others:

1. Every file gets an answer, in the order in which they were given: what it holds, or why it cannot be used.
2. A decoder never runs in the process that asks. It is ended at a deadline, and a new one takes its place.
3. Only so many files are under way that memory does not grow with their number.
"""

import multiprocessing
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from multiprocessing.synchronize import Semaphore
from pathlib import Path
from stat import S_ISREG

from blake3 import blake3
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from engine.clips.files import Probe, UnreadableClip

_WORTH = 4  # files that make it worth to start one more worker
_START = 10.0  # seconds that a worker may take to start
_SLOWEST = 10 << 20  # bytes that even a slow drive reads in a second
_AHEAD = 64  # files handed out before the first answer is waited for: one that is slow shall not idle the other workers


@dataclass(frozen=True, slots=True)
class Looked:
    """A file, and what it holds.

    Attributes:
        path: as it was given.
        stat: size in bytes, times of the content and of the inode in nanoseconds, inode; of the file that a link
            leads to, taken before anything was read. Zeros where the file was not reached or its decoder was ended.
        digest: of the content, by BLAKE3 in hexadecimal; empty where it was not read to its end.
        probe: what it holds, or None if it cannot be used.
        broken: why it cannot be used, as the rest of a sentence that starts with its name; or empty.
    """

    path: Path
    stat: tuple[int, int, int, int] = (0, 0, 0, 0)
    digest: str = ""
    probe: Probe | None = None
    broken: str = ""


def look_at(paths: Iterable[Path], deadline: float = 60.0) -> Iterator[Looked]:
    """Say of each file what it holds, reading on all cores that this process may use.

    No file is opened that is not a regular one, and none is ever written. The order is that of ``paths``, which
    are taken as they are needed.

    Args:
        paths: files by any name, also ones that are not there.
        deadline: seconds that one file may take, from when its turn comes, beside the time to read it from a slow drive.
    """
    yield from _look_at(paths, deadline, _look)


def _look_at(paths: Iterable[Path], deadline: float, look: Callable[[Path], Looked]) -> Iterator[Looked]:
    """Hand out the files, and take the answers in their order."""
    waiting = iter(paths)
    first = list(islice(waiting, _cores() * _WORTH))
    if not first:
        return
    # a fork would copy the locks of our threads as they are held; a new interpreter has none
    context, workers = multiprocessing.get_context("spawn"), -(-len(first) // _WORTH)
    started = context.Semaphore(0)
    pool = ProcessPool(max_workers=workers, context=context, initializer=_tell, initargs=[started])
    try:
        under_way = deque[tuple[Path, ProcessFuture[Looked], float]]()
        for path in chain(first, waiting):
            patience = deadline + _size(path) / _SLOWEST
            under_way.append((path, pool.schedule(look, args=[path], timeout=patience), patience))
            if len(under_way) >= _AHEAD:
                yield _answer(*under_way.popleft())
        while under_way:
            yield _answer(*under_way.popleft())
        # a worker that is only now starting would complain aloud, were it ended
        for _ in range(workers):
            started.acquire(timeout=_START)
        pool.close()  # type: ignore[no-untyped-call]  # pebble leaves it bare
    except BaseException:  # Ctrl-C, or the reader wants no more
        pool.stop()  # type: ignore[no-untyped-call]  # likewise
        raise
    finally:
        pool.join()


def _tell(started: Semaphore) -> None:
    """Say, in a worker, that it has started."""
    started.release()


def _answer(path: Path, answer: ProcessFuture[Looked], deadline: float) -> Looked:
    """Wait for what becomes of a file."""
    try:
        return answer.result()
    except TimeoutError:
        return Looked(path, broken=f"could not be read within {deadline:.0f} s")
    except ProcessExpired:
        return Looked(path, broken="made the decoder crash")


def _look(path: Path) -> Looked:
    """Read one file, in a worker. The decoder is loaded only here: the process that asks stays free of it."""
    from engine.clips.probe import probe

    stat, digest = (0, 0, 0, 0), ""
    try:
        os.fspath(path).encode()
        found = path.stat()
        if not S_ISREG(found.st_mode):  # a pipe would be waited on for ever
            return Looked(path, broken="is not a file")
        stat = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        digest = blake3().update_mmap(path).hexdigest()
        with warnings.catch_warnings(action="ignore"):  # of damaged pictures, which would litter the terminal
            return Looked(path, stat, digest, probe(path))
    except UnicodeEncodeError:
        return Looked(path, broken="has a name that is not UTF-8")
    except UnreadableClip as error:
        return Looked(path, stat, digest, broken=error.reason)
    except OSError as error:  # it may be another tomorrow: without a stat nobody remembers it
        return Looked(path, broken=f"cannot be opened: {error.strerror}")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except (OSError, ValueError):  # the worker says what is wrong with it
        return 0


def _cores() -> int:
    """Return how many cores this process may use; a container may have fewer than the machine."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        return os.cpu_count() or 1
