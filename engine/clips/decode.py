"""Decode of a clip exactly what a cut asks for.

Four rules, and no others:

1. Frame ``k`` of a clip is what a viewer sees ``k / fps`` seconds after its first frame, so motion
   keeps its speed at any rate, fixed or variable.
2. The whole picture, as displayed, is scaled to the size that the cut says, and the bucket is cut out of it.
3. A clip that is too short is an error, never padded; it begins again only where the cut says so.
4. What is not asked for costs as little as the file allows: decoding starts at the last key frame before
   the cut, ends with the cut, and a frame that is never shown is never scaled.
"""

from collections.abc import Iterator
from itertools import chain, islice, repeat
from math import ceil
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from engine.clips.files import MOST_PIXELS, ROUNDING, UnreadableClip, is_image
from engine.clips.probe import open_image, open_video, quarter_turns
from engine.clips.sizes import Cut

Pixels = NDArray[np.uint8]

_FAR = 1.0  # seconds into a clip from which seeking costs less than decoding what lies before

# What FFmpeg packs at once where neither size changes and the height is even, to the same colours as over planes.
_QUICK = frozenset({"yuv420p", "yuvj420p", "yuv422p"})

# From 17 on PyAV shares each picture out among all cores. Clips are decoded beside each other already, and threads that
# wait for one another only cost. Earlier ones know no such word, and no such threads.
_ALONE = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}


def read_frames(path: Path, cut: Cut, fps: float) -> Pixels:
    """Read what `frames_of` gives as one array: ``(F, H, W, 3)`` uint8, of the bucket's shape."""
    bucket = cut.bucket
    frames_FHWC = np.empty((bucket.frames, bucket.height, bucket.width, 3), np.uint8)
    for frame_HWC, place_HWC in zip(frames_of(path, cut, fps), frames_FHWC, strict=True):
        place_HWC[:] = frame_HWC
    return frames_FHWC


def frames_of(path: Path, cut: Cut, fps: float) -> Iterator[Pixels]:
    """Decode one frame after the other, in memory that does not grow with the clip.

    Only a clip that is looped is kept, for its `period`. A frame that is shown for longer comes as the
    same array again: copy what you change.

    Args:
        path: a video, or an image, which is a clip of one frame.
        cut: which frames at which size; frame ``k`` of the answer is frame ``start + k % period`` of the clip.
        fps: frames per second of the answer, greater than 0.

    Yields:
        ``cut.bucket.frames`` times ``(H, W, 3)`` uint8, red, green, blue.

    Raises:
        UnreadableClip: if the file cannot be decoded, or, after the last one, if it holds too few frames.
    """
    if cut.scaled[0] * cut.scaled[1] > MOST_PIXELS:
        raise UnreadableClip(path, f"would be scaled to {cut.scaled[0]}x{cut.scaled[1]} pixels")
    wanted = cut.bucket.frames
    once = min(cut.period, wanted)
    clip = _image(path, cut) if is_image(path) else _video(path, cut, fps)
    loop_HWC: list[Pixels] = []
    given = 0
    for frame_HWC in islice(clip, once):
        given += 1
        if once < wanted:
            loop_HWC.append(frame_HWC)
        yield frame_HWC
    if given < once:
        since = f" from frame {cut.start} on" if cut.start else ""
        found = f"only {given} of the {once} frames asked for at {fps:g} per second{since}"
        raise UnreadableClip(path, f"could be decoded to {found}")
    for frame in range(once, wanted):
        yield loop_HWC[frame % once]


def _image(path: Path, cut: Cut) -> Iterator[Pixels]:
    """Yield the one frame of an image; what is transparent becomes white, as on a page."""
    image = open_image(path)
    if cut.start:
        return
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    scaled = image.convert("RGB").resize(cut.scaled, Image.Resampling.BICUBIC)
    yield _cut_out(np.asarray(scaled), cut).copy()


def _video(path: Path, cut: Cut, fps: float) -> Iterator[Pixels]:
    """Yield the frames of a video from the cut's start to the end of the file, at ``fps``."""
    scaler = _Scaler()
    number = cut.start
    for frame, end in _shown(path, cut.start / fps):
        until = ceil((end - ROUNDING) * fps)
        if until > number:
            frame_HWC = scaler.fit(frame, cut)
            yield from repeat(frame_HWC, until - number)
            number = until


