"""Look at every clip of a folder and say what becomes of it. Reads, never writes.

The plan and the stage call this same function. A clip's identity is its content, so a renamed file is the same clip;
what was learnt about a file is remembered by its size, time and inode, so that looking again costs a ``stat`` each.
"""

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from stat import S_ISREG
from typing import Any

from engine.clips.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Probe, UnreadableClip, frames_at
from engine.clips.sizes import Bucket, area_size, legal_frames
from engine.seam import Foreseen, Foresight, Trouble, canonical, digest_of
from engine.stages.survey.wanted import SurveySpec
from engine.store import digest_file
from engine.words.data import BesideCaptions, ExactSize, OneCaption

MEMO, MEMO_VERSION = "clips.json", 1
WORDS_SUFFIXES = (".txt", ".json", ".jsonl", ".csv", ".md", ".yaml", ".yml", ".parquet")
_RACY = 2_000_000_000  # ns: a file changed this shortly before it was read may have changed again within its time stamp
LEFT_OUT = "they are left out"
_MOST_NAMES = 10  # names that one message lists


@dataclass(frozen=True, slots=True)
class Seen:
    """A file at one moment, and what it holds; ``broken`` says why it cannot be read."""

    size: int
    time: int
    changed: int  # of the inode: unlike the time of the content, it cannot be set back
    inode: int
    seen: int
    digest: str
    probe: Probe | None
    broken: str = ""

    def is_at(self, now: tuple[int, int, int, int]) -> bool:
        """Whether nothing speaks for a change since: same size, times and inode, and seen well after both times."""
        before = (self.size, self.time, self.changed, self.inode)
        return before == now and max(self.time, self.changed) < self.seen - _RACY


@dataclass(frozen=True, slots=True)
class Clip:
    """A file and what becomes of it: a bucket, or a reason why it is left out."""

    path: Path
    seen: Seen
    caption: str | None
    bucket: Bucket | None
    why: str

    @property
    def id(self) -> str:
        """The content and the shape it is given: what latents are made of."""
        assert self.bucket is not None, "a clip that is left out has no latents"
        return digest_of([self.seen.digest, str(self.bucket)])[:32]


