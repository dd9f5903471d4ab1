"""Artifacts by key: whole and verified, or not there.

An artifact is a folder that is filled under a temporary name, gets a manifest with the digest of every file, and is
published by one rename. A published folder is never written again. Locks are not needed for that: two processes that
make the same artifact both succeed, and one of the equal results is kept. A damaged artifact is moved aside, never
deleted. The layout, below ``v1/`` of the store's folder:

    artifacts/<stage>/<key>/     output of a stage
    items/<stage>/<k>/<key>/     one encoded clip or caption
    shared/<stage>/<identity>/   checkpoints of a training
    last/<recipe>.json           what a recipe file led to last, to tell what changed
    runs/<time>-<recipe>/        events of each run
    git/                         what was fetched of repositories of layers
    tmp/ · rejected/ · locks/
"""

import errno
import json
import os
import shutil
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from blake3 import blake3

from engine.endings import Interrupted, StageError
from engine.seam import digest_of

MANIFEST = "manifest.json"
# bytes; larger files are checked by size when found, and hashed before they are read
HASHED_WHEN_FOUND = 8 << 20


@dataclass(frozen=True)
class Artifact:
    """A published folder and its manifest."""

    folder: Path
    manifest: Mapping[str, Any]

    @cached_property
    def parts(self) -> dict[str, "FolderPart"]:
        """The parts of the artifact: its top-level folders."""
        names = {path.partition("/")[0] for path in self.manifest["files"] if "/" in path}
        return {name: FolderPart(self.folder / name, self._digests(name)) for name in sorted(names)}

    def _digests(self, part: str) -> dict[str, str]:
        files = self.manifest["files"]
        return {
            path[len(part) + 1 :]: said["blake3"]
            for path, said in files.items()
            if path.startswith(f"{part}/")
        }


@dataclass(frozen=True)
class FolderPart:
    """A part that lies on disk."""

    folder: Path
    digests: Mapping[str, str]

    @cached_property
    def digest(self) -> str:
        """Digest over the names and contents of all files."""
        return digest_of(dict(self.digests))

    def read(self, name: str) -> bytes:
        """Return the content of one file."""
        return (self.folder / name).read_bytes()


@dataclass(frozen=True, slots=True)
class Damaged:
    """An artifact whose files are not what its manifest says."""

    folder: Path
    reason: str


