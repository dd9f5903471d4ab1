"""Turn each clip into latents, once, so that training needs no video codec."""

import json
from collections.abc import Mapping
from typing import Any

from engine.seam import Foreseen, Foresight, Runtime, Spec, Stage, View, at, canonical, digest_of
from engine.words.model import VideoCodec

VERSION = 1
_FLOAT32 = 4  # bytes; latents are stored as the codec gives them


class EncodeVideoSpec(Spec):
    """The codec, and the rate that clips are resampled to."""

    codec: VideoCodec = at("model.codec")
    fps: int = at("model.fps")


class EncodeVideoRuntime(Runtime):
    """Where the codec works, and how far decoding runs ahead of it."""

    workers: int = at("data.workers")
    device: str = at("hardware.device")
    threads: int = at("hardware.threads")


def latents(
    spec: EncodeVideoSpec, clips: str | bytes, digests: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Return, for each clip of the survey's ``clips.json``, the key of its item and its bucket.

    An item is the clip's content, the shape it is given, the rate, and the codec's weights.
    """
    about = [VERSION, spec.fps, digests["fetch_model/vae"]]
    return {
        clip["id"]: {
            "item": digest_of(["encode_video", clip["id"], *about]),
            "bucket": clip["bucket"],
            "media": clip["media"],
        }
        for clip in json.loads(clips)
    }


def _foresee(view: View) -> Foresight:
    digests = {need: part.digest for need, part in view.inputs.items()}
    found = latents(view.spec, view.inputs["survey/clips"].read("clips.json"), digests)
    return Foresight(
        outputs={"latents": Foreseen({"latents.json": canonical(found)})},
        items=sorted(latent["item"] for latent in found.values()),
        amount=len(found),
        unit="clips",
        bytes=sum(_bytes(latent["bucket"], view.spec.codec) for latent in found.values()),
    )


def _bytes(bucket: list[int], codec: VideoCodec) -> int:
    """Size of a latent: channels × latent frames × latent height × latent width."""
    width, height, frames = bucket
    latent_frames = (frames - 1) // codec.time_stride + 1
    area = (width // codec.space_stride) * (height // codec.space_stride)
    return codec.latent_channels * latent_frames * area * _FLOAT32


ENCODE_VIDEO = Stage(
    name="encode_video",
    version=VERSION,
    spec=EncodeVideoSpec,
    runtime=EncodeVideoRuntime,
    needs=("fetch_model/vae", "survey/clips"),
    entry="engine.stages.encode_video.run:encode_video",
    does="turn clips into latents",
    foresee=_foresee,
)