@dataclass(frozen=True)
class Survey:
    """Every clip of a folder."""

    spec: SurveySpec
    folder: Path
    clips: tuple[Clip, ...]
    memo: Mapping[str, Seen]
    closed: tuple[str, ...]  # folders that cannot be read
    others: Mapping[str, int]  # files that are no clips, by suffix

    @cached_property
    def kept(self) -> tuple[Clip, ...]:
        """The clips that are used."""
        return tuple(clip for clip in self.clips if clip.bucket is not None and clip.caption)

    @cached_property
    def leaves(self) -> dict[str, str]:
        """Digest of the contents and captions of all files; names are not in it."""
        return {"clips": digest_of(sorted([clip.seen.digest, clip.caption or ""] for clip in self.clips))}

    @cached_property
    def outputs(self) -> dict[str, Foreseen]:
        """What the stage hands on: the clips by shape, which words go with which clip, and the words alone."""
        clips = {
            clip.id: {"id": clip.id, "media": clip.seen.digest, "bucket": _numbers(clip)}
            for clip in self.kept
        }
        samples = sorted((clip.id, str(clip.caption)) for clip in self.kept)
        said = [{"clip": clip, "caption": caption} for clip, caption in samples]
        return {
            "clips": Foreseen({"clips.json": canonical([clips[key] for key in sorted(clips)])}),
            "captions": Foreseen({"captions.json": canonical(said)}),
            "texts": Foreseen({"texts.json": canonical(sorted({str(clip.caption) for clip in self.kept}))}),
        }

    def foresight(self) -> Foresight:
        """Tell the planner."""
        files = {clip.seen.digest: str(clip.path) for clip in self.clips if not clip.seen.broken}
        return Foresight(
            leaves=self.leaves, outputs=self.outputs, amount=len(self.clips), unit="files", files=files,
            troubles=tuple(self._troubles()), notes=tuple(self._notes()),
        )  # fmt: skip

    def report(self) -> list[dict[str, Any]]:
        """Say of each file what becomes of it, for people."""
        return [
            {
                "file": printable(clip.path.relative_to(self.folder)),
                "use": str(clip.bucket) if clip in self.kept else "left out",
                "why": clip.why,
                "seconds": clip.seen.probe.seconds if clip.seen.probe else None,
                "seconds used": clip.bucket.frames / self.spec.fps if clip.bucket else None,
                "caption": clip.caption,
            }
            for clip in self.clips
        ]

    def _troubles(self) -> Iterable[Trouble]:
        total, here = len(self.clips), "data.source.path"
        if not self.folder.is_dir():
            what = "is a file, not a folder" if self.folder.is_file() else "is not there"
            help_ = "a relative path is relative to the file that says it; `~` has no meaning here"
            yield Trouble("RCP4101", here, f"the folder {self.folder} {what}", help_)
        elif not self.clips:
            kinds = " ".join(sorted(VIDEO_SUFFIXES | IMAGE_SUFFIXES))
            yield Trouble("RCP4101", here, f"{self.folder} holds no clips", f"clips end in {kinds}")
        if self.closed and self.folder.is_dir():
            names = ", ".join(self.closed[:_MOST_NAMES])
            yield Trouble(
                "RCP4102", here, f"folders cannot be read: {names}", "give yourself the right to read them"
            )
        if broken := [clip for clip in self.clips if clip.seen.broken]:
            skip = self.spec.bad_files == "skip"
            message = f"{len(broken)} of {total} files cannot be read: {self._names(broken)}"
            help_ = LEFT_OUT if skip else "mend or move them, or set `data.bad_files: skip`"
            yield Trouble("RCP4102", here, message, help_, skip, "data.bad_files")
        if short := [clip for clip in self.clips if clip.bucket is None and not clip.seen.broken]:
            drop = self.spec.short_clips == "drop"
            message = f"{len(short)} of {total} clips are too short: {self._names(short)}"
            choices = "ask for fewer `data.frames`, or set `data.short_clips` to `drop` or `fewer`"
            yield Trouble("RCP4104", here, message, LEFT_OUT if drop else choices, drop, "data.short_clips")
        if silent := [clip for clip in self.clips if clip.bucket is not None and not clip.caption]:
            message = f"{len(silent)} of {total} clips have no caption: {self._names(silent)}"
            help_ = (
                "write a text file of the same name beside each, or set `data.captions: {kind: one, text: …}`"
            )
            yield Trouble("RCP4103", here, message, help_, rule="data.captions")
        if self.clips and not self.kept and not silent:
            yield Trouble("RCP4101", here, f"no clip of {total} is left to train on")

    def _notes(self) -> Iterable[str]:
        by_bucket: dict[str, int] = {}
        for clip in self.kept:
            by_bucket[str(clip.bucket)] = by_bucket.get(str(clip.bucket), 0) + 1
        buckets = ", ".join(f"{count} at {bucket}" for bucket, count in sorted(by_bucket.items()))
        left = len(self.clips) - len(self.kept)
        yield f"{len(self.kept)} clip{'s' if len(self.kept) != 1 else ''}: {buckets}" + (
            f"; {left} left out" if left else ""
        )
        if self.others:
            yield "not looked at: " + ", ".join(
                f"{count} {suffix}" for suffix, count in sorted(self.others.items())
            )

    def _names(self, clips: Sequence[Clip]) -> str:
        names = [
            f"{printable(clip.path.relative_to(self.folder))} ({clip.why})" for clip in clips[:_MOST_NAMES]
        ]
        return ", ".join(names) + (" …" if len(clips) > _MOST_NAMES else "")


def look(spec: SurveySpec, folder: str | Path, memo_folder: Path) -> Survey:
    """Look at every clip below a folder."""
    root = Path(folder)
    known = read_memo(memo_folder / MEMO)
    files, closed, others = _files(root)
    memo: dict[str, Seen] = {}
    clips = []
    for path in files:
        seen = memo[printable(path.absolute())] = _see(path, known.get(printable(path.absolute())))
        bucket, why = _bucket(seen, spec)
        caption, silent = _caption(path, spec)
        clips.append(Clip(path, seen, caption, bucket, why or silent))
    return Survey(spec, root, tuple(clips), memo, tuple(closed), others)


