"""Bring the clips into the store: draw them, or link a commit of a dataset of the Hub."""

from engine.clips.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from engine.hub import link_commit
from engine.seam import Work
from engine.stages.fetch_data.cartoon import draw_cartoons
from engine.stages.fetch_data.spec import FetchDataRuntime, FetchDataSpec
from engine.words.data import DrawnSource

FILES = (*(f"*{suffix}" for suffix in sorted(VIDEO_SUFFIXES | IMAGE_SUFFIXES)), "*.txt")


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
        link_commit("dataset", source.repository, source.revision, FILES, clips)