def _shown(path: Path, since: float) -> Iterator[tuple[VideoFrame, float]]:
    """Yield each frame that is shown later than ``since``, maybe earlier ones, and when it ends; seconds of the clip."""
    if since > _FAR:
        with open_video(path) as (container, stream):
            landed = _landed(container, stream, since)
            if landed is not None:
                yield from _timed(container, stream, *landed)
                return
    with open_video(path) as (container, stream):
        yield from _timed(container, stream, container.decode(stream))


def _landed(
    container: InputContainer, stream: VideoStream, since: float
) -> tuple[Iterator[VideoFrame], float] | None:
    """Seek to the last key frame at or before ``since`` seconds after the first frame.

    Returns:
        the frames from there on and the time of the first frame; None where the times of the file, or its
        index, are not to be trusted.
    """
    if not _has_times(container):
        return None
    first = next(container.decode(stream), None)
    # without durations the last frame lasts as long as all the others on average, and so all have to be seen
    if first is None or first.time is None or not first.duration:
        return None
    moment = first.time + since
    try:
        container.seek(int(moment / (stream.time_base or 1)), stream=stream)
        frames = container.decode(stream)
        # what comes before a key frame may lack the frames that it was made from
        key = next((frame for frame in frames if frame.key_frame), None)
    except av.FFmpegError:  # it is read from its start, which says what is wrong
        return None
    if key is None or key.time is None or not first.time <= key.time <= moment:
        return None
    return chain([key], frames), first.time


def _timed(
    container: InputContainer, stream: VideoStream, frames: Iterator[VideoFrame], first: float | None = None
) -> Iterator[tuple[VideoFrame, float]]:
    """Yield each frame, and when it ends in seconds after the time ``first``, by default that of the first of them.

    A frame ends where the next one starts. The last ends by its own duration or, where the
    file gives none, after the mean gap between the others.
    """
    usual_gap = 1 / float(stream.guessed_rate or 1)
    has_times = _has_times(container)
    shown, began, now, count = None, 0.0, -usual_gap, 0
    for frame in frames:
        now = frame.time if has_times and frame.time is not None else now + usual_gap
        if shown is None:
            began = now
            first = now if first is None else first
        else:
            yield shown, now - (first or 0.0)
        shown, count = frame, count + 1
    if shown is not None:
        gap = (now - began) / (count - 1) if count > 1 else usual_gap
        own = float((shown.duration or 0) * (shown.time_base or 0))
        yield shown, now - (first or 0.0) + (own or gap)


class _Scaler:
    """Scales the frames of one video. What FFmpeg works out for their size and format is kept from frame to frame."""

    def __init__(self) -> None:
        self._to_size, self._to_rgb = VideoReformatter(), VideoReformatter()

    def fit(self, frame: VideoFrame, cut: Cut) -> Pixels:
        """Scale a frame, turn it upright and cut the bucket out of it."""
        turns = quarter_turns(frame)
        width, height = cut.scaled[::-1] if turns % 2 else cut.scaled
        kept = (frame.width, frame.height) == (width, height)
        quick = kept and height % 2 == 0 and frame.format.name in _QUICK
        scaled = self._to_size.reformat(
            frame,
            width=width,
            height=height,
            # FFmpeg scales into separate planes twice as fast as into packed colours, and packs them faster than NumPy
            format="rgb24" if quick else "gbrp",
            # some PyAV versions heed the file's colour space only where another one is asked for
            src_colorspace=int(frame.colorspace),
            dst_colorspace=Colorspace.DEFAULT,
            interpolation="BICUBIC",
            **_ALONE,
        )
        lying_HWC = self._to_rgb.reformat(scaled, format="rgb24", **_ALONE).to_ndarray()
        upright_HWC = np.rot90(lying_HWC.astype(np.uint8, copy=False), turns)
        return np.ascontiguousarray(_cut_out(upright_HWC, cut))


def _cut_out(frame_HWC: Pixels, cut: Cut) -> Pixels:
    """Return the bucket's part of a scaled picture; a view."""
    left, top = cut.corner
    return frame_HWC[top : top + cut.bucket.height, left : left + cut.bucket.width]


def _has_times(container: InputContainer) -> bool:
    """Tell whether frames say when they are shown.

    AVI stores a rate and no times; those that FFmpeg makes up for it run backwards at B-frames.
    """
    return container.format.name != "avi"