def read_memo(path: Path) -> dict[str, Seen]:
    """Return what was learnt about files earlier; nothing where the memo is damaged or of another version."""
    try:
        noted = json.loads(path.read_text())
        if noted["version"] != MEMO_VERSION:
            return {}
        return {
            name: Seen(**{**seen, "probe": seen["probe"] and Probe(**seen["probe"])})
            for name, seen in noted["files"].items()
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def memo_text(memo: Mapping[str, Seen]) -> bytes:
    """Return the memo as it is kept on disk."""
    files = {name: asdict(seen) for name, seen in memo.items()}
    return json.dumps({"version": MEMO_VERSION, "files": files}).encode()


def _files(root: Path) -> tuple[list[Path], list[str], dict[str, int]]:
    """Return the clips below a folder by name, the folders that cannot be read, and other files by suffix.

    Hidden files are nobody's clips, and words beside clips are not counted.
    """
    found, closed, others = list[Path](), list[str](), dict[str, int]()
    walk = os.walk(root, followlinks=False, onerror=lambda error: closed.append(str(error.filename)))
    for folder, folders, names in walk:
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if Path(folder, name).is_symlink()]
        others |= {"linked folders": others.get("linked folders", 0) + len(links)} if links else {}
        for name in (name for name in names if not name.startswith(".")):
            suffix = Path(name).suffix.lower()
            if suffix in VIDEO_SUFFIXES | IMAGE_SUFFIXES:
                found.append(Path(folder, name))
            elif suffix not in WORDS_SUFFIXES:
                others[suffix or "no suffix"] = others.get(suffix or "no suffix", 0) + 1
    return sorted(found), closed, others


def _see(path: Path, known: Seen | None) -> Seen:
    """Read a file, unless nothing speaks for it having changed since it was last read, or its content has not."""
    seen = time.time_ns()
    try:
        path.name.encode()
        stat = path.stat()
        if not S_ISREG(stat.st_mode):  # a pipe would be waited on for ever
            return _unseen(path, "is not a file")
        now = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        if known is not None and known.is_at(now):
            return known
        digest = digest_file(path)
    except OSError as error:
        return _unseen(path, f"cannot be opened: {error.strerror}")
    except UnicodeEncodeError:
        return _unseen(path, "has a name that is not UTF-8")
    if known is not None and digest == known.digest and not known.broken:
        return replace(known, size=now[0], time=now[1], changed=now[2], inode=now[3], seen=seen)
    try:
        return Seen(*now, seen, digest, _probe(path))
    except UnreadableClip as error:
        return Seen(*now, seen, digest, None, error.reason)


def printable(path: Path) -> str:
    """Return a path that can be printed and written, whatever bytes its name has."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _unseen(path: Path, why: str) -> Seen:
    """A file that nothing is known of but why."""
    return Seen(0, 0, 0, 0, 0, digest_of(os.fsencode(path).hex()), None, why)


def _probe(path: Path) -> Probe:
    """Measure a file that is not known yet. The decoder is loaded only here: most plans find nothing new."""
    from engine.clips.probe import probe

    return probe(path)


def _bucket(seen: Seen, spec: SurveySpec) -> tuple[Bucket | None, str]:
    """Return the shape that a clip is given, or why it is left out."""
    if seen.probe is None:
        return None, seen.broken
    if isinstance(spec.size, ExactSize):
        width, height = spec.size.width, spec.size.height
    else:
        width, height = area_size(seen.probe.width, seen.probe.height, spec.size.edge, spec.size_multiple)
    if seen.probe.kind == "image":
        return Bucket(width, height, 1), ""
    have = frames_at(seen.probe, spec.fps)
    if have >= spec.frames:
        return Bucket(width, height, spec.frames), ""
    fewer = legal_frames(have, spec.legal_frames.step, spec.legal_frames.offset)
    short = f"{have} frames at {spec.fps} fps, {spec.frames} asked"
    return (Bucket(width, height, fewer), short) if spec.short_clips == "fewer" and fewer else (None, short)


def _caption(path: Path, spec: SurveySpec) -> tuple[str | None, str]:
    """Return the words about a clip, or None and why there are none."""
    if isinstance(spec.captions, OneCaption):
        return spec.captions.text, ""
    if not isinstance(spec.captions, BesideCaptions):
        words = " ".join(path.stem.replace("_", " ").replace("-", " ").split())
        return words or None, "" if words else "there are no words in its name"
    beside = path.with_suffix(".txt")
    try:
        text = " ".join(beside.read_text(encoding="utf-8-sig").split())
    except FileNotFoundError:
        return None, f"there is no {beside.name}"
    except UnicodeDecodeError:
        return None, f"{beside.name} is not UTF-8"
    except OSError as error:
        return None, f"{beside.name} cannot be read: {error.strerror}"
    return text or None, "" if text else f"{beside.name} is empty"


def _numbers(clip: Clip) -> list[int]:
    assert clip.bucket is not None, "only kept clips are handed on"
    return [clip.bucket.width, clip.bucket.height, clip.bucket.frames]
