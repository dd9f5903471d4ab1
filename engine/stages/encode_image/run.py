"""Encode the first (and last) frame of each clip that has no tokens yet."""

import json
from dataclasses import replace
from pathlib import Path

from engine.clips.decode import read_frames
from engine.clips.files import UnreadableClip
from engine.clips.sizes import Bucket, Cut
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


def encode_image(work: Work[EncodeImageSpec, EncodeImageRuntime]) -> None:
    """Write ``tokens/tokens.json``: clip → key of its tokens. They are the item ``image`` with ``tokens_LD``, float32.

    Raises:
        StageError: a clip changed since the plan looked at it or cannot be decoded, or the encoder lacks weights.
        Interrupted: every clip that was finished is committed.
    """
    clips = (work.inputs["survey/clips"] / "clips.json").read_bytes()
    wanted = tokens(work.spec, clips, work.digests)
    missing = [clip for clip in json.loads(clips) if not work.items.has(wanted[clip["id"]]["item"])]
    if missing:
        folder = work.inputs["fetch_model/image_encoder"].parent
        try:
            processor, encoder = load_image_encoder(folder, choose(work.runtime.device, work.runtime.threads))
        except ValueError as error:
            raise StageError(str(error)) from error
        for done, clip in enumerate(missing, start=1):
            if work.stopping():
                raise Interrupted
            path = Path(work.files[clip["media"]])
            if digest_file(path) != clip["media"]:
                raise StageError(f"{path} changed since the plan was made; run again")
            shown_HWC = [
                _frame(path, cut, work.spec.fps) for cut in shown(cut_of(clip), work.spec.conditioning)
            ]
            with work.items.publish(wanted[clip["id"]]["item"]) as item:
                save_tensors(
                    item, "image", {"tokens_LD": image_tokens(encoder, processor, shown_HWC)}, compress=False
                )
            work.tell("progress", done=done, total=len(missing), unit="clips", note=path.name)
    (work.output / "tokens").mkdir()
    (work.output / "tokens" / "tokens.json").write_bytes(canonical(wanted))


def shown(cut: Cut, conditioning: str) -> list[Cut]:
    """Return the cuts of the single frames that a denoiser is shown of a clip: its first, and its last where that is asked for."""
    last = (cut.bucket.frames - 1) % cut.period  # of a looped clip, a frame that was there before
    frames = [0, last] if conditioning == "first_and_last_frame" else [0]
    one = Bucket(cut.bucket.width, cut.bucket.height, 1)
    return [replace(cut, start=cut.start + frame, period=1, bucket=one) for frame in frames]


def _frame(path: Path, cut: Cut, fps: int) -> Pixels:
    try:
        return read_frames(path, cut, fps)[0]
    except UnreadableClip as error:
        raise StageError(f"{path}: {error.reason}. Mend the file, or move it out of the folder") from error
