"""Say what a video or image file really holds, without trusting its header or its name.

Four rules, and no others:

1. Frames are counted, not read from a header: every packet that is shown counts once.
   Packets cut short by a truncated file do not count.
2. Times are presentation times, so a variable frame rate is measured rightly.
3. Sizes are as displayed: after rotation, and with square pixels.
4. A file may open no other file. Only containers that hold their own pictures are
   allowed, whatever the suffix: a playlist renamed to ``.mp4`` is refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import NoReturn

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageOps

from engine.clips.files import Probe, UnreadableClip, is_image

# What may open at all, by FFmpeg's and by Pillow's name. A file need not match its own
# suffix, for many a WebM is called .mp4; each of these holds its pictures inside itself.
_VIDEO_CONTAINERS = ("mov", "mp4", "matroska", "webm", "avi")
_IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")

_OPEN_OPTIONS = {
    "format_whitelist": ",".join(_VIDEO_CONTAINERS),
    "protocol_whitelist": "file",
    "fflags": "+discardcorrupt",
}
_IMAGE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


def probe(path: Path) -> Probe:
    """Measure ``path``, and decode its first frame to prove that it can be read.

    Raises:
        UnreadableClip: if it is missing, empty, broken, or no clip at all.
    """
    return _probe_image(path) if is_image(path) else _probe_video(path)


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video and choose its first moving picture; any failure inside is `UnreadableClip`."""
    _check_file(path)
    try:
        with av.open(f"file:{path.absolute()}", mode="r", options=_OPEN_OPTIONS) as container:
            stream = _moving_picture(path, container)
            stream.thread_type = "AUTO"
            yield container, stream
    except av.FFmpegError as error:
        _refuse(path, error.strerror or str(error), error)


def open_image(path: Path) -> Image.Image:
    """Load an image, turned upright as its camera asked; colours are as stored.

    Raises:
        UnreadableClip: if it cannot be loaded whole, or has 16-bit grey, which would turn white.
    """
    _check_file(path)
    try:
        with Image.open(path, formats=_IMAGE_FORMATS) as image:
            upright = ImageOps.exif_transpose(image)
    except _IMAGE_ERRORS as error:
        _refuse(path, "no image is recognised" if "identify" in str(error) else str(error), error)
    if upright.mode.startswith("I"):
        raise UnreadableClip(path, "holds 16-bit grey; save it with 8 bits")
    return upright


def displayed_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """Return ``(width, height)`` in square pixels, after the rotation the file asks for."""
    aspect = float(stream.sample_aspect_ratio or 1)
    width = max(1, round(frame.width * aspect))
    return (frame.height, width) if quarter_turns(frame) % 2 else (width, frame.height)


def quarter_turns(frame: VideoFrame) -> int:
    """Return how often to turn the frame by 90 degrees, counter-clockwise; 0 to 3."""
    return round(frame.rotation / 90) % 4


@dataclass(slots=True)
class _Timeline:
    """The shown packets of a stream, met in any order; times in seconds."""

    count: int = 0
    first: float = inf
    last: float = -inf
    last_lasts: float = 0.0

    def add(self, packet: "Packet[VideoStream]") -> None:
        """Note when ``packet`` is shown, unless it is only there to decode others."""
        start = packet.pts if packet.pts is not None else packet.dts
        if packet.size == 0 or packet.is_discard or start is None:
            return
        at = float(start * packet.time_base)
        self.count += 1
        self.first = min(self.first, at)
        if at > self.last:
            self.last, self.last_lasts = at, float((packet.duration or 0) * packet.time_base)

    def seconds(self, usual_gap: float) -> float:
        """Return how long the packets are shown; ``usual_gap`` serves where the file gives no other."""
        until_last = self.last - self.first
        mean_gap = until_last / (self.count - 1) if self.count > 1 else usual_gap
        return until_last + (self.last_lasts or mean_gap)


def _probe_video(path: Path) -> Probe:
    """Walk through all packets, decoding only until the first frame comes out."""
    timeline, first = _Timeline(), None
    with open_video(path) as (container, stream):
        for packet in container.demux(stream):
            timeline.add(packet)
            if first is None:
                first = next(iter(packet.decode()), None)
        usual_gap = 1 / float(stream.guessed_rate or 1)
        codec = stream.codec_context.name
    if first is None or not timeline.count:
        raise UnreadableClip(path, "holds no frame")
    width, height = displayed_size(first, stream)
    frames, seconds = timeline.count, timeline.seconds(usual_gap)
    return Probe("video", width, height, frames, seconds, frames / seconds if seconds else 0.0, codec)


def _probe_image(path: Path) -> Probe:
    """Load the image whole, which is the only proof that it is whole."""
    image = open_image(path)
    return Probe("image", image.width, image.height, 1, 0.0, 0.0, path.suffix.lower().lstrip("."))


def _moving_picture(path: Path, container: InputContainer) -> VideoStream:
    """Choose the first video stream that is no cover picture and has a known codec."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            if stream.codec_context is None:
                raise UnreadableClip(path, "holds a video codec that is not known here")
            return stream
    raise UnreadableClip(path, "holds no video stream")


def _check_file(path: Path) -> None:
    """Refuse what no decoder should be asked about; a pipe, for one, would wait for ever."""
    if not path.is_file():
        raise UnreadableClip(path, "is not a file")
    if path.stat().st_size == 0:
        raise UnreadableClip(path, "is empty")


def _refuse(path: Path, reason: str, error: Exception) -> NoReturn:
    raise UnreadableClip(path, f"cannot be decoded: {reason}") from error
