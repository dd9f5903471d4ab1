"""Turn each clip into latents, once, so that training needs no video codec."""

import json
from collections.abc import Mapping
from typing import Any

from engine.clips.sizes import Bucket, Cut
from engine.seam import Foreseen, Foresight, Runtime, Spec, Stage, View, at, canonical, digest_of
from engine.words.model import VideoCodec

VERSION = 2
_BYTES = {"fp32": 4, "bf16": 2}


class EncodeVideoSpec(Spec):
    """The codec, the rate that clips are resampled to, and what is kept of them."""

    codec: VideoCodec = at("model.codec")
    fps: int = at("model.fps")
    conditioning: str = at("model.conditioning")
    precision: str = at("data.latents.precision")


class EncodeVideoRuntime(Runtime):
    """Where the codec works, how far decoding runs ahead of it, and how latents are stored.

    Also how many devices training will want: better missed before hours of encoding.
    """

    workers: int = at("data.workers")
    compress: bool = at("data.latents.compress")
    device: str = at("hardware.device")
    devices: int = at("hardware.devices")
    threads: int = at("hardware.threads")


def latents(
    spec: EncodeVideoSpec, clips: str | bytes, digests: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Return, for each clip of the survey's ``clips.json``, the key of its item and its bucket.

    An item is the clip's content, how it is cut, the rate, the codec's weights, and how it is kept.
    """
    about = [VERSION, spec.fps, spec.conditioning, spec.precision, digests["fetch_model/vae"]]
    return {
        clip["id"]: {
            "item": digest_of(["encode_video", clip["id"], *about]),
            "bucket": clip["cut"]["bucket"],
            "media": clip["media"],
        }
        for clip in json.loads(clips)
    }


def cut_of(clip: Mapping[str, Any]) -> Cut:
    """Return how an entry of the survey's ``clips.json`` is cut."""
    said = clip["cut"]
    width, height = said["scaled"]
    left, top = said["corner"]
    return Cut(said["start"], said["period"], (width, height), (left, top), Bucket(*said["bucket"]))


def _foresee(view: View) -> Foresight:
    digests = {need: part.digest for need, part in view.inputs.items()}
    found = latents(view.spec, view.inputs["survey/clips"].read("clips.json"), digests)
    return Foresight(
        outputs={"latents": Foreseen({"latents.json": canonical(found)})},
        items=sorted(latent["item"] for latent in found.values()),
        amount=len(found),
        unit="clips",
        bytes=sum(_bytes(latent["bucket"], view.spec) for latent in found.values()),
    )


def _bytes(bucket: list[int], spec: EncodeVideoSpec) -> int:
    """Size of what is kept of a clip: channels × latent frames × latent height × latent width, twice where it is conditioned."""
    width, height, frames = bucket
    codec = spec.codec
    latent_frames = (frames - 1) // codec.time_stride + 1
    area = (width // codec.space_stride) * (height // codec.space_stride)
    tensors = 1 if spec.conditioning == "none" else 2
    return tensors * codec.latent_channels * latent_frames * area * _BYTES[spec.precision]


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
