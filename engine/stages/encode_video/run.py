"""Encode each clip that has no latents yet, while threads decode the next ones.

Frames go from a decoder to the codec in small groups, and only so many wait between the two: the memory that this
needs does not depend on how long a clip is.
"""

import json
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from diffusers import AutoencoderKLWan
from torch import Tensor

from engine.clips.ahead import DEADLINE, Ahead, Stuck
from engine.clips.decode import frames_of
from engine.clips.files import UnreadableClip
from engine.clips.sizes import Cut
from engine.device import PRECISIONS, choose
from engine.endings import StageError
from engine.seam import Work, canonical
from engine.stages.encode_video.spec import EncodeVideoRuntime, EncodeVideoSpec, cut_of, latents
from engine.store import digest_file
from engine.tensors import save_tensors
from engine.wan.conditioning import first_frame_condition
from engine.wan.load import load_codec
from engine.wan.video import Pixels, grouped
from engine.wan.video import encode_video as encode

AHEAD = 64 << 20
"""Bytes of frames that may wait for the codec, by clip: a short clip whole, a long one in part."""

_MEND = "mend what is named, or move it out of its folder, and run again; all other clips are encoded"

Encoding = Work[EncodeVideoSpec, EncodeVideoRuntime]
Stamp = tuple[int, ...]  # what tells without reading a file that it is another than before


class _Undecodable(Exception):
    """A clip cannot be decoded to its end, and why."""


@dataclass(frozen=True, slots=True)
class _Clip:
    """A clip to encode: the key of its item, the file, the digest of its content, and what is taken of it."""

    key: str
    path: Path
    media: str
    cut: Cut


def encode_video(work: Encoding) -> None:
    """Write ``latents/latents.json``: clip → key of its latents and its bucket.

    Latents are the item ``latent`` with ``latent_CFHW``, normalised, and for a model that is conditioned on pictures
    also ``condition_CFHW``, made from the clip's own first (and last) frame; read it with ``load_tensors``.

    Raises:
        StageError: a clip changed since the plan looked at it, or cannot be decoded to its end.
        Interrupted: every clip that was finished is committed.
    """
    said = (work.inputs["survey/clips"] / "clips.json").read_bytes()
    wanted = latents(work.spec, said, work.digests)
    missing = _missing(work, json.loads(said), wanted)
    if missing:
        device = choose(work.runtime.device, work.runtime.threads, work.runtime.devices)
        _encode_all(work, load_codec(work.inputs["fetch_model/vae"].parent, device), missing)
    (work.output / "latents").mkdir()
    (work.output / "latents" / "latents.json").write_bytes(canonical(wanted))


def _missing(
    work: Encoding, clips: Iterable[Mapping[str, Any]], wanted: Mapping[str, Mapping[str, Any]]
) -> list[_Clip]:
    """Return the clips that have no latents yet; two that are the same, cut the same, are one."""
    missing: dict[str, _Clip] = {}
    for clip in clips:
        key = wanted[clip["id"]]["item"]
        if not work.items.has(key):
            missing[key] = _Clip(key, Path(work.files[clip["media"]]), clip["media"], cut_of(clip))
    return list(missing.values())


def _encode_all(work: Encoding, codec: AutoencoderKLWan, clips: list[_Clip]) -> None:
    """Encode and commit clip by clip, and say so where the codec mostly waited.

    Clips that cannot be decoded to their end are named together, when all others are done.
    """
    begun, waited, damaged = time.monotonic(), 0.0, list[str]()
    with closing(_decoded(work, clips)) as decoded:
        for done, (clip, stream) in enumerate(decoded, start=1):
            groups_FHWC = stream.values(DEADLINE, work.stopping)
            try:
                tensors = _tensors(codec, groups_FHWC, clip.cut.bucket.frames, work.spec)
            except _Undecodable as error:
                damaged.append(f"{clip.path}: {error}")
                continue
            except ValueError as error:
                raise StageError(f"{clip.path}: {error}") from error
            except Stuck as error:
                raise StageError(
                    f"{clip.path}: no frame came for {DEADLINE:g} s. See whether the drive answers; mend the file, or "
                    "move it out of the folder, and run again"
                ) from error
            with work.items.publish(clip.key) as item:
                save_tensors(item, "latent", tensors, work.runtime.compress)
            waited += stream.waited
            work.tell("progress", done=done, total=len(clips), unit="clips", note=clip.path.name)
    if damaged:
        raise StageError("\n".join([*dict.fromkeys(damaged), _MEND]))
    took = time.monotonic() - begun
    if waited > took / 5:
        work.tell("message", message=f"the encoder waited {waited:.1f} s of {took:.1f} s for decoding")


