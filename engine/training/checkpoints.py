"""Checkpoints that are whole or not there, and rotation that never takes the last good one.

To commit: write every part into a hidden folder beside the final one, sync it, read it back and hash it, write the
manifest last, rename once, sync the parent, note it in the journal. Only then may older ones go, and only those that
are whole count, back from the one that was committed last. To choose: the newest whose manifest, hashes and lineage are
right; a damaged one is moved to ``rejected/``, with the reason, and the one before is taken.

Where several devices train together, the first alone writes, moves and removes.
"""

import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

MANIFEST, RECORD, JOURNAL = "manifest.json", "record.json", "journal.jsonl"

Tensors = Mapping[str, Mapping[str, Tensor]]
Looks = tuple[tuple[str, int, int, int, int], ...]


class NotSaved(Exception):
    """A checkpoint could not be written; those before it are as they were. The message says why, and what to do."""


class NoRoom(NotSaved):
    """The disk has too little room for a checkpoint."""


class Spoilt(NotSaved):
    """What was to be saved holds infinities or what is no number."""


class Unusable(Exception):
    """The one checkpoint that was asked for is gone, damaged, or that of another training."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A whole checkpoint."""

    step: int
    folder: Path
    record: Mapping[str, Any]

    def tensors(self, part: str) -> dict[str, Tensor]:
        """Return the tensors of a part."""
        return load_file(self.folder / f"{part}.safetensors")


def commit(folder: Path, step: int, parts: Tensors, record: Mapping[str, Any]) -> Path:
    """Save a checkpoint; returns its folder.

    Args:
        parts: tensors by part, whatever a part is called; each is one safetensors file.
        record: plain data; ``record["lineage"]`` names the training that it belongs to.

    Raises:
        Spoilt: a tensor is not finite.
        NoRoom: less room than twice what is to be written.
        NotSaved: the disk refused.
    """
    _refuse_spoilt(parts, step)
    try:
        return _commit(folder, step, parts, record)
    except (OSError, SafetensorError) as error:  # safetensors has an error of its own for a full disk
        raise NotSaved(f"the checkpoint of step {step} could not be written to {folder} ({error}); those before it are "
                       "kept: see to the disk, and run again to go on") from error  # fmt: skip


