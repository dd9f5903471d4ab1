"""Let a thread work ahead of whoever needs what it makes: within bounds, and never for ever."""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from math import inf
from queue import Empty, SimpleQueue
from threading import Event, Semaphore, Thread
from typing import Generic, TypeVar

from engine.endings import Interrupted

DEADLINE = 120.0
"""Seconds without a frame after which a file counts as one that will never give another."""

_LOOK = 0.1  # seconds between two looks at whether someone asked to stop
_GRACE = 2.0  # seconds that a thread is given to end: a process that exits under a working thread can crash

T = TypeVar("T")


class Stuck(Exception):
    """Nothing came for too long."""


@dataclass(frozen=True, slots=True)
class _End:
    """Why nothing more comes: StopIteration where all is made."""

    why: BaseException


class Ahead(Generic[T]):
    """What a generator gives, made by a thread of its own before it is asked for.

    The thread is a daemon: where the generator hangs, the process can still end.

    Attributes:
        waited: seconds that the reader has waited so far.
    """

    def __init__(self, start: Callable[[], Generator[T, None, None]], room: int) -> None:
        """Begin at once.

        Args:
            start: returns the generator; what it does before that is in no deadline.
            room: values that may wait to be taken, at least 1; where as many do, the thread waits.
        """
        self.waited = 0.0
        self._room = Semaphore(room)
        self._values: SimpleQueue[T | _End] = SimpleQueue()
        self._closed = Event()
        self._started = inf  # seconds of the monotonic clock
        self._thread = Thread(target=self._make, args=(start,), daemon=True)
        self._thread.start()

    def values(self, deadline: float, stopping: Callable[[], bool]) -> Iterator[T]:
        """Yield what the generator gives.

        Args:
            deadline: seconds that one value may take.
            stopping: whether someone asked to stop; asked before each value and while waiting.

        Raises:
            Interrupted: someone asked to stop.
            Stuck: a value took too long.
            Exception: whatever the generator raised.
        """
        while not isinstance(value := self._next(deadline, stopping), _End):
            yield value
        if not isinstance(value.why, StopIteration):
            raise value.why

    def close(self) -> None:
        """Have the thread end before its next value, and wait for that for a moment."""
        self._closed.set()
        self._room.release()  # it may be waiting for some
        self._thread.join(_GRACE)

    def _make(self, start: Callable[[], Generator[T, None, None]]) -> None:
        try:
            with closing(start()) as source:
                self._started = time.monotonic()
                while self._may_go_on():
                    self._values.put(next(source))
        except BaseException as why:  # noqa: BLE001 - a thread has no caller; the reader learns of it
            self._values.put(_End(why))

    def _may_go_on(self) -> bool:
        self._room.acquire()
        return not self._closed.is_set()

    def _next(self, deadline: float, stopping: Callable[[], bool]) -> T | _End:
        begun = time.monotonic()
        try:
            while not stopping():
                try:
                    value = self._values.get(timeout=_LOOK)
                except Empty:
                    if time.monotonic() - max(begun, self._started) > deadline:
                        raise Stuck from None
                else:
                    self._room.release()
                    return value
            raise Interrupted
        finally:
            self.waited += time.monotonic() - begun
