"""Encode each clip that has no latents yet, decoding the next ones meanwhile."""

import json
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from engine.clips.decode import read_frames
from engine.clips.files import UnreadableClip
from engine.clips.sizes import Bucket
from engine.device import choose
from engine.endings import Interrupted, StageError
from engine.seam import Work, canonical
from engine.stages.encode_video.spec import EncodeVideoRuntime, EncodeVideoSpec, latents
from engine.store import digest_file
from engine.wan.load import load_codec
from engine.wan.video import encode_video as encode


@dataclass(frozen=True, slots=True)
class _Clip:
    """A clip to encode: the key of its item, the file, its content and its shape."""

    key: str
    path: Path
    media: str
    bucket: Bucket


def encode_video(work: Work[EncodeVideoSpec, EncodeVideoRuntime]) -> None:
    """Write ``latents/latents.json``: clip → key of its latents and its bucket.

    Latents are the item ``latent.safetensors`` with ``latent_CFHW``, float32, normalised.

    Raises:
        StageError: a clip changed since the plan looked at it, or cannot be decoded to its end.
    """
    said = (work.inputs["survey/clips"] / "clips.json").read_bytes()
    wanted = latents(work.spec, said, work.digests)
    media = {clip["id"]: clip["media"] for clip in json.loads(said)}
    missing = [
        _Clip(latent["item"], Path(work.files[media[clip]]), media[clip], Bucket(*latent["bucket"]))
        for clip, latent in wanted.items()
        if not work.items.has(latent["item"])
    ]
    if missing:
        codec = load_codec(
            work.inputs["fetch_model/vae"].parent, choose(work.runtime.device, work.runtime.threads)
        )
        for done, (clip, frames_FHWC) in enumerate(_decoded(missing, work), start=1):
            if work.stopping():
                raise Interrupted
            try:
                latent_CFHW = encode(codec, frames_FHWC)
            except ValueError as error:
                raise StageError(f"{clip.path}: {error}") from error
            with work.items.publish(clip.key) as item:
                save_file({"latent_CFHW": latent_CFHW}, item / "latent.safetensors")
            work.tell("progress", done=done, total=len(missing), unit="clips", note=clip.path.name)
    (work.output / "latents").mkdir()
    (work.output / "latents" / "latents.json").write_bytes(canonical(wanted))


def _decoded(
    clips: list[_Clip], work: Work[EncodeVideoSpec, EncodeVideoRuntime]
) -> Iterator[tuple[_Clip, np.ndarray]]:
    """Yield each clip with its frames; at most ``workers`` are decoded ahead, so that memory stays bounded."""
    with ThreadPoolExecutor(work.runtime.workers) as pool:
        ahead: deque[tuple[_Clip, Future[np.ndarray]]] = deque()
        waiting = iter(clips)
        while True:
            while len(ahead) < work.runtime.workers and (clip := next(waiting, None)) is not None:
                ahead.append((clip, pool.submit(_read, clip, work.spec.fps)))
            if not ahead:
                return
            clip, frames = ahead.popleft()
            yield clip, frames.result()


def _read(clip: _Clip, fps: int) -> np.ndarray:
    """Decode a clip, after making sure that it is still the file that was planned."""
    if not clip.path.is_file() or digest_file(clip.path) != clip.media:
        raise StageError(f"{clip.path} changed since the plan was made; run again")
    try:
        return read_frames(clip.path, clip.bucket, fps)
    except UnreadableClip as error:
        raise StageError(
            f"{clip.path}: {error.reason}. Mend the file, or move it out of the folder, and run again"
        ) from error
