"""What is said of a clip, and which files are clips. Free of any decoder, so that a plan that finds nothing new is quick."""

import re
from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import Literal

# What a folder is searched for. What a file is then, follows from its content.
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi"})
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp"})

MOST_PIXELS = 2**26
"""Pixels that a picture may have: 8192 x 8192. A small file can claim far more than memory holds."""

# How an image starts. ``BM`` alone could be the length of a film's first part, so four zeros must follow the file's length.
_IMAGES = {
    "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "jpeg": re.compile(rb"\xff\xd8\xff"),
    "webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    "bmp": re.compile(rb"BM.{4}\0{4}", re.DOTALL),
}
_HEAD = 16  # bytes

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
    """Tell an image from a video by its content, whatever it is called.

    Raises:
        UnreadableClip: if it is no file, is empty, or cannot be opened.
    """
    return image_format(path) is not None


def image_format(path: Path) -> str | None:
    """Return ``png``, ``jpeg``, ``webp`` or ``bmp`` if ``path`` starts like one, or None if it does not.

    Raises:
        UnreadableClip: if it is no file, is empty, or cannot be opened.
    """
    check_file(path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise UnreadableClip(path, f"cannot be opened: {error.strerror}") from error
    return next((name for name, shape in _IMAGES.items() if shape.match(head)), None)


def check_file(path: Path) -> None:
    """Refuse what no decoder should be asked about; a pipe, for one, would wait for ever.

    Raises:
        UnreadableClip: if it is no file, or is empty.
    """
    if not path.is_file():
        raise UnreadableClip(path, "is not a file")
    if path.stat().st_size == 0:
        raise UnreadableClip(path, "is empty")
