"""Arithmetic of clip sizes: which size and which number of frames a model is given.

Two rules, and no others:

1. A number of frames only ever goes down to a legal one: frames that a model would
   silently drop are never counted, and none are invented.
2. A size keeps the aspect and the pixel count of the original as nearly as its
   multiple allows. One multiple serves both sides.
"""

from dataclasses import dataclass
from math import floor, sqrt


@dataclass(frozen=True, slots=True, order=True)
class Bucket:
    """One shape of clip: all clips of a bucket can share a batch."""

    width: int
    height: int
    frames: int

    def __str__(self) -> str:
        """Say the bucket as ``640x352x17``: width, height, frames."""
        return f"{self.width}x{self.height}x{self.frames}"


def legal_frames(frames: int, step: int, offset: int) -> int:
    """Return the largest ``step * n + offset`` that is at most ``frames``, or 0 if there is none.

    Wan takes one frame and then groups of four (step 4, offset 1), so 75 frames are 73.
    """
    return frames - (frames - offset) % step if frames >= offset else 0


def area_size(width: int, height: int, edge: int, multiple: int) -> tuple[int, int]:
    """Return the size with about ``edge * edge`` pixels and the aspect of ``width`` x ``height``.

    Args:
        width: of the original, as displayed, in pixels.
        height: likewise.
        edge: side of the square that has the wanted number of pixels.
        multiple: both sides of the answer are multiples of it, and at least it.

    Returns:
        ``(width, height)`` in pixels. An 832x480 clip at edge 480 gives 624x368 with a
        multiple of 16, not 832x480: 480 is the side of a square, not a height. Trainers
        that align to 32 give 640x352.
    """
    stretch = sqrt(width / height)
    return _nearest(edge * stretch, multiple), _nearest(edge / stretch, multiple)


def _nearest(length: float, multiple: int) -> int:
    """Round to the nearest multiple, a half up: ``round`` would send halves to even multiples."""
    return max(1, floor(length / multiple + 0.5)) * multiple
