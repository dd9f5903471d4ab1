"""What an epoch is made of: how many samples each dataset gives of each shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engine.clips.sizes import Bucket
from engine.stages.survey.wanted import SurveySpec

_CLOSE = 0.01  # how far a share of an epoch may be from what was asked for
LONGEST = 64  # samples of an epoch for each clip, at most, to come that close


@dataclass(frozen=True, slots=True)
class Group:
    """The samples of one dataset and one shape, of which an epoch takes some.

    Attributes:
        dataset: path of the words of the dataset.
        samples: their numbers.
        take: samples that an epoch has of them; more than there are where they are repeated.
    """

    dataset: str
    bucket: Bucket
    samples: tuple[int, ...]
    take: int


def mixed(places: Mapping[str, Mapping[Bucket, Sequence[int]]], spec: SurveySpec) -> tuple[Group, ...]:
    """Return the groups of an epoch by shape and content, whatever the datasets are called.

    Args:
        places: numbers of the samples by dataset and shape; without those that the loss is only measured on.
    """
    groups = [
        Group(path, bucket, tuple(numbers), len(numbers) * spec.datasets[path].repeats)
        for path, shapes in places.items()
        for bucket, numbers in shapes.items()
    ]
    if groups and spec.mix == "by_weight":
        groups = _weighted(groups, {path: dataset.weight for path, dataset in spec.datasets.items()})
    if spec.small_buckets == "repeat":
        groups = _filled(groups, spec.batch_size)
    return tuple(sorted(groups, key=lambda group: (group.bucket, group.samples)))


def _weighted(groups: Sequence[Group], weights: Mapping[str, float]) -> list[Group]:
    """Share an epoch out by weight; it is as long as it takes to show every clip, and for all to come close to their share.

    In an epoch with as many samples as there are clips, a dataset of little weight could not show all of its own.
    """
    clips: dict[str, int] = {}
    for group in groups:
        clips[group.dataset] = clips.get(group.dataset, 0) + len(group.samples)
    total, whole = sum(clips.values()), sum(weights[path] for path in clips)
    # samples that a group is due in an epoch of as many samples as there are clips
    due = [total * (weights[one.dataset] / whole) * (len(one.samples) / clips[one.dataset]) for one in groups]
    least = [len(one.samples) for one in groups]
    epochs = [
        [max(few, round(stretch * share)) for few, share in zip(least, due, strict=True)]
        for stretch in range(1, LONGEST + 1)
    ]
    return [replace(group, take=take) for group, take in zip(groups, _best(epochs, due), strict=True)]


def _best(epochs: Sequence[list[int]], due: Sequence[float]) -> list[int]:
    """Return the shortest of some epochs that is close enough to what is due; the closest where none is."""
    whole = sum(due)

    def error(takes: list[int]) -> float:
        given = sum(takes)
        return max(abs(take * whole / (share * given) - 1) for take, share in zip(takes, due, strict=True))

    return next((takes for takes in epochs if error(takes) <= _CLOSE), min(epochs, key=error))


def _filled(groups: Sequence[Group], batch_size: int) -> list[Group]:
    """Repeat the groups of a shape as a whole until they fill a batch."""
    sums: dict[Bucket, int] = {}
    for group in groups:
        sums[group.bucket] = sums.get(group.bucket, 0) + group.take
    return [
        replace(group, take=group.take * max(1, -(-batch_size // sums[group.bucket]))) for group in groups
    ]
