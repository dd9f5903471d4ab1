"""From what a file holds and what a recipe wants to cuts: which frames, at which size, cut out where.

Everything that is by chance follows from the content of the file, so that it is the same on every machine and every day.
"""

from dataclasses import dataclass
from math import sqrt

from engine.clips.files import MOST_PIXELS, Probe, frames_at
from engine.clips.sizes import (
    Bucket,
    Cut,
    area_size,
    closest,
    cover,
    side_size,
    stepped_frames,
)
from engine.clips.windows import chance, head, middle, random, sliding, uniform
from engine.stages.survey.wanted import SurveySpec
from engine.words.data import (
    AreaSize,
    ClosestAspect,
    Dataset,
    DownsampleScale,
    ExactSize,
    HeadWindow,
    MiddleWindow,
    OwnAspect,
    PixelAreaSize,
    RandomAspect,
    RandomWindows,
    SlidingWindows,
)

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a file gives no training clip: the word of the recipe that it does not meet, and how."""

    word: str
    why: str


def cuts_of(probe: Probe, media: str, dataset: Dataset, spec: SurveySpec) -> tuple[Cut, ...] | Unfit:
    """Return what is taken of a file, one cut a window, or why nothing is.

    Args:
        media: digest of the content.
    """
    if (side := min(probe.width, probe.height)) < dataset.min_size:
        return Unfit(
            "min_size",
            f"{probe.width}x{probe.height}: its shorter side has {side} px, {dataset.min_size} asked",
        )
    length = _length(probe, dataset, spec)
    if isinstance(length, Unfit):
        return length
    width, height = size_of(probe.width, probe.height, media, dataset, spec.size_multiple)
    bucket = Bucket(width, height, length.frames)
    scaled = _scaled((probe.width, probe.height), bucket, dataset)
    if scaled[0] * scaled[1] > MOST_PIXELS:
        return Unfit(
            "size", f"{probe.width}x{probe.height} would be {scaled[0]}x{scaled[1]}, which is too large"
        )
    return tuple(
        Cut(start, length.differ, scaled, _corner(scaled, bucket, dataset.crop, f"{media}/{start}"), bucket)
        for start in _starts(length, media, dataset)
    )


@dataclass(frozen=True, slots=True)
class _Length:
    """Frames at the model's rate: those that a file has, those that a training clip gets, and how many of these differ."""

    have: int
    frames: int
    differ: int


def _length(probe: Probe, dataset: Dataset, spec: SurveySpec) -> _Length | Unfit:
    if probe.kind == "image":
        return _Length(1, 1, 1)
    have, wanted = frames_at(probe, spec.fps), dataset.frames
    asked = f"{have} frame{'s' if have != 1 else ''} at {spec.fps} fps"
    if have < dataset.min_frames:
        return Unfit("min_frames", f"{asked}, at least {dataset.min_frames} asked")
    if dataset.max_frames and have > dataset.max_frames:
        return Unfit("max_frames", f"{asked}, at most {dataset.max_frames} asked")
    if have >= wanted:
        return _Length(have, wanted, wanted)
    if dataset.short_clips == "loop":
        return _Length(have, wanted, have)
    legal = spec.legal_frames
    # an interval that is longer than the clip would leave a single frame of it
    interval = dataset.frame_interval if dataset.frame_interval < have else legal.step
    fewer = stepped_frames(have, legal.step, legal.offset, interval)
    if dataset.short_clips == "fewer" and fewer:
        return _Length(have, fewer, fewer)
    return Unfit("short_clips", f"{asked}, {wanted} asked")


def size_of(width: int, height: int, media: str, dataset: Dataset, multiple: int) -> tuple[int, int]:
    """Return the width and height of the training clips of a picture, in pixels."""
    size, aspect = dataset.size, dataset.aspect
    if isinstance(size, ExactSize):
        return size.width, size.height
    if isinstance(aspect, OwnAspect):
        shape = (width, height)
    elif isinstance(aspect, ClosestAspect):
        shape = closest(width, height, [_ratio(said) for said in aspect.of])
    elif isinstance(aspect, RandomAspect):
        shape = _ratio(aspect.of[chance(f"{media}/aspect", len(aspect.of))])
    else:
        shape = (1, 1)
    if isinstance(size, PixelAreaSize):
        return area_size(*shape, size.edge, multiple)
    if isinstance(size, AreaSize):
        return area_size(*shape, sqrt(size.megapixels * MILLION), multiple)
    return side_size(*shape, size.edge, multiple)


def _ratio(said: str) -> tuple[int, int]:
    width, height = said.split(":")
    return int(width), int(height)


def _scaled(size: tuple[int, int], bucket: Bucket, dataset: Dataset) -> tuple[int, int]:
    """Return the size that the whole picture gets before it is cut; never smaller than the cut."""
    if dataset.crop == "none":
        return bucket.width, bucket.height
    least = cover(size, bucket)
    if not isinstance(dataset.scale, DownsampleScale):
        return least
    side = min(size)
    factor = dataset.scale.to / side if side > dataset.scale.above else 1.0
    own = round(size[0] * factor), round(size[1] * factor)
    return own if own[0] >= bucket.width and own[1] >= bucket.height else least


def _corner(scaled: tuple[int, int], bucket: Bucket, crop: str, key: str) -> tuple[int, int]:
    spare = scaled[0] - bucket.width, scaled[1] - bucket.height
    if crop == "centre":
        return spare[0] // 2, spare[1] // 2
    if crop == "random":
        return chance(f"{key}/left", spare[0] + 1), chance(f"{key}/top", spare[1] + 1)
    return 0, 0


def _starts(length: _Length, media: str, dataset: Dataset) -> list[int]:
    have, frames = length.have, length.differ
    match dataset.windows:
        case HeadWindow():
            return head(have, frames)
        case MiddleWindow():
            return middle(have, frames)
        case RandomWindows(count=count):
            return random(have, frames, count, media)
        case SlidingWindows(stride=stride):
            return sliding(have, frames, stride)
        case even:
            return uniform(have, frames, even.count)
