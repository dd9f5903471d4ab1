"""Checkpoints that are whole or not there, and rotation that never takes the last good one.

To commit: write every part into a hidden folder beside the final one, sync it, read it back and hash it, write the
manifest last, rename once, sync the parent, note it in the journal. Only then may older ones go, and only those that
are whole count, back from the one that was committed last. To choose: the newest whose manifest, hashes and lineage are right; a damaged one is moved to
``rejected/``, with the reason, and the one before is taken.
"""

import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

MANIFEST, RECORD, JOURNAL = "manifest.json", "record.json", "journal.jsonl"

Tensors = Mapping[str, Mapping[str, Tensor]]


class NoRoom(Exception):
    """The disk has too little room for a checkpoint."""


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
        parts: tensors by part; each part is one safetensors file.
        record: plain data; ``record["lineage"]`` names the training that it belongs to.

    Raises:
        NoRoom: less room than twice what is to be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    size = sum(tensor.nbytes for tensors in parts.values() for tensor in tensors.values())
    if shutil.disk_usage(folder).free < 2 * size:
        raise NoRoom(f"a checkpoint needs {size:,} bytes twice, {folder} has less; make room and run again")
    final = folder / f"step-{step:08d}"
    draft = folder / f".step-{step:08d}-{uuid.uuid4().hex}"
    try:
        _write(draft, step, parts, record)
        if final.exists():
            if whole(final) == "" and _record(final).get("lineage") == record["lineage"]:
                return final
            _reject(final)
        draft.rename(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)  # still there only if the save failed or was not needed
    _sync(folder)
    with (folder / JOURNAL).open("a") as journal:
        journal.write(json.dumps({"step": step}) + "\n")
    return final


def whole(folder: Path) -> str:
    """Return what is wrong with a checkpoint's files; nothing where all is well."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        files = {name: (said["size"], said["sha256"]) for name, said in manifest["files"].items()}
        name = f"step-{manifest['step']:08d}"
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


def rotate(folder: Path, keep: int) -> None:
    """Remove all but the newest whole checkpoints, and what an interrupted save or removal left behind.

    Call it after a commit: that one stays, with up to ``keep - 1`` of the steps before it. Later steps are left alone:
    they are there when a training was made shorter, and would otherwise push out the one just saved.
    """
    good = [path for path in _committed(folder) if whole(path) == ""]
    last = max(good, key=lambda path: ((path / MANIFEST).stat().st_mtime_ns, path), default=None)
    for path in [path for path in good if last and path <= last][: -max(1, keep)]:
        trash = folder / f".trash-{path.name}-{uuid.uuid4().hex}"
        path.rename(trash)  # half removed, it must not look like a checkpoint
        shutil.rmtree(trash)
    for left in (*folder.glob(".trash-*"), *folder.glob(".step-*")):
        shutil.rmtree(left, ignore_errors=True)


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
