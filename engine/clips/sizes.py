"""Arithmetic of clip sizes: which size and which number of frames a model is given.

Two rules, and no others:

1. A number of frames only ever goes down to a legal one: frames that a model would
   silently drop are never counted, and none are invented.
2. A size keeps the aspect and the pixel count of the original as nearly as its
   multiple allows. One multiple serves both sides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log, sqrt


@dataclass(frozen=True, slots=True, order=True)
class Bucket:
    """One shape of clip: all clips of a bucket can share a batch."""

    width: int
    height: int
    frames: int

    def __str__(self) -> str:
        """Say the bucket as ``640x352x17``: width, height, frames."""
        return f"{self.width}x{self.height}x{self.frames}"


@dataclass(frozen=True, slots=True, order=True)
class Cut:
    """What is taken of a clip: which frames, scaled to which size, cut out where. One cut is one training clip.

    Attributes:
        start: first frame, counted at the rate of the model.
        period: frames after which the clip begins again; the bucket's frames, unless a short clip is looped.
        scaled: width and height in pixels to which the whole picture is scaled before it is cut.
        corner: left and top of the cut in the scaled picture, in pixels.
        bucket: the shape of the answer.
    """

    start: int
    period: int
    scaled: tuple[int, int]
    corner: tuple[int, int]
    bucket: Bucket


def legal_frames(frames: int, step: int, offset: int) -> int:
    """Return the largest ``step * n + offset`` that is at most ``frames``, or 0 if there is none.

    Wan takes one frame and then groups of four (step 4, offset 1), so 75 frames are 73.
    """
    return frames - (frames - offset) % step if frames >= offset else 0


def stepped_frames(frames: int, step: int, offset: int, interval: int) -> int:
    """Return the largest ``step * n + offset`` that is at most ``frames`` and whose ``step * n`` divides by ``interval``.

    A coarser interval leaves fewer different lengths, and so fewer buckets. 75 frames are 73 at an
    interval of 4 and 65 at 16; 0 if there is none.

    Raises:
        ValueError: if ``interval`` is no multiple of ``step``, so that most of its lengths would not be legal.
    """
    if interval % step:
        raise ValueError(f"an interval of {interval} frames is no multiple of the step, {step}")
    return legal_frames(frames, interval, offset)


def area_size(width: int, height: int, edge: float, multiple: int) -> tuple[int, int]:
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


def side_size(width: int, height: int, edge: int, multiple: int) -> tuple[int, int]:
    """Return the size whose shorter side is ``edge``, with the aspect of ``width`` x ``height``.

    Both sides are rounded to ``multiple``, and are at least it. 1920x1080 at edge 480 gives
    848x480 with a multiple of 16.
    """
    scale = edge / min(width, height)
    return _nearest(width * scale, multiple), _nearest(height * scale, multiple)


def closest(width: int, height: int, aspects: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return the aspect that ``width`` x ``height`` comes nearest to: by ratio, so that 2:1 is as far from 1:1 as 1:2.

    Of two that are equally near the first is taken. ``aspects`` are pairs of width and height, at least one.
    """
    return min(aspects, key=lambda aspect: abs(log(width * aspect[1]) - log(height * aspect[0])))


def cover(size: tuple[int, int], bucket: Bucket) -> tuple[int, int]:
    """Return the smallest ``(width, height)`` with the aspect of ``size`` that leaves no gap in the bucket; pixels."""
    scale = max(bucket.width / size[0], bucket.height / size[1])
    return max(bucket.width, round(size[0] * scale)), max(bucket.height, round(size[1] * scale))


def _nearest(length: float, multiple: int) -> int:
    """Round to the nearest multiple, a half up: ``round`` would send halves to even multiples."""
    return max(1, floor(length / multiple + 0.5)) * multiple
