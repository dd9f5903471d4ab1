"""What is said of a clip, and which files are clips. Free of any decoder, so that a plan that finds nothing new is quick."""

from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import Literal

VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi"})
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})

# Some containers round every time to the millisecond; two roundings can add up.
ROUNDING = 0.002
"""Seconds by which a time in a file may be wrong."""


class UnreadableClip(Exception):
    """A file that cannot be used as a clip, and why."""

    def __init__(self, path: Path, reason: str) -> None:
        """Keep the file and the reason; ``reason`` continues a sentence that starts with the name."""
        super().__init__(f"{path.name}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Probe:
    """What a file holds.

    ``width`` and ``height`` are pixels as displayed, ``frames`` is a count, ``seconds`` is how
    long they are shown, ``rate`` is their mean number per second. An image has one frame and
    neither duration nor rate.
    """

    kind: Literal["video", "image"]
    width: int
    height: int
    frames: int
    seconds: float
    rate: float
    codec: str


def frames_at(probe: Probe, fps: float) -> int:
    """Count the whole frames that ``probe`` gives when resampled to ``fps``; at least 1."""
    return max(1, floor((probe.seconds + ROUNDING) * fps))


def is_image(path: Path) -> bool:
    """Tell images from videos by suffix; refuse a suffix that is neither."""
    suffix = path.suffix.lower()
    if suffix not in VIDEO_SUFFIXES | IMAGE_SUFFIXES:
        raise UnreadableClip(path, "is neither a video nor an image by its suffix")
    return suffix in IMAGE_SUFFIXES
