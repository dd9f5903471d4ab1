"""Read a clip without waiting for ever, where nothing else is done meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from engine.clips.ahead import DEADLINE, Ahead, Stuck
from engine.clips.decode import Pixels, frames_of
from engine.clips.files import UnreadableClip
from engine.clips.sizes import Cut

_ROOM = 4  # frames that may wait


def frames_in_time(path: Path, cut: Cut, fps: float, stopping: Callable[[], bool]) -> Iterator[Pixels]:
    """Yield what ``frames_of`` gives, ``(H, W, 3)`` uint8, from a thread that is given up where no frame comes for too long.

    Args:
        stopping: whether someone asked to stop.

    Raises:
        UnreadableClip: it cannot be decoded, holds too few frames, or gave none for ``DEADLINE`` seconds.
        Interrupted: someone asked to stop.
    """
    with closing(Ahead(lambda: (frame_HWC for frame_HWC in frames_of(path, cut, fps)), _ROOM)) as ahead:
        try:
            yield from ahead.values(DEADLINE, stopping)
        except Stuck as error:
            raise UnreadableClip(path, f"gave no frame for {DEADLINE:g} s; does the drive answer?") from error
