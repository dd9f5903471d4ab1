"""What is wrong with the clips of a recipe, and what people should know of them, for the plan."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from engine.clips.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from engine.clips.sizes import Cut
from engine.seam import Foresight, Trouble
from engine.stages.survey.look import Clip, Survey
from engine.words.data import FolderSource, ListSource, TableSource

LEFT_OUT = "they are left out"
_MOST_NAMES = 10  # names that one message lists
_PURPOSES = {"train": "train on", "evaluate": "measure the loss on"}  # roles that need a clip
_BESIDE = {"regularise": ", to regularise"}  # role → what is said beside the share of an epoch
MUCH = 1.25  # from here on a person sees that a picture was enlarged


@dataclass(frozen=True, slots=True)
class _Reason:
    """Why clips are left out.

    Attributes:
        code, what: of the finding; ``{at}`` is the dataset.
        quietly: the value of the word that leaves them out with a warning; empty where the word always does.
        way_out: what to do where they stop the run.
    """

    code: str
    what: str
    quietly: str = ""
    way_out: str = ""


_REASONS = {
    "bad_files": _Reason("RCP4102", "files cannot be read", "skip", "mend or move them, or set `{at}.bad_files: skip`"),
    "short_clips": _Reason(
        "RCP4104", "clips are too short", "drop",
        "ask for fewer `{at}.frames`, or set `{at}.short_clips` to `drop`, `fewer` or `loop`",
    ),
    "no_caption": _Reason(
        "RCP4103", "clips have no caption", "drop",
        "write the words where `{at}.captions` looks for them, set `{at}.captions: {{kind: one, …}}`, or `{at}.no_caption: drop`",
    ),
    "min_size": _Reason("RCP4108", "clips are smaller than `{at}.min_size`"),
    "min_frames": _Reason("RCP4108", "clips are shorter than `{at}.min_frames`"),
    "max_frames": _Reason("RCP4108", "clips are longer than `{at}.max_frames`"),
    "size": _Reason("RCP4108", "clips cannot be brought to `{at}.size`"),
}  # fmt: skip
"""The word of a dataset that leaves clips out → why."""


def foresight(survey: Survey) -> Foresight:
    """Tell the planner."""
    files = {clip.seen.digest: str(clip.path) for clip in survey.clips if clip.seen.probe is not None}
    return Foresight(
        leaves=survey.leaves, outputs=survey.outputs, amount=len(survey.clips), unit="files", files=files,
        troubles=tuple(troubles(survey)), notes=tuple(_notes(survey)),
    )  # fmt: skip


def troubles(survey: Survey) -> Iterator[Trouble]:
    """Yield what is wrong, dataset by dataset, and then what is wrong with all of them together."""
    before = len(survey.refused)
    for path, why in survey.refused.items():
        column = "has no column" in why and f"{path}.source.column"
        yield Trouble("RCP4109", column or f"{path}.source.path", why, "mend the file, or say another")
    for path in survey.listings:
        clips = [clip for clip in survey.clips if clip.dataset == path]
        for trouble in _of_dataset(survey, path, clips):
            before += not trouble.warning
            yield trouble
    if not before:
        yield from _nothing_left(survey)
    yield from _known_already(survey)


def _nothing_left(survey: Survey) -> Iterator[Trouble]:
    """Every clip with a role was left out, each as the recipe asks, and nothing can take its part."""
    for role, purpose in _PURPOSES.items():
        paths = [path for path, dataset in survey.spec.datasets.items() if dataset.role == role]
        clips = [clip for clip in survey.clips if clip.dataset in paths]
        if paths and all(clip.word for clip in clips):
            yield Trouble("RCP4101", f"{paths[0]}.source", f"no clip of {len(clips)} is left to {purpose}")


def _known_already(survey: Survey) -> Iterator[Trouble]:
    """Clips that the loss is measured on and that are trained on as well, whatever they are called there."""
    trained: dict[str, list[tuple[Clip, Cut]]] = {}
    measured: dict[str, list[Clip]] = {}
    for clip in survey.kept:
        if survey.role(clip) == "train":
            trained.setdefault(clip.seen.digest, []).extend((clip, cut) for cut in clip.cuts)
        elif survey.role(clip) == "evaluate":
            measured.setdefault(clip.dataset, []).append(clip)
    for path, clips in measured.items():
        known = {
            clip.shown: other
            for clip in clips
            for other, cut in trained.get(clip.seen.digest, ())
            if any(_overlap(cut, own) for own in clip.cuts)
        }
        if known:
            names = _listed([f"{name} ({other.dataset}: {other.shown})" for name, other in known.items()])
            yield Trouble(
                "RCP4080", f"{path}.role", f"{len(known)} of {len(clips)} clips that the loss is measured on are also trained on: {names}",
                "their loss falls with what is learnt by heart: keep them in one of the two, or take windows that do not overlap",
                warning=True,
            )  # fmt: skip


def _overlap(one: Cut, other: Cut) -> bool:
    """Whether two cuts of the same file share a frame."""
    return one.start < other.start + other.period and other.start < one.start + one.period


def _of_dataset(survey: Survey, path: str, clips: Sequence[Clip]) -> Iterator[Trouble]:
    yield from _of_source(survey, path, clips)
    for word, reason in _REASONS.items():
        out = [clip for clip in clips if clip.word == word]
        if out:
            dropped = not reason.quietly or getattr(survey.spec.datasets[path], word) == reason.quietly
            message = f"{len(out)} of {len(clips)} {reason.what.format(at=path)}: {_names(out)}"
            help_ = LEFT_OUT if dropped else reason.way_out.format(at=path)
            yield Trouble(reason.code, _here(survey, path), message, help_, dropped, f"{path}.{word}")


def _of_source(survey: Survey, path: str, clips: Sequence[Clip]) -> Iterator[Trouble]:
    dataset, listing, here = survey.spec.datasets[path], survey.listings[path], _here(survey, path)
    skip = dataset.bad_files == "skip"
    if isinstance(dataset.source, FolderSource) and not Path(dataset.source.path).is_dir():
        yield Trouble("RCP4101", here, *_no_folder(Path(dataset.source.path)))
        return
    if not clips and not listing.missing:
        kinds = " ".join(sorted(VIDEO_SUFFIXES | IMAGE_SUFFIXES))
        where = getattr(dataset.source, "path", f"`{path}`")
        yield Trouble("RCP4101", here, f"{where} holds no clips", f"clips end in {kinds}")
    if listing.closed:
        yield Trouble(
            "RCP4102",
            here,
            f"folders cannot be read: {_listed(listing.closed)}",
            "give yourself the right to read them",
        )
    if listing.missing:
        help_ = LEFT_OUT if skip else f"correct the names, or set `{path}.bad_files: skip`"
        yield Trouble("RCP4110", here, _listed(listing.missing, "; "), help_, skip, f"{path}.bad_files")
    if large := [clip for clip in clips if clip.cuts and enlarged(clip) > MUCH]:
        names = _listed([f"{clip.shown} ({enlarged(clip):.2g} times)" for clip in large])
        yield Trouble(
            "RCP4111", here, f"{len(large)} of {len(clips)} clips are enlarged: {names}",
            f"what is enlarged is learnt as blur: ask for a smaller `{path}.size`, or leave small clips out with `{path}.min_size`",
            warning=True, rule=f"{path}.size",
        )  # fmt: skip


def _no_folder(path: Path) -> tuple[str, str]:
    """Say that there is no such folder, and what was likely meant."""
    if address := re.search(r"/([a-z][a-z0-9+.-]*):/+(.*)", str(path)):
        url = f"{address[1]}://{address[2]}"
        return f"{url} is an address, not a folder", f"write `{{kind: remote, url: {url}, as_of: today}}`"
    if path.is_file():
        return (
            f"the folder {path} is a file, not a folder",
            "name the folder that it is in, or write a list: `kind: list`",
        )
    others = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    near = get_close_matches(path.name, others, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    if any(sign in path.name for sign in "*?["):
        meant = "patterns are not taken: name the folder, all clips in it are used. "
    return (
        f"the folder {path} is not there",
        f"{meant}a relative path is relative to the file that says it; `~` has no meaning here",
    )


def enlarged(clip: Clip) -> float:
    """Return by how much the picture of a clip that is used is scaled: more than 1 is enlarged."""
    assert clip.seen.probe is not None, "a clip that is used was measured"
    return max(
        clip.cuts[0].scaled[0] / clip.seen.probe.width, clip.cuts[0].scaled[1] / clip.seen.probe.height
    )


def _here(survey: Survey, path: str) -> str:
    local = isinstance(survey.spec.datasets[path].source, FolderSource | ListSource | TableSource)
    return f"{path}.source.path" if local else f"{path}.source"


def _notes(survey: Survey) -> Iterator[str]:
    by_bucket: dict[str, int] = {}
    for _, _, cut in survey.samples:
        by_bucket[str(cut.bucket)] = by_bucket.get(str(cut.bucket), 0) + 1
    buckets = ", ".join(f"{count} at {bucket}" for bucket, count in sorted(by_bucket.items()))
    left = len(survey.clips) - len(survey.kept)
    number = len(survey.samples)
    yield f"{number} clip{'s' if number != 1 else ''}: {buckets}" + (f"; {left} left out" if left else "")
    if len(survey.listings) > 1:
        whole = sum(survey.takes.values()) or 1
        yield "an epoch: " + ", ".join(
            f"{take} of {path} ({take / whole:.0%}{_BESIDE.get(survey.spec.datasets[path].role, '')})"
            for path, take in survey.takes.items()
        )
    if number := len(survey.measured):
        yield f"{number} clip{'s' if number != 1 else ''} to measure the loss on"
    if survey.others:
        yield "not looked at: " + ", ".join(f"{count} {suffix}" for suffix, count in survey.others.items())


def _names(clips: Sequence[Clip]) -> str:
    return _listed([f"{clip.shown} ({clip.why})" for clip in clips])


def _listed(names: Sequence[str], between: str = ", ") -> str:
    """Name the first of some things, and where the rest of them stand."""
    more = (
        f" … and {len(names) - _MOST_NAMES:,} more, which `recipe survey` lists"
        if len(names) > _MOST_NAMES
        else ""
    )
    return between.join(names[:_MOST_NAMES]) + more
