"""Commits of the Hugging Face Hub, linked into an artifact.

The Hub's own library downloads, resumes, honours ``HF_ENDPOINT``, ``HF_HUB_OFFLINE`` and the user's cache. The cache
keeps the one copy of each file; the artifact links it, and its manifest holds the digest of what was linked.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from huggingface_hub.utils import filter_repo_objects, tqdm

from engine.endings import Interrupted, StageError


def link_commit(
    kind: Literal["model", "dataset"],
    repository: str,
    revision: str,
    files: Sequence[str],
    output: Path,
    stopping: Callable[[], bool],
) -> str:
    """Fill a folder with links to the files of a commit, fetching those that are not in the Hub's cache.

    Returns the commit: a branch or tag is resolved when it is fetched.

    Args:
        files: patterns of the wanted names.
        stopping: whether someone asked to stop; polled whenever some bytes came.

    Raises:
        Interrupted: the files that came whole are in the Hub's cache, and are not fetched again.
        StageError: the Hub cannot be reached, or has no such commit.
    """
    try:
        found = snapshot_download(
            repository,
            repo_type=kind,
            revision=revision,
            allow_patterns=list(files),
            tqdm_class=_bar(stopping),
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise StageError(f"cannot fetch the {kind} {repository} at {revision}: {reason}") from error
    snapshot = Path(found)
    there = sorted(path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file())
    # the cache may hold more of the commit than was asked for now
    for name in filter_repo_objects(there, allow_patterns=list(files)):
        link = output / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to((snapshot / name).resolve())
    return snapshot.name


def _bar(stopping: Callable[[], bool]) -> type[tqdm]:
    """Return the kind of progress bar that ends a download: the only thing that the Hub's library calls while it fetches."""

    class Stopping(tqdm):
        def update(self, n: float | None = 1) -> bool | None:
            if stopping():
                raise Interrupted
            return super().update(n)

    return Stopping
