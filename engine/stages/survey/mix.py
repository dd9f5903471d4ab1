"""What an epoch is made of: how many samples each dataset gives of each shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engine.clips.sizes import Bucket
from engine.stages.survey.wanted import SurveySpec

_CLOSE = 0.01  # how far a share of an epoch may be from what was asked for
_LONGEST = 64  # times the natural length that an epoch may have for that


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
        places: numbers of the samples by dataset and shape.
    """
    groups = [
        Group(path, bucket, tuple(numbers), len(numbers) * spec.datasets[path].repeats)
        for path, shapes in places.items()
        for bucket, numbers in shapes.items()
    ]
    if spec.mix == "by_weight":
        groups = _weighted(groups, {path: dataset.weight for path, dataset in spec.datasets.items()})
    if spec.small_buckets == "repeat":
        groups = _filled(groups, spec.batch_size)
    return tuple(sorted(groups, key=lambda group: (group.bucket, group.samples)))


def _weighted(groups: Sequence[Group], weights: Mapping[str, float]) -> list[Group]:
    """Share an epoch out by weight; it is as long as it takes for every group to come close to its share.

    A group can only give whole samples, and at least one, or its clips would never be seen. In an epoch with as many
    samples as there are clips that can be far from its share, so the epoch is made longer until all are within 1 %.
    """
    natural: dict[str, int] = {}
    for group in groups:
        natural[group.dataset] = natural.get(group.dataset, 0) + group.take
    total, whole = sum(natural.values()), sum(weights[path] for path in natural)
    # samples that a group is due in an epoch of natural length
    due = [
        total * (weights[group.dataset] / whole) * (group.take / natural[group.dataset]) for group in groups
    ]
    longest = _best(
        [[max(1, round(stretch * share)) for share in due] for stretch in range(1, _LONGEST + 1)], due
    )
    return [replace(group, take=take) for group, take in zip(groups, longest, strict=True)]


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