def _tensors(
    codec: AutoencoderKLWan, groups_FHWC: Iterable[Pixels], frames: int, spec: EncodeVideoSpec
) -> dict[str, Tensor]:
    """Return what is kept of a clip, in the number format that the recipe asks for."""
    ends = _Ends()
    tensors = {"latent_CFHW": encode(codec, ends.seen_in(groups_FHWC), frames)}
    if spec.conditioning != "none":
        last_HWC = ends.last if spec.conditioning == "first_and_last_frame" else None
        tensors["condition_CFHW"] = first_frame_condition(codec, ends.first, last_HWC, frames)
    return {name: tensor.to(PRECISIONS[spec.precision]) for name, tensor in tensors.items()}


@dataclass(slots=True)
class _Ends:
    """The first and the last frame of a clip, HWC, kept as it goes by."""

    first: Pixels | None = None
    last: Pixels | None = None

    def seen_in(self, groups_FHWC: Iterable[Pixels]) -> Iterator[Pixels]:
        for group_FHWC in groups_FHWC:
            if self.first is None:
                self.first = group_FHWC[0]
            self.last = group_FHWC[-1]
            yield group_FHWC


def _decoded(work: Encoding, clips: Iterable[_Clip]) -> Generator[tuple[_Clip, Ahead[Pixels]], None, None]:
    """Yield each clip with its groups of frames, while the next ``workers`` clips are decoded."""
    waiting, streams = iter(clips), deque[tuple[_Clip, Ahead[Pixels]]]()
    unchanged: dict[Path, Stamp] = {}
    stride = work.spec.codec.time_stride
    try:
        while True:
            for clip in islice(waiting, 1 + work.runtime.workers - len(streams)):
                bucket = clip.cut.bucket
                room = max(2, AHEAD // (stride * bucket.height * bucket.width * 3))
                streams.append((clip, Ahead(partial(_open, clip, work.spec, unchanged), room)))
            if not streams:
                return
            yield streams[0]
            streams.popleft()
    finally:
        for _, stream in streams:
            stream.close()


def _open(clip: _Clip, spec: EncodeVideoSpec, unchanged: dict[Path, Stamp]) -> Generator[Pixels, None, None]:
    """Return the groups of a clip, after making sure that it is still the file that was planned.

    Args:
        clip: to be decoded.
        spec: says the rate of frames, and how many make a group.
        unchanged: files whose content was found to be the planned one; several clips may be cut from one file.
    """
    try:
        stamp = _stamp(clip.path)
        if stamp is None or (unchanged.get(clip.path) != stamp and digest_file(clip.path) != clip.media):
            raise StageError(f"{clip.path} changed since the plan was made; run again")
    except OSError as error:
        raise _Undecodable(f"cannot be read: {error.strerror}") from error
    unchanged[clip.path] = stamp
    return _groups(clip, spec, stamp)


def _groups(clip: _Clip, spec: EncodeVideoSpec, stamp: Stamp) -> Generator[Pixels, None, None]:
    """Yield ``group_FHWC``, and make sure at the end that the file was the same one all the time."""
    failure = None
    try:
        yield from grouped(frames_of(clip.path, clip.cut, spec.fps), 1, spec.codec.time_stride)
    except Exception as error:  # noqa: BLE001 - whatever a decoder meets, people must learn in which file
        failure = error
    if _stamp(clip.path) != stamp:  # said first, for it may be why it failed
        raise StageError(f"{clip.path} changed while it was read; run again") from failure
    if failure is not None:
        known = isinstance(failure, UnreadableClip)
        reason = failure.reason if known else f"cannot be decoded: {type(failure).__name__}: {failure}"
        raise _Undecodable(reason) from failure


def _stamp(path: Path) -> Stamp | None:
    """Return what tells a file from any that is put in its place or written over it; None where there is none."""
    try:
        said = path.stat()
    except FileNotFoundError:
        return None
    return said.st_dev, said.st_ino, said.st_size, said.st_mtime_ns, said.st_ctime_ns
