"""Encode the first (and last) frame of each clip that has no tokens yet."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.clips.files import UnreadableClip
from engine.clips.sizes import Bucket, Cut
from engine.clips.timely import frames_in_time
from engine.device import choose
from engine.endings import Interrupted, StageError
from engine.seam import Work, canonical
from engine.stages.encode_image.spec import EncodeImageRuntime, EncodeImageSpec, tokens
from engine.stages.encode_video.spec import cut_of
from engine.store import digest_file
from engine.tensors import save_tensors
from engine.wan.conditioning import image_tokens
from engine.wan.load import load_image_encoder
from engine.wan.video import Pixels

Encoding = Work[EncodeImageSpec, EncodeImageRuntime]


def encode_image(work: Encoding) -> None:
    """Write ``tokens/tokens.json``: clip → key of its tokens. They are the item ``image`` with ``tokens_LD``, float32.

    Raises:
        StageError: a clip changed since the plan looked at it or cannot be decoded, or the encoder lacks weights.
        Interrupted: every clip that was finished is committed.
    """
    clips = (work.inputs["survey/clips"] / "clips.json").read_bytes()
    wanted = tokens(work.spec, clips, work.digests)
    by_key = {wanted[clip["id"]]["item"]: clip for clip in json.loads(clips)}
    missing = [(key, clip) for key, clip in by_key.items() if not work.items.has(key)]
    if missing:
        _encode_all(work, missing)
    (work.output / "tokens").mkdir()
    (work.output / "tokens" / "tokens.json").write_bytes(canonical(wanted))


def _encode_all(work: Encoding, clips: Sequence[tuple[str, Any]]) -> None:
    """Encode and commit clip by clip; each comes with the key of its item."""
    folder = work.inputs["fetch_model/image_encoder"].parent
    try:
        processor, encoder = load_image_encoder(folder, choose(work.runtime.device, work.runtime.threads))
    except ValueError as error:
        raise StageError(str(error)) from error
    for done, (key, clip) in enumerate(clips, start=1):
        if work.stopping():
            raise Interrupted
        path = Path(work.files[clip["media"]])
        if not path.is_file() or digest_file(path) != clip["media"]:
            raise StageError(f"{path} changed since the plan was made; run again")
        shown_HWC = [_frame(work, path, cut) for cut in shown(cut_of(clip), work.spec.conditioning)]
        with work.items.publish(key) as item:
            tokens_LD = image_tokens(encoder, processor, shown_HWC)
            save_tensors(item, "image", {"tokens_LD": tokens_LD}, compress=False)
        work.tell("progress", done=done, total=len(clips), unit="clips", note=path.name)


def shown(cut: Cut, conditioning: str) -> list[Cut]:
    """Return the cuts of the single frames that a denoiser is shown of a clip: its first, and its last where that is asked for."""
    last = (cut.bucket.frames - 1) % cut.period  # of a looped clip, a frame that was there before
    frames = [0, last] if conditioning == "first_and_last_frame" else [0]
    one = Bucket(cut.bucket.width, cut.bucket.height, 1)
    return [replace(cut, start=cut.start + frame, period=1, bucket=one) for frame in frames]


def _frame(work: Encoding, path: Path, cut: Cut) -> Pixels:
    try:
        return next(frames_in_time(path, cut, work.spec.fps, work.stopping))
    except UnreadableClip as error:
        raise StageError(f"{path}: {error.reason}. Mend the file, or move it out of the folder") from error
