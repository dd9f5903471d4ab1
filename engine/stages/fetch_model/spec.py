"""Bring the weights of the model into the store, in diffusers layout."""

from engine.seam import Runtime, Spec, Stage, at
from engine.words.model import BuiltModel, HubModel, TextEncoder, Transformer, VideoCodec


class FetchModelSpec(Spec):
    """Which weights."""

    source: HubModel | BuiltModel = at("model.source")
    transformer: Transformer = at("model.transformer")
    codec: VideoCodec = at("model.codec")
    text_encoder: TextEncoder = at("model.text_encoder")


class FetchModelRuntime(Runtime):
    """The devices that later stages will want: better missed before a download than after it."""

    device: str = at("hardware.device")
    devices: int = at("hardware.devices")
    threads: int = at("hardware.threads")


FETCH_MODEL = Stage(
    name="fetch_model",
    version=1,
    spec=FetchModelSpec,
    runtime=FetchModelRuntime,
    needs=(),
    entry="engine.stages.fetch_model.run:fetch_model",
    does="bring the model's weights into the store",
    network=lambda spec: isinstance(spec.source, HubModel),
)
