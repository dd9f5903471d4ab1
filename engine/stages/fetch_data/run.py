"""Bring the clips into the store: draw them, or link a commit of a dataset of the Hub."""

import json

from engine.clips.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from engine.hub import link_commit
from engine.seam import Work
from engine.stages.fetch_data.cartoon import draw_cartoons
from engine.stages.fetch_data.spec import FetchDataRuntime, FetchDataSpec
from engine.words.data import DrawnSource

SUFFIXES = sorted(VIDEO_SUFFIXES | IMAGE_SUFFIXES | {".txt"})
FILES = tuple(f"*{cased}" for suffix in SUFFIXES for cased in (suffix, suffix.upper()))


def fetch_data(work: Work[FetchDataSpec, FetchDataRuntime]) -> None:
    """Fill ``clips/`` of the output with clips and their captions.

    Raises:
        StageError: the Hub cannot be reached.
    """
    clips, source = work.output / "clips", work.spec.source
    clips.mkdir()
    if isinstance(source, DrawnSource):
        draw_cartoons(clips, source.clips, source.seed)
    else:
        commit = link_commit("dataset", source.repository, source.revision, FILES, clips)
        (work.output / "source.json").write_text(
            json.dumps({"repository": source.repository, "commit": commit})
        )
