"""What becomes of every clip, as plain data for people: ``survey.json``, the page and the terminal show the same."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from engine.clips.sizes import Bucket
from engine.stages.survey.findings import MUCH, enlarged
from engine.stages.survey.look import Clip, Survey
from engine.words.data import Dataset

_USES = ("kept", "trimmed", "left out")  # the best first
SHORT = 3  # words; a caption of fewer says little


def report(
    survey: Survey, sheets: Iterable[Bucket] = (), damaged: Mapping[Path, str] = MappingProxyType({})
) -> dict[str, Any]:
    """Return what becomes of every clip.

    Args:
        sheets: shapes that have a contact sheet.
        damaged: what was found wrong with clips while they were drawn.
    """
    clips = [_clip(clip, survey, damaged.get(clip.path, "")) for clip in survey.clips]
    texts = [text for clip in survey.kept for text in clip.captions]
    return {
        "title": "Training clips",
        "recipe": "",  # titles and file names are in no key, so the stage does not know them
        "fps": survey.spec.fps,
        "batch size": survey.spec.batch_size,
        "totals": _totals(survey, clips),
        "datasets": [_dataset(path, survey) for path in survey.spec.datasets],
        "clips": clips,
        "buckets": _buckets(survey, frozenset(sheets)),
        "captions": {
            "missing": sum(clip.word == "no_caption" for clip in survey.clips),
            "short": sum(len(text.split()) < SHORT for text in texts),
            "variants": sum(len(clip.captions) > 1 for clip in survey.kept),
            "longest words": max((len(text.split()) for text in texts), default=0),
        },
        "not looked at": survey.others,
        "missing": [
            *survey.refused.values(),
            *(name for listing in survey.listings.values() for name in listing.missing),
        ],
    }


def _totals(survey: Survey, clips: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Count files and seconds, each once, whatever number of datasets they are in."""
    files: dict[Path, list[dict[str, Any]]] = {}
    for clip, said in zip(survey.clips, clips, strict=True):
        files.setdefault(clip.path, []).append(said)
    roles = Counter(survey.role(clip) for _, clip, _ in survey.samples)
    best = [min((said["use"] for said in uses), key=_USES.index) for uses in files.values()]
    return {
        "files": len(files),
        **{use: best.count(use) for use in _USES},
        "training clips": len(survey.samples) - roles["evaluate"],
        "regularisation clips": roles["regularise"],
        "evaluation clips": len(survey.measured),
        "seconds": round(sum(uses[0]["seconds"] or 0 for uses in files.values()), 3),
        "seconds used": round(
            sum(_covered([pair for said in uses for pair in said["used"]]) for uses in files.values()), 3
        ),
    }


def sheet_name(bucket: Bucket) -> str:
    """Return the name of the file with the contact sheet of a shape."""
    return f"training-clips-{bucket}.png"


def _clip(clip: Clip, survey: Survey, damage: str) -> dict[str, Any]:
    probe, fps = clip.seen.probe, survey.spec.fps
    video = probe is not None and probe.kind == "video"
    used = [[cut.start / fps, (cut.start + cut.period) / fps] for cut in clip.cuts] if video else []
    seconds = probe.seconds if probe is not None and video else None
    # what is less than a frame of training cannot be used by anybody
    trimmed = seconds is not None and bool(clip.cuts) and seconds - _covered(used) >= 1 / fps
    return {
        "dataset": clip.dataset,
        "file": clip.shown,
        "use": "left out" if clip.word else "trimmed" if trimmed else "kept",
        "why": clip.why,
        "kind": probe.kind if probe else None,
        "size": [probe.width, probe.height] if probe else None,
        "fps": round(probe.rate, 3) if probe is not None and video else None,
        "seconds": seconds,
        "used": [[round(start, 3), round(end, 3)] for start, end in used],
        "scale": round(enlarged(clip), 3) if clip.cuts else None,
        "buckets": list(dict.fromkeys(str(cut.bucket) for cut in clip.cuts)),
        "captions": list(clip.captions),
        "notes": [*_notes(clip, survey), *([f"damaged: {damage}"] if damage else [])],
    }


def _notes(clip: Clip, survey: Survey) -> Iterable[str]:
    if not clip.cuts:
        return
    if (factor := enlarged(clip)) > MUCH:
        yield f"enlarged {factor:.2g} times"
    cut, wanted = clip.cuts[0], survey.spec.datasets[clip.dataset].frames
    if cut.period < cut.bucket.frames:
        yield f"has {cut.period} frames, and begins again"
    elif cut.bucket.frames < wanted and clip.seen.probe is not None and clip.seen.probe.kind == "video":
        yield f"gives {cut.bucket.frames} frames, {wanted} asked"
    if min(len(text.split()) for text in clip.captions) < SHORT:
        yield "short caption"
    if first := survey.same.get((clip.dataset, clip.shown)):
        yield f"the same as {first}"


def _covered(used: list[list[float]]) -> float:
    """Return how many seconds some windows cover together; where they overlap, once."""
    total, until = 0.0, 0.0
    for start, end in sorted(used):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def _dataset(path: str, survey: Survey) -> dict[str, Any]:
    clips = [clip for clip in survey.clips if clip.dataset == path]
    take, whole = survey.takes.get(path, 0), sum(survey.takes.values())
    return {
        "name": path,
        "role": survey.spec.datasets[path].role,
        "from": _from(survey.spec.datasets[path]),
        "files": len(clips),
        "kept": sum(not clip.word for clip in clips),
        "per epoch": take,
        "share": round(take / (whole or 1), 4),
    }


def _from(dataset: Dataset) -> str:
    """Name a source without its place on this machine."""
    about = dataset.source.model_dump(exclude={"kind", "path"})
    return " ".join([dataset.source.kind, *map(str, about.values())])


def _buckets(survey: Survey, sheets: frozenset[Bucket]) -> list[dict[str, Any]]:
    clips = Counter(cut.bucket for _, _, cut in survey.samples)
    takes = dict.fromkeys(sorted(clips), 0)  # a shape that the loss is only measured at gives none
    for group in survey.groups:
        takes[group.bucket] += group.take
    size = survey.spec.batch_size
    return [
        {"bucket": str(bucket), "clips": clips[bucket], "per epoch": take, "batches": round(take / size, 2),
         "waiting": take % size, "sheet": sheet_name(bucket) if bucket in sheets else None}
        for bucket, take in takes.items()
    ]  # fmt: skip
