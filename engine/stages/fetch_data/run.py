"""Bring the clips into the store: draw them, link a commit of a dataset of the Hub, or copy a folder that lies elsewhere."""

import json
from pathlib import Path

from engine.clips.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from engine.endings import Interrupted, StageError
from engine.hub import link_commit
from engine.seam import Work
from engine.sources.listing import METADATA
from engine.sources.remote import BadUrl, RemoteFile, Unreachable, download, list_remote
from engine.stages.fetch_data.cartoon import draw_cartoons
from engine.stages.fetch_data.spec import FetchDataRuntime, FetchDataSpec, folder_of
from engine.words.data import DrawnSource, HubSource, RemoteSource

SUFFIXES = sorted(VIDEO_SUFFIXES | IMAGE_SUFFIXES | {".txt"})
FILES = (
    *(f"*{cased}" for suffix in SUFFIXES for cased in (suffix, suffix.upper())),
    *(pattern for name in METADATA for pattern in (name, f"*/{name}")),
)

Fetching = Work[FetchDataSpec, FetchDataRuntime]


def fetch_data(work: Fetching) -> None:
    """Fill ``clips/`` of the output with a folder for each place, and ``source.json`` with what it was found as.

    Raises:
        StageError: a place cannot be reached.
        Interrupted: what was fetched is kept.
    """
    about = []
    for source in work.spec.sources:
        folder = work.output / "clips" / folder_of(source)
        folder.mkdir(parents=True)
        if isinstance(source, DrawnSource):
            draw_cartoons(folder, source.clips, source.seed)
        elif isinstance(source, HubSource):
            commit = link_commit("dataset", source.repository, source.revision, FILES, folder)
            about.append({"repository": source.repository, "commit": commit})
        else:
            about.append({"url": source.url, "files": _copy(work, source, folder)})
    (work.output / "source.json").write_text(json.dumps(about))


def _copy(work: Fetching, source: RemoteSource, folder: Path) -> int:
    """Fill a folder with what lies at an address, fetching only what was never fetched; returns how many files."""
    try:
        files = list_remote(source.url)
        for done, file in enumerate(files, start=1):
            if work.stopping():
                raise Interrupted
            target = folder / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(_kept(work, file))
            work.tell("progress", done=done, total=len(files), unit="files", note=file.name)
    except (BadUrl, Unreachable) as error:
        raise StageError(str(error)) from error
    return len(files)


def _kept(work: Fetching, file: RemoteFile) -> Path:
    """Return where a file lies in the store of items, after fetching it if it is not there in this version."""
    if not work.items.has(file.key):
        with work.items.publish(file.key) as item:
            download(file, item / "file", lambda _: _stop_when_asked(work))
    return work.items.open(file.key) / "file"


def _stop_when_asked(work: Fetching) -> None:
    if work.stopping():
        raise Interrupted