def _commit(folder: Path, step: int, parts: Tensors, record: Mapping[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    size = sum(tensor.nbytes for tensors in parts.values() for tensor in tensors.values())
    if shutil.disk_usage(folder).free < 2 * size:
        raise NoRoom(f"a checkpoint needs {size:,} bytes twice, {folder} has less; make room and run again")
    final = folder / _name(step)
    draft = folder / f".{_name(step)}-{uuid.uuid4().hex}"
    try:
        _write(draft, step, parts, record)
        there = final.exists() and whole(final) == "" and _record(final).get("lineage") == record["lineage"]
        if final.exists() and not there:
            _reject(final)
        if not there:
            draft.rename(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)  # still there only if the save failed or was not needed
    _sync(folder)
    with (folder / JOURNAL).open("a") as journal:
        journal.write(json.dumps({"step": step}) + "\n")
    return final


def whole(folder: Path) -> str:
    """Return what is wrong with a checkpoint's files; nothing where all is well."""
    if not (folder / MANIFEST).is_file():  # whatever else may be there: a pipe would be waited for
        return "its manifest is missing or cannot be read"
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        files = {name: (said["size"], said["sha256"]) for name, said in manifest["files"].items()}
        name = _name(manifest["step"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "its manifest is missing or cannot be read"
    if folder.name != name:
        return f"its manifest is that of {name}"
    if RECORD not in files:
        return f"its manifest does not list {RECORD}"
    for name, (size, digest) in files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size or _hash(path) != digest:
            return f"{name} is missing or damaged"
    return ""


def newest(folder: Path, lineage: str, at_most: int, say: Callable[[str], None]) -> Checkpoint | None:
    """Return the newest whole checkpoint of a training, at or before a step; damaged ones are moved aside."""
    for path in reversed(_committed(folder)):
        step = int(path.name.removeprefix("step-"))
        if step > at_most:
            continue
        if wrong := whole(path):
            say(f"the checkpoint of step {step} is damaged ({wrong}); it was moved to {_reject(path)}")
            continue
        record = _record(path)
        if record.get("lineage") == lineage:
            return Checkpoint(step, path, record)
        say(f"the checkpoint of step {step} belongs to another training; it is left alone")
    return None


def at_step(folder: Path, step: int, lineage: str) -> Checkpoint:
    """Return the checkpoint of one step, such as that of the best.

    Raises:
        Unusable: it is gone, damaged, or another training's; it is left as it is.
    """
    path = folder / _name(step)
    wrong = whole(path) if path.exists() else "it is gone"
    if not wrong and _record(path).get("lineage") != lineage:
        wrong = "it belongs to another training"
    if wrong:
        raise Unusable(f"the checkpoint of step {step} in {folder} cannot be used: {wrong}")
    return Checkpoint(step, path, _record(path))


def rotate(folder: Path, keep: int, pinned: int | None = None) -> None:
    """Remove all but the newest whole checkpoints, and what an interrupted save or removal left behind.

    Call it after a commit: that one stays, with up to ``keep - 1`` of the steps before it. Later steps are left alone:
    they are there when a training was made shorter, and would otherwise push out the one just saved.

    Args:
        keep: at least 1; less is taken for 1.
        pinned: a step whose checkpoint stays beside these, such as that of the best.
    """
    good = [path for path in _committed(folder) if _found_whole(path.absolute(), _looks(path))]
    last = _last(folder, good)
    for path in [path for path in good if last and path <= last][: -max(1, keep)]:
        if pinned is not None and path.name == _name(pinned):
            continue
        trash = folder / f".trash-{path.name}-{uuid.uuid4().hex}"
        path.rename(trash)  # half removed, it must not look like a checkpoint
        shutil.rmtree(trash)
    for left in (*folder.glob(".trash-*"), *folder.glob(".step-*")):
        shutil.rmtree(left, ignore_errors=True)


@cache
def _found_whole(folder: Path, looks: Looks) -> bool:  # noqa: ARG001 - what looks otherwise is read once more
    """Whether a checkpoint is whole; read once for as long as its files look the same, as a large one takes minutes."""
    return whole(folder) == ""


def _looks(folder: Path) -> Looks:
    """Return what the system knows of the files of a checkpoint: any that is written, moved or put back changes it."""
    known = ((path.name, path.stat()) for path in sorted(folder.glob("*")) if path.is_file())
    return tuple((name, at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns) for name, at in known)


def _refuse_spoilt(parts: Tensors, step: int) -> None:
    for part, tensors in parts.items():
        for name, tensor in tensors.items():
            if not tensor.isfinite().all():
                raise Spoilt(f"{name} of the {part} is not finite after step {step}; the checkpoints before it are kept. "
                             "Lower the learning rate, and run again to go on from the last good one")  # fmt: skip


def _last(folder: Path, good: list[Path]) -> Path | None:
    """Return the checkpoint that was committed last. The journal knows; clocks go back, and copies have new times."""
    journal = (folder / JOURNAL).read_text(errors="replace") if (folder / JOURNAL).is_file() else ""
    # searched, not read by lines: a crash may have torn one, and the next was written right behind it
    noted = [folder / _name(int(step)) for step in re.findall(r'\{"step": (\d+)\}', journal)]
    return next((path for path in reversed(noted) if path in good), max(good, default=None))


def _name(step: int) -> str:
    return f"step-{step:08d}"


def _write(draft: Path, step: int, parts: Tensors, record: Mapping[str, Any]) -> None:
    """Fill a folder: the parts, the record, and, once all of them were read back and hashed, the manifest."""
    draft.mkdir()
    for part, tensors in parts.items():
        save_file(dict(tensors), draft / f"{part}.safetensors")
    (draft / RECORD).write_text(json.dumps(dict(record), sort_keys=True, allow_nan=False))
    files = {}
    for path in sorted(draft.iterdir()):
        _sync(path)
        files[path.name] = {"size": path.stat().st_size, "sha256": _hash(path)}
    (draft / MANIFEST).write_text(json.dumps({"step": step, "files": files}, indent=1))
    _sync(draft / MANIFEST)
    _sync(draft)


def _record(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / RECORD).read_text())
    return record


def _committed(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("step-*") if re.fullmatch(r"step-\d{8}", path.name))


def _reject(path: Path) -> Path:
    aside = path.parent / "rejected" / f"{path.name}-{uuid.uuid4().hex[:8]}"
    aside.parent.mkdir(exist_ok=True)
    path.rename(aside)
    return aside


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
