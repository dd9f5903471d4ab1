"""Take one small step of the training that is asked for, before anything that takes long.

A target that no layer has, a package that is missing, kernels that do not run, numbers that a device cannot hold: all of
them would otherwise be met after hours of encoding.
"""

from engine.seam import Foresight, Runtime, Spec, Stage, View, at
from engine.stages.train.layers import linear_layers, model_bytes
from engine.words.adapter import Dora, Full, Loha, Lokr, Lora
from engine.words.methods import (
    AttentionKept,
    BlockCheckpointing,
    DiskOffload,
    MemoryOffload,
    NoCheckpointing,
    NoOffload,
)
from engine.words.model import Transformer
from engine.words.optimizer import (
    Adafactor,
    Adamw,
    Adamw8bit,
    Bfloat16Weights,
    Float32Weights,
    Lion,
    Lion8bit,
    Muon,
    Prodigy,
    ScheduleFree,
)
from engine.words.recipe import Recipe

MEGA = 10**6


class RehearseSpec(Spec):
    """What can be wrong with a training before it has seen a clip."""

    transformer: Transformer = at("model.transformer")
    adapter: Lora | Dora | Lokr | Loha | Full = at("train.adapter")
    optimizer: Adamw | Adamw8bit | Lion | Lion8bit | Adafactor | Prodigy | ScheduleFree | Muon = at(
        "train.optimizer"
    )
    weights: Float32Weights | Bfloat16Weights = at("train.weights")
    precision: str = at("train.precision")
    quantize: str = at("train.quantize")


class RehearseRuntime(Runtime):
    """How training will work."""

    gradient_checkpointing: NoCheckpointing | BlockCheckpointing | AttentionKept = at(
        "train.gradient_checkpointing"
    )
    offload: NoOffload | MemoryOffload | DiskOffload = at("train.offload")
    quantize_on: str = at("train.quantize_on")
    feed_forward_chunks: int = at("train.feed_forward_chunks")
    attention: str = at("train.attention")
    device: str = at("hardware.device")
    devices: int = at("hardware.devices")
    shard: bool = at("hardware.shard")
    threads: int = at("hardware.threads")


def _applies(recipe: Recipe) -> bool:
    """What is shown frames of the clip cannot be trained yet, but its clips can be encoded."""
    return recipe.model.conditioning == "none"


def _foresee(view: View) -> Foresight:
    spec: RehearseSpec = view.spec
    if spec.quantize == "none":
        return Foresight()
    layers = linear_layers(spec.transformer)
    inside = sum(name.startswith("blocks.") for name in layers)
    before, after = (model_bytes(spec.transformer, spec.precision, kind) for kind in ("none", spec.quantize))
    note = (f"{spec.quantize}: {inside} of {len(layers)} linear layers, the weights of the denoiser take "
            f"{after / MEGA:,.1f} MB instead of {before / MEGA:,.1f}")  # fmt: skip
    return Foresight(notes=(note,))


REHEARSE = Stage(
    name="rehearse",
    version=1,
    spec=RehearseSpec,
    runtime=RehearseRuntime,
    needs=("fetch_model/transformer",),
    entry="engine.stages.rehearse.run:rehearse",
    does="take one small step of the training",
    applies=_applies,
    foresee=_foresee,
)
