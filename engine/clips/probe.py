"""Say what a video or image file really holds, without trusting its header or its name.

Five rules, and no others:

1. Frames are counted, not read from a header: every packet that is shown counts once.
   Packets cut short by a truncated file do not count.
2. Times are presentation times, so a variable frame rate is measured rightly.
3. Sizes are as displayed: after rotation, and with square pixels.
4. A file may open no other file. Only containers that hold their own pictures are
   allowed, whatever the suffix: a playlist renamed to ``.mp4`` is refused.
5. A picture larger than `MOST_PIXELS` is refused from its header, before memory is given to it.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EINVAL
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

from engine.clips.files import MOST_PIXELS, Probe, UnreadableClip, check_file, image_format

# What may open at all, by FFmpeg's and by Pillow's name. A file need not match its own
# suffix, for many a WebM is called .mp4; each of these holds its pictures inside itself.
_VIDEO_CONTAINERS = ("mov", "mp4", "matroska", "webm", "avi")
_IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")

_OPEN_OPTIONS = {
    "format_whitelist": ",".join(_VIDEO_CONTAINERS),
    "protocol_whitelist": "file",
    "fflags": "+discardcorrupt",
}
# FFmpeg's own limit also holds where a size is only said, or changes, inside the stream.
_SIZE_LIMIT = {"max_pixels": str(MOST_PIXELS)}
# What Pillow's parsers trip over in damaged files, found by damaging some at random.
_IMAGE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    struct.error,
)


def probe(path: Path) -> Probe:
    """Measure ``path``, and decode its first frame to prove that it can be read.

    Raises:
        UnreadableClip: if it is missing, empty, broken, or no clip at all.
    """
    picture = image_format(path)
    return _probe_video(path) if picture is None else _probe_image(path, picture)


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a video and choose its first moving picture; any failure inside is `UnreadableClip`."""
    check_file(path)
    try:
        with _container(path) as container:
            stream = _moving_picture(path, container)
            coder = stream.codec_context
            _check_size(path, coder.width, coder.height)
            coder.options = _SIZE_LIMIT
            # clips are read beside each other; threads within one would cost more than they bring
            coder.thread_count = 1
            yield container, stream
    except av.FFmpegError as error:
        damaged = isinstance(error, av.InvalidDataError)
        _refuse(path, "no video, or a damaged one" if damaged else error.strerror or str(error), error)


def open_image(path: Path) -> Image.Image:
    """Load an image, turned upright as its camera asked; colours are as stored.

    Raises:
        UnreadableClip: if it cannot be loaded whole, is too large, or has 16-bit grey, which would turn white.
    """
    check_file(path)
    try:
        with Image.open(path, formats=_IMAGE_FORMATS) as image:
            _check_size(path, *image.size)
            upright = ImageOps.exif_transpose(image)
    except Image.DecompressionBombError as error:  # found by the library, before its size can be asked for
        raise UnreadableClip(path, f"has more than {MOST_PIXELS:,} pixels") from error
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
    _check_size(path, width, height)
    frames, seconds = timeline.count, timeline.seconds(usual_gap)
    return Probe("video", width, height, frames, seconds, frames / seconds if seconds else 0.0, codec)


def _probe_image(path: Path, codec: str) -> Probe:
    """Load the image whole, which is the only proof that it is whole."""
    image = open_image(path)
    return Probe("image", image.width, image.height, 1, 0.0, 0.0, codec)


def _container(path: Path) -> InputContainer:
    """Open what is allowed; a title in an older encoding is no reason to refuse a film."""
    options = _OPEN_OPTIONS | _SIZE_LIMIT
    try:
        return av.open(f"file:{path.absolute()}", mode="r", options=options, metadata_errors="replace")
    except av.FFmpegError as error:
        if error.errno != EINVAL:
            raise
        # FFmpeg knows what it is, and it is not on the list
        _refuse(path, "no video and no image is recognised", error)


def _moving_picture(path: Path, container: InputContainer) -> VideoStream:
    """Choose the first video stream that is no cover picture and has a known codec."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            if stream.codec_context is None:
                raise UnreadableClip(path, "holds a video codec that is not known here")
            return stream
    raise UnreadableClip(path, "holds no video stream")


def _check_size(path: Path, width: int, height: int) -> None:
    """Refuse pictures that would not fit into memory, and those that do not say how large they are."""
    if not width * height:
        raise UnreadableClip(path, f"has pictures of no known size, or of more than {MOST_PIXELS:,} pixels")
    if width * height > MOST_PIXELS:
        raise UnreadableClip(
            path, f"has pictures of {width}x{height}; more than {MOST_PIXELS:,} pixels are not read"
        )


def _refuse(path: Path, reason: str, error: Exception) -> NoReturn:
    raise UnreadableClip(path, f"cannot be decoded: {reason}") from error
