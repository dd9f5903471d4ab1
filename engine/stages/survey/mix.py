"""What an epoch is made of: how many samples each dataset gives of each shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engine.clips.sizes import Bucket
from engine.stages.survey.wanted import SurveySpec


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
    datasets = {path: shapes for path, shapes in places.items() if shapes}
    natural = {
        path: {bucket: len(numbers) * spec.datasets[path].repeats for bucket, numbers in shapes.items()}
        for path, shapes in datasets.items()
    }
    if spec.mix == "by_weight":
        total = sum(sum(shapes.values()) for shapes in natural.values())
        shares = apportion(total, [spec.datasets[path].weight for path in natural])
        takes = {
            path: dict(zip(shapes, apportion(share, list(shapes.values())), strict=True))
            for (path, shapes), share in zip(natural.items(), shares, strict=True)
        }
    else:
        takes = natural
    groups = [
        # however small a share is, every clip is seen at some time
        Group(path, bucket, tuple(numbers), max(1, takes[path][bucket]))
        for path, shapes in datasets.items()
        for bucket, numbers in shapes.items()
    ]
    if spec.small_buckets == "repeat":
        groups = _filled(groups, spec.batch_size)
    return tuple(sorted(groups, key=lambda group: (group.bucket, group.samples)))


def apportion(total: int, weights: Sequence[float]) -> list[int]:
    """Share whole things out in proportion to weights, by the method of largest remainders."""
    quotas = [total * weight / sum(weights) for weight in weights]
    shares = [int(quota) for quota in quotas]
    rest = sorted(range(len(quotas)), key=lambda place: (shares[place] - quotas[place], place))
    for place in rest[: total - sum(shares)]:
        shares[place] += 1
    return shares


def _filled(groups: Sequence[Group], batch_size: int) -> list[Group]:
    """Repeat the groups of a shape as a whole until they fill a batch."""
    sums: dict[Bucket, int] = {}
    for group in groups:
        sums[group.bucket] = sums.get(group.bucket, 0) + group.take
    return [
        replace(group, take=group.take * max(1, -(-batch_size // sums[group.bucket]))) for group in groups
    ]
