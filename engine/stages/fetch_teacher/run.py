"""Bring the weights of the teacher into the store: link a folder or a commit of the Hub, or build a tiny one."""

import json
from pathlib import Path

import torch

from engine.endings import StageError
from engine.hub import link_commit
from engine.seam import Work, digest_of
from engine.stages.digests import digests_of
from engine.stages.fetch_teacher.spec import (
    BUILT,
    FILES,
    LEAF,
    FetchTeacherRuntime,
    FetchTeacherSpec,
    NoTeacher,
    files_at,
    teacher_at,
)
from engine.training.teacher import build_teacher, load_teacher
from engine.words.methods import TeacherFolder
from engine.words.model import BuiltModel

Fetching = Work[FetchTeacherSpec, FetchTeacherRuntime]


def fetch_teacher(work: Fetching) -> None:
    """Fill ``teacher/`` of the output with a DINOv2 as transformers keeps it.

    It is loaded once, so that weights that are damaged or those of another model are told before clips are encoded.

    Raises:
        StageError: the Hub cannot be reached, the folder changed since the plan, or the weights are not those of a DINOv2.
    """
    encoder, folder = work.spec.encoder, work.output / "teacher"
    folder.mkdir()
    if isinstance(encoder, BuiltModel):
        build_teacher(folder, width=BUILT.width, patch=BUILT.patch, seed=encoder.seed)
        return
    if isinstance(encoder, TeacherFolder):
        where = encoder.path
        _link(work, Path(encoder.path), folder)
    else:
        where = f"{encoder.repository} at {encoder.revision}"
        commit = link_commit("model", encoder.repository, encoder.revision, FILES, folder, work.stopping)
        about = {"repository": encoder.repository, "commit": commit}
        (work.output / "source.json").write_text(json.dumps(about))
    try:
        teacher_at(folder)
        load_teacher(folder, torch.device("cpu"))
    except (NoTeacher, ValueError) as error:
        raise StageError(f"train.crepa.encoder: {where}: {error}") from error


def _link(work: Fetching, theirs: Path, folder: Path) -> None:
    """Link the files of the user's folder, which are only read."""
    found = files_at(theirs)
    digests = digests_of(found, work.memo, keep=True)
    if digest_of({path.name: digests[path] for path in found}) != work.digests[LEAF]:
        raise StageError(f"{theirs} changed since the plan was made; run again")
    for path in found:
        (folder / path.name).symlink_to(path.resolve())
