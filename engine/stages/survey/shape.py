"""From what a file holds and what a recipe wants to cuts: which frames, at which size, cut out where.

Everything that is by chance follows from the content of the file, so that it is the same on every machine and every day.
"""

from dataclasses import dataclass
from hashlib import blake2b
from math import sqrt

from engine.clips.files import Probe, frames_at
from engine.clips.sizes import (
    Bucket,
    Cut,
    area_size,
    closest,
    cover,
    side_size,
    stepped_frames,
)
from engine.clips.windows import head, middle, random, sliding, uniform
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
    taken = _frames(probe, dataset, spec)
    if isinstance(taken, Unfit):
        return taken
    have, frames, period = taken
    width, height = size_of(probe.width, probe.height, media, dataset, spec.size_multiple)
    bucket = Bucket(width, height, frames)
    scaled = _scaled((probe.width, probe.height), bucket, dataset)
    starts = _starts(have, period, media, dataset)
    return tuple(
        Cut(start, period, scaled, _corner(scaled, bucket, dataset.crop, f"{media}/{start}"), bucket)
        for start in starts
    )


def _frames(probe: Probe, dataset: Dataset, spec: SurveySpec) -> tuple[int, int, int] | Unfit:
    """Return the frames that there are, those that a clip gets, and how many of these differ."""
    if probe.kind == "image":
        return 1, 1, 1
    have, wanted = frames_at(probe, spec.fps), dataset.frames
    asked = f"{have} frame{'s' if have != 1 else ''} at {spec.fps} fps"
    if have < dataset.min_frames:
        return Unfit("min_frames", f"{asked}, at least {dataset.min_frames} asked")
    if have > dataset.max_frames:
        return Unfit("max_frames", f"{asked}, at most {dataset.max_frames} asked")
    if have >= wanted:
        return have, wanted, wanted
    if dataset.short_clips == "loop":
        return have, wanted, have
    legal = spec.legal_frames
    # an interval that is longer than the clip would leave a single frame of it
    interval = dataset.frame_interval if dataset.frame_interval < have else legal.step
    fewer = stepped_frames(have, legal.step, legal.offset, interval)
    if dataset.short_clips == "fewer" and fewer:
        return have, fewer, fewer
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
        shape = _ratio(aspect.of[_chance(f"{media}/aspect", len(aspect.of))])
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
        return _chance(f"{key}/left", spare[0] + 1), _chance(f"{key}/top", spare[1] + 1)
    return 0, 0


def _starts(have: int, frames: int, media: str, dataset: Dataset) -> list[int]:
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


def _chance(key: str, choices: int) -> int:
    """Return a number below ``choices`` that follows from a text."""
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big") % choices
