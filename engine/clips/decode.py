"""Decode a clip to the exact shape that a bucket asks for.

Three rules, and no others:

1. Frame ``k`` is what a viewer sees ``k / fps`` seconds after the first frame, so motion
   keeps its speed at any rate, fixed or variable.
2. A picture keeps its aspect: it is scaled to cover the bucket, then cropped at the centre.
3. A clip that is too short is an error, never padded.
"""

from collections.abc import Iterator
from math import ceil
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from PIL import Image

from engine.clips.files import ROUNDING, UnreadableClip, is_image
from engine.clips.probe import displayed_size, open_image, open_video, quarter_turns
from engine.clips.sizes import Bucket

Pixels = NDArray[np.uint8]


def read_frames(path: Path, bucket: Bucket, fps: float) -> Pixels:
    """Read the first ``bucket.frames`` frames of ``path``, resampled to ``fps``.

    Args:
        path: a video, or an image, which is a clip of one frame.
        bucket: the size of the answer, in pixels and frames.
        fps: frames per second of the answer.

    Returns:
        ``(F, H, W, 3)`` uint8, red, green, blue; the shape is the bucket's.

    Raises:
        UnreadableClip: if the file cannot be decoded, or holds too few frames.
    """
    frames_HWC = [_fit_image(open_image(path), bucket)] if is_image(path) else _resample(path, bucket, fps)
    if len(frames_HWC) < bucket.frames:
        found = f"{len(frames_HWC)} of the {bucket.frames} frames asked for at {fps:g} per second"
        raise UnreadableClip(path, f"could be decoded to only {found}")
    return np.stack(frames_HWC[: bucket.frames])


def _resample(path: Path, bucket: Bucket, fps: float) -> list[Pixels]:
    """Decode until the bucket is full; a frame that is never shown is never scaled."""
    frames_HWC: list[Pixels] = []
    for frame, size, end in _shown(path):
        missing = min(bucket.frames, ceil((end - ROUNDING) * fps)) - len(frames_HWC)
        if missing > 0:
            frames_HWC += [_fit_frame(frame, size, bucket)] * missing
        if len(frames_HWC) == bucket.frames:
            break
    return frames_HWC


def _shown(path: Path) -> Iterator[tuple[VideoFrame, tuple[int, int], float]]:
    """Yield each frame, its displayed size, and when it ends in seconds after the clip's start.

    A frame ends where the next one starts. The last ends by its own duration or, where the
    file gives none, after the mean gap between the others.
    """
    with open_video(path) as (container, stream):
        usual_gap = 1 / float(stream.guessed_rate or 1)
        # AVI stores a rate and no times; those FFmpeg makes up for it run backwards at B-frames
        has_times = container.format.name != "avi"
        shown, first, start, count = None, 0.0, 0.0, 0
        for frame in container.decode(stream):
            now = frame.time if has_times and frame.time is not None else count * usual_gap
            if shown is None:
                first = now
            else:
                yield shown, displayed_size(shown, stream), now - first
            shown, start, count = frame, now - first, count + 1
        if shown is not None:
            gap = start / (count - 1) if count > 1 else usual_gap
            own = float((shown.duration or 0) * (shown.time_base or 0))
            yield shown, displayed_size(shown, stream), start + (own or gap)


def _fit_frame(frame: VideoFrame, size: tuple[int, int], bucket: Bucket) -> Pixels:
    """Scale a video frame, turn it upright and crop it to the bucket."""
    turns = quarter_turns(frame)
    width, height = _cover(size, bucket)
    lying = (height, width) if turns % 2 else (width, height)
    scaled = frame.reformat(
        width=lying[0],
        height=lying[1],
        format="rgb24",
        # some PyAV versions heed the file's colour space only where another one is asked for
        src_colorspace=int(frame.colorspace),
        dst_colorspace="DEFAULT",
        interpolation="BICUBIC",
    )
    upright_HWC = np.rot90(scaled.to_ndarray().astype(np.uint8, copy=False), turns)
    return _crop(upright_HWC, bucket)


def _fit_image(image: Image.Image, bucket: Bucket) -> Pixels:
    """Scale an image and crop it to the bucket; what is transparent becomes white, as on a page."""
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    scaled = image.convert("RGB").resize(_cover(image.size, bucket), Image.Resampling.BICUBIC)
    return _crop(np.asarray(scaled), bucket)


def _cover(size: tuple[int, int], bucket: Bucket) -> tuple[int, int]:
    """Return the smallest ``(width, height)`` of the same aspect that leaves no gap in the bucket."""
    scale = max(bucket.width / size[0], bucket.height / size[1])
    return max(bucket.width, round(size[0] * scale)), max(bucket.height, round(size[1] * scale))


def _crop(frame_HWC: Pixels, bucket: Bucket) -> Pixels:
    """Cut the centre out; copied, so that the rest of the picture can be freed."""
    top = (frame_HWC.shape[0] - bucket.height) // 2
    left = (frame_HWC.shape[1] - bucket.width) // 2
    return frame_HWC[top : top + bucket.height, left : left + bucket.width].copy()
