"""Bring the clips into the store: draw them, link a commit of a dataset of the Hub, or copy a folder that lies elsewhere."""

import json

from engine.clips.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from engine.endings import Interrupted, StageError
from engine.hub import link_commit
from engine.seam import Work
from engine.sources.listing import METADATA
from engine.sources.remote import BadUrl, Unreachable, download, list_remote
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
            draw_cartoons(folder, source.clips, source.seed, lambda: _stop_when_asked(work))
        elif isinstance(source, HubSource):
            # a branch means what it meant when it was first asked for
            there = _found_before(work, source) or {"commit": source.revision}
            commit = link_commit("dataset", source.repository, there["commit"], FILES, folder, work.stopping)
            _remember(work, source, {"commit": commit})
            about.append({"repository": source.repository, "commit": commit})
        else:
            files = _found_before(work, source) or {}
            if not files or not all(work.items.has(key) for key in files.values()):
                files = _fetched(work, source)
            for name, key in files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).symlink_to(work.items.open(key) / "file")
            _remember(work, source, files)
            about.append({"url": source.url, "files": len(files)})
    (work.output / "source.json").write_text(json.dumps(about))


def _found_before(work: Fetching, source: HubSource | RemoteSource) -> dict[str, str] | None:
    """Return what a place was found as when it was first looked at; None where it never was.

    Another dataset beside it makes this stage run again, and must not make this place another.
    """
    key = folder_of(source)
    if not work.items.has(key):
        return None
    found: dict[str, str] = json.loads((work.items.open(key) / "found.json").read_text())
    return found


def _remember(work: Fetching, source: HubSource | RemoteSource, found: dict[str, str]) -> None:
    if not work.items.has(key := folder_of(source)):
        with work.items.publish(key) as item:
            (item / "found.json").write_text(json.dumps(found))


def _fetched(work: Fetching, source: RemoteSource) -> dict[str, str]:
    """Fetch what was never fetched of a folder that lies elsewhere; returns the item of each file by its name."""
    try:
        files = list_remote(source.url)
        for done, file in enumerate(files, start=1):
            if work.stopping():
                raise Interrupted
            if not work.items.has(file.key):
                with work.items.publish(file.key) as item:
                    download(file, item / "file", lambda _: _stop_when_asked(work))
            work.tell("progress", done=done, total=len(files), unit="files", note=file.name)
    except (BadUrl, Unreachable) as error:
        raise StageError(str(error)) from error
    return {file.name: file.key for file in files}


def _stop_when_asked(work: Fetching) -> None:
    if work.stopping():
        raise Interrupted