class Store:
    """Artifacts by key. Looking never writes; the folder need not exist."""

    def __init__(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "is not a folder", str(folder))
        self.root = folder / "v1"

    def find(self, stage: str, key: str) -> Artifact | Damaged | None:
        """Return an artifact after checking it against its manifest."""
        return _verified(self.root / "artifacts" / stage / key, HASHED_WHEN_FOUND)

    def has_item(self, stage: str, key: str) -> bool:
        """Whether an item is there; its content is checked when it is opened."""
        return (self._item(stage, key) / MANIFEST).is_file()

    def open_item(self, stage: str, key: str) -> Path:
        """Return the folder of an item after checking all of it."""
        folder = self._item(stage, key)
        found = _verified(folder, None)
        if isinstance(found, Artifact):
            return folder
        if isinstance(found, Damaged):
            self.reject(found)
            raise StageError(
                f"a cached item was damaged ({found.reason}); it was set aside, run again to make it anew"
            )
        raise StageError(f"a cached item is gone ({folder.name[:12]} of {stage}); run again to make it anew")

    @contextmanager
    def filling(self, target: Path, about: Mapping[str, Any]) -> Iterator[Path]:
        """Give an empty folder to fill; publish it as ``target`` when the block ends well."""
        draft = self.root / "tmp" / f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex}"
        draft.mkdir(parents=True)
        started = time.monotonic()
        try:
            yield draft
            self._publish(draft, target, dict(about) | {"seconds": round(time.monotonic() - started, 3)})
        finally:
            # what is left of an attempt; nothing where it was published
            shutil.rmtree(draft, ignore_errors=True)

    def artifact_folder(self, stage: str, key: str) -> Path:
        """Return where an artifact lies or will lie."""
        return self.root / "artifacts" / stage / key

    @contextmanager
    def filling_item(self, stage: str, key: str) -> Iterator[Path]:
        """Give an empty folder to fill; publish it as an item when the block ends well."""
        with self.filling(self._item(stage, key), {"stage": stage, "key": key}) as draft:
            yield draft

    def shared(self, stage: str, identity: str) -> Path:
        """Return the folder that all attempts at one piece of work share."""
        return self.root / "shared" / stage / identity

    def reject(self, damaged: Damaged) -> None:
        """Move a damaged folder aside, so that it can be made again and still be looked at."""
        aside = self.root / "rejected"
        aside.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another process set it aside
            damaged.folder.replace(aside / f"{damaged.folder.name[:16]}-{uuid.uuid4().hex[:8]}")

    def last_time(self, recipe: Path) -> dict[str, dict[str, Any]]:
        """Return, by stage, what a recipe file led to when it was last run; nothing where the note is damaged."""
        try:
            noted = json.loads(self._last(recipe).read_text())
        except (OSError, ValueError):
            return {}
        return noted if isinstance(noted, dict) else {}

    def remember(self, recipe: Path, stage: str, about: Mapping[str, Any]) -> None:
        """Note what a recipe file leads to, before it is done: an interrupted step counts as well."""
        path = self._last(recipe)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(self.last_time(recipe) | {stage: dict(about)}, indent=1).encode())

    def sweep(self) -> None:
        """Remove what processes of this machine that are gone left half made."""
        for draft in (self.root / "tmp").glob("*-*-*"):
            host, process, _ = draft.name.rsplit("-", 2)
            if host == socket.gethostname() and not _alive(int(process)):
                shutil.rmtree(draft, ignore_errors=True)

    def _item(self, stage: str, key: str) -> Path:
        return self.root / "items" / stage / key[:2] / key

    def _last(self, recipe: Path) -> Path:
        return self.root / "last" / f"{blake3(bytes(recipe.resolve())).hexdigest()[:32]}.json"

    def _publish(self, draft: Path, target: Path, about: dict[str, Any]) -> None:
        files = {}
        for folder in (path for path in draft.rglob("*") if path.is_dir()):
            _sync(folder)
        for file in sorted(path for path in draft.rglob("*") if path.is_file()):
            _sync(file)
            files[file.relative_to(draft).as_posix()] = {
                "size": file.stat().st_size,
                "blake3": digest_file(file),
            }
        write_whole(draft / MANIFEST, json.dumps(about | {"files": files}, indent=1).encode())
        _sync(draft)
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(there := _verified(target, None), Damaged):
            self.reject(there)
        elif there is not None:
            return  # someone else was faster; theirs is as good as ours
        try:
            draft.rename(target)
        except OSError:  # someone else was faster by less than that
            if not isinstance(_verified(target, None), Artifact):
                raise
        _sync(target.parent)


def digest_file(path: Path) -> str:
    """Return the BLAKE3 digest of a file's content."""
    return blake3(max_threads=blake3.AUTO).update_mmap(path).hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part, also after a power cut."""
    draft = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    draft.write_bytes(content)
    _sync(draft)
    draft.replace(path)


def verify_fully(
    store: Store, folder: Path, parts: frozenset[str], stopping: Callable[[], bool] = lambda: False
) -> None:
    """Hash every file of some parts of an artifact that was too large to be hashed when it was found.

    Raises:
        StageError: a file is not what the manifest says; the artifact was set aside.
        Interrupted: someone asked to stop, which is polled before each file.
    """
    files = json.loads((folder / MANIFEST).read_text())["files"]
    for path, said in files.items():
        if stopping():
            raise Interrupted
        large = said["size"] > HASHED_WHEN_FOUND
        if large and path.partition("/")[0] in parts and digest_file(folder / path) != said["blake3"]:
            store.reject(Damaged(folder, f"{path} has other content"))
            raise StageError(f"{path} in {folder} was damaged; it was set aside, run again to make it anew")


def _verified(folder: Path, hashed_below: int | None) -> Artifact | Damaged | None:
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        files = {name: (said["size"], said["blake3"]) for name, said in manifest["files"].items()}
    except FileNotFoundError:
        return Damaged(folder, "it has no manifest") if folder.is_dir() else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return Damaged(folder, "its manifest cannot be read")
    for name, (size, digest) in files.items():
        file = folder / name
        if not file.is_file():
            return Damaged(folder, f"{name} is gone")
        if file.stat().st_size != size:
            return Damaged(folder, f"{name} has another size")
        if (hashed_below is None or size <= hashed_below) and digest_file(file) != digest:
            return Damaged(folder, f"{name} has other content")
    return Artifact(folder, manifest)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
