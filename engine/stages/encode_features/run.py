"""Encode the frames of each clip that has no features yet."""

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Dinov2Model

from engine.clips.files import UnreadableClip
from engine.clips.timely import frames_in_time
from engine.device import choose
from engine.endings import Interrupted, StageError
from engine.seam import Work, canonical
from engine.stages.encode_features.spec import TEACHER, EncodeFeaturesRuntime, EncodeFeaturesSpec, features
from engine.stages.encode_video.spec import cut_of
from engine.store import digest_file
from engine.tensors import save_tensors
from engine.training.teacher import load_teacher, patch_tokens

Encoding = Work[EncodeFeaturesSpec, EncodeFeaturesRuntime]


def encode_features(work: Encoding) -> None:
    """Write ``features/features.json``: clip → key of its features.

    They are the item ``feature`` with ``feature_TPD``, bfloat16: latent frames, patches row by row of a square, width.

    Raises:
        StageError: a clip changed since the plan looked at it or cannot be decoded, or the teacher cannot be loaded.
        Interrupted: every clip that was finished is committed.
    """
    clips = (work.inputs["survey/clips"] / "clips.json").read_bytes()
    wanted = features(work.spec, clips, work.digests)
    by_key = {wanted[clip["id"]]: clip for clip in json.loads(clips)}
    missing = [(key, clip) for key, clip in by_key.items() if not work.items.has(key)]
    if missing:
        _encode_all(work, missing)
    (work.output / "features").mkdir()
    (work.output / "features" / "features.json").write_bytes(canonical(wanted))


def _encode_all(work: Encoding, clips: Sequence[tuple[str, Any]]) -> None:
    """Encode and commit clip by clip; each comes with the key of its item."""
    try:
        teacher = load_teacher(
            work.inputs[TEACHER], choose(work.runtime.device, work.runtime.threads, work.runtime.devices)
        )
    except ValueError as error:
        raise StageError(f"train.crepa.encoder: {error}") from error
    for done, (key, clip) in enumerate(clips, start=1):
        if work.stopping():
            raise Interrupted
        path = Path(work.files[clip["media"]])
        if not path.is_file() or digest_file(path) != clip["media"]:
            raise StageError(f"{path} changed since the plan was made; run again")
        with work.items.publish(key) as item:
            save_tensors(
                item, "feature", {"feature_TPD": _feature(work, teacher, path, clip)}, compress=False
            )
        work.tell("progress", done=done, total=len(clips), unit="clips", note=path.name)


def _feature(work: Encoding, teacher: Dinov2Model, path: Path, clip: Any) -> Tensor:
    """Return ``feature_TPD`` of a clip. One frame at a time: the teacher's memory does not depend on how long it is."""
    spec = work.spec
    frames_HWC = frames_in_time(path, cut_of(clip), spec.fps, work.stopping)
    try:
        return torch.stack(
            [
                patch_tokens(teacher, frame_HWC, spec.image_size).bfloat16()
                for frame_HWC in islice(frames_HWC, 0, None, spec.time_stride)
            ]
        )
    except UnreadableClip as error:
        raise StageError(f"{path}: {error.reason}. Mend the file, or move it out of the folder") from error
