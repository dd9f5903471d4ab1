"""Look at every clip of every dataset and say what becomes of it. Reads, never writes.

The plan and the stage call this same function. A clip's identity is its content and how it is cut, so a renamed file is the
same clip.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from engine.clips.sizes import Bucket, Cut
from engine.seam import Foreseen, canonical, digest_of
from engine.sources.listing import Candidate, Listing, list_folder, list_lines, list_table
from engine.sources.tables import BadTable
from engine.stages.fetch_data.spec import folder_of
from engine.stages.survey.captions import words_of
from engine.stages.survey.memo import Seen, look_again, printable
from engine.stages.survey.mix import Group, mixed
from engine.stages.survey.shape import Unfit, cuts_of
from engine.stages.survey.wanted import SurveySpec
from engine.words.data import ColumnCaptions, Dataset, FolderSource, ListSource, TableSource


@dataclass(frozen=True, slots=True)
class Clip:
    """A file and what becomes of it.

    Attributes:
        dataset: path of the words of its dataset, such as ``data`` or ``data.more.stills``.
        shown: its name in its dataset, fit to be printed.
        captions: of which each sample sees one.
        cuts: what is taken of it; nothing where it is left out.
        word: the word of the dataset because of which it is left out, such as ``short_clips``; empty where it is used.
        why: how it does not meet that word.
    """

    dataset: str
    path: Path
    shown: str
    seen: Seen
    captions: tuple[str, ...]
    cuts: tuple[Cut, ...] = ()
    word: str = ""
    why: str = ""


@dataclass(frozen=True)
class Survey:
    """Every clip of every dataset."""

    spec: SurveySpec
    clips: tuple[Clip, ...]
    listings: Mapping[str, Listing]
    refused: Mapping[str, str] = field(default_factory=dict)  # datasets that cannot be listed, and why

    @cached_property
    def kept(self) -> tuple[Clip, ...]:
        """The clips that are used."""
        return tuple(clip for clip in self.clips if not clip.word)

    @cached_property
    def samples(self) -> tuple[tuple[str, Clip, Cut], ...]:
        """What is trained on or measured, each with the id of its latents: a cut of a file and the words about it; in order of content."""
        found = [(id_of(clip, cut), clip, cut) for clip in self.kept for cut in clip.cuts]
        return tuple(sorted(found, key=lambda one: (one[0], one[1].captions, self.role(one[1]))))

    def role(self, clip: Clip) -> str:
        """Return what a clip is for: ``train``, ``evaluate`` or ``regularise``."""
        return self.spec.datasets[clip.dataset].role

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """How many samples each dataset gives of each shape in an epoch; those that are only measured give none."""
        places: dict[str, dict[Bucket, list[int]]] = {}
        for number, (_, clip, cut) in enumerate(self.samples):
            if self.role(clip) != "evaluate":
                places.setdefault(clip.dataset, {}).setdefault(cut.bucket, []).append(number)
        return mixed(places, self.spec)

    @cached_property
    def measured(self) -> tuple[int, ...]:
        """Numbers of the samples that the loss is measured on, in order of content; a clip that is there twice counts once."""
        first: dict[str, int] = {}
        for number, (key, clip, _) in enumerate(self.samples):
            if self.role(clip) == "evaluate":
                first.setdefault(key, number)
        return tuple(first.values())

    @cached_property
    def same(self) -> dict[tuple[str, str], str]:
        """Files whose content another one of their dataset has, by dataset and name: the first of them."""
        first: dict[tuple[str, str], str] = {}
        found: dict[tuple[str, str], str] = {}
        for clip in self.kept:
            other = first.setdefault((clip.dataset, clip.seen.digest), clip.shown)
            if other != clip.shown:
                found[clip.dataset, clip.shown] = other
        return found

    @cached_property
    def takes(self) -> dict[str, int]:
        """How many samples each dataset that epochs deal gives in one."""
        takes = {path: 0 for path, dataset in self.spec.datasets.items() if dataset.role != "evaluate"}
        for group in self.groups:
            takes[group.dataset] += group.take
        return takes

    @cached_property
    def others(self) -> dict[str, int]:
        """Files that are no clips, by suffix."""
        found = Counter[str]()
        for listing in self.listings.values():
            found.update(listing.others)
        return dict(sorted(found.items()))

    @cached_property
    def leaves(self) -> dict[str, str]:
        """Digest of the contents and captions of all files, and of what only the report says: names, and what is no clip."""
        clips = sorted([clip.seen.digest, clip.dataset, *clip.captions] for clip in self.clips)
        said = [[clip.dataset, clip.shown, clip.why] for clip in self.clips]
        missing = {path: listing.missing for path, listing in self.listings.items()}
        return {
            "clips": digest_of(clips),
            "names": digest_of([said, missing, self.others, dict(self.refused)]),
        }

    @cached_property
    def outputs(self) -> dict[str, Foreseen]:
        """What the stage hands on: the clips and how they are cut, which words go with which clip, and the words alone."""
        clips = {
            key: {"id": key, "media": clip.seen.digest, "cut": as_json(cut)}
            for key, clip, cut in self.samples
        }
        samples = [
            {"clip": key, "captions": list(clip.captions), "role": self.role(clip)}
            for key, clip, _ in self.samples
        ]
        groups = [
            {"bucket": [group.bucket.width, group.bucket.height, group.bucket.frames], "take": group.take,
             "samples": list(group.samples)} for group in self.groups
        ]  # fmt: skip
        texts = sorted({text for clip in self.kept for text in clip.captions})
        return {
            "clips": Foreseen({"clips.json": canonical([clips[key] for key in sorted(clips)])}),
            "samples": Foreseen({
                "samples.json": canonical(samples), "groups.json": canonical(groups), "evaluation.json": canonical(self.measured),
            }),
            "texts": Foreseen({"texts.json": canonical(texts)}),
        }  # fmt: skip


def id_of(clip: Clip, cut: Cut) -> str:
    """Return the identity of a training clip: its content and how it is cut. Latents are made of nothing else."""
    return digest_of([clip.seen.digest, as_json(cut)])[:32]


def as_json(cut: Cut) -> dict[str, Any]:
    """Return a cut as plain data."""
    bucket = [cut.bucket.width, cut.bucket.height, cut.bucket.frames]
    return {
        "start": cut.start,
        "period": cut.period,
        "scaled": list(cut.scaled),
        "corner": list(cut.corner),
        "bucket": bucket,
    }


def look(
    spec: SurveySpec,
    fetched: Path | None,
    memo: Path,
    tell: Callable[[int, int], None] = lambda _, __: None,
    *,
    keep: bool = False,
) -> Survey:
    """Look at every clip of every dataset.

    Args:
        fetched: the folder of what was brought into the store; None where nothing had to be.
        memo: the folder of what was learnt about files earlier.
        tell: hears how many files of how many were read.
        keep: whether what is learnt may be written down for the next time.
    """
    listings, refused = dict[str, Listing](), dict[str, str]()
    for path, dataset in spec.datasets.items():
        try:
            listings[path] = _listed(dataset, fetched)
        except BadTable as error:
            refused[path] = str(error)
    wanted = [candidate.path for listing in listings.values() for candidate in listing.candidates]
    seen = look_again(wanted, memo, tell, keep=keep)
    clips = [
        clip for path, listing in listings.items() for clip in _clips(path, spec, listing, seen, fetched)
    ]
    return Survey(spec, tuple(clips), listings, refused)


def _listed(dataset: Dataset, fetched: Path | None) -> Listing:
    source = dataset.source
    if isinstance(source, TableSource):
        return list_table(Path(source.path), source.column)
    if isinstance(source, ListSource):
        return list_lines(Path(source.path))
    return list_folder(root_of(dataset, fetched), isinstance(dataset.captions, ColumnCaptions))


def root_of(dataset: Dataset, fetched: Path | None) -> Path:
    """Return the folder that the names of a dataset's clips are relative to."""
    source = dataset.source
    if isinstance(source, FolderSource):
        return Path(source.path)
    if isinstance(source, ListSource | TableSource):
        return Path(source.path).parent
    assert fetched is not None, "what is not on this machine was fetched"
    return fetched / folder_of(source)


def _clips(
    path: str, spec: SurveySpec, listing: Listing, seen: Mapping[Path, Seen], fetched: Path | None
) -> Iterator[Clip]:
    dataset = spec.datasets[path]
    root = root_of(dataset, fetched)
    for same in _by_file(listing.candidates):
        found = seen[same[0].path]
        about = (path, same[0].path, printable(_below(same[0].path, root)), found)
        if found.probe is None:
            yield Clip(*about, (), (), "bad_files", found.broken)
            continue
        texts = [words_of(candidate, dataset) for candidate in same]
        captions = tuple(dict.fromkeys(text for words in texts for text in words.captions))
        cuts = cuts_of(found.probe, found.digest, dataset, spec)
        if isinstance(cuts, Unfit):
            yield Clip(*about, captions, (), cuts.word, cuts.why)
        elif not captions:
            yield Clip(*about, (), (), "no_caption", texts[0].why)
        else:
            yield Clip(*about, captions, cuts)


def _by_file(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """Put the rows of a table that name one file together: their words are variants."""
    files: dict[Path, list[Candidate]] = {}
    for candidate in candidates:
        files.setdefault(candidate.path, []).append(candidate)
    return list(files.values())


def _below(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path
