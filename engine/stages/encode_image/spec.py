"""Turn the frames that the denoiser is shown into tokens of CLIP, for the models that have that branch."""

import json
from collections.abc import Mapping
from typing import Any

from engine.seam import Foreseen, Foresight, Runtime, Spec, Stage, View, at, canonical, digest_of
from engine.words.recipe import Recipe

VERSION = 1


class EncodeImageSpec(Spec):
    """Which frames of a clip are shown, at which rate it is read, and by which encoder."""

    image_encoder: str = at("model.image_encoder")
    conditioning: str = at("model.conditioning")
    fps: int = at("model.fps")


class EncodeImageRuntime(Runtime):
    """Where the encoder works."""

    device: str = at("hardware.device")
    threads: int = at("hardware.threads")


def tokens(
    spec: EncodeImageSpec, clips: str | bytes, digests: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Return, for each clip of the survey's ``clips.json``, the key of its item and the digest of its file."""
    weights = [digests["fetch_model/image_encoder"], digests["fetch_model/image_processor"]]
    about = [VERSION, spec.image_encoder, spec.conditioning, spec.fps, weights]
    return {
        clip["id"]: {"item": digest_of(["encode_image", clip["id"], *about]), "media": clip["media"]}
        for clip in json.loads(clips)
    }


def _applies(recipe: Recipe) -> bool:
    return recipe.model.image_encoder != "none" and recipe.model.conditioning != "none"


def _foresee(view: View) -> Foresight:
    digests = {need: part.digest for need, part in view.inputs.items()}
    found = tokens(view.spec, view.inputs["survey/clips"].read("clips.json"), digests)
    return Foresight(
        outputs={"tokens": Foreseen({"tokens.json": canonical(found)})},
        items=sorted(entry["item"] for entry in found.values()),
        amount=len(found),
        unit="clips",
    )


ENCODE_IMAGE = Stage(
    name="encode_image",
    version=VERSION,
    spec=EncodeImageSpec,
    runtime=EncodeImageRuntime,
    needs=("fetch_model/image_encoder", "fetch_model/image_processor", "survey/clips"),
    entry="engine.stages.encode_image.run:encode_image",
    does="turn the frames that the model is shown into tokens",
    applies=_applies,
    foresee=_foresee,
)
