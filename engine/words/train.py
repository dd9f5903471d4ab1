"""The section ``train``: what is learnt, how long, and how fast."""

from typing import Literal

from engine.words.adapter import Dora, FileStart, FreshStart, Full, Loha, Lokr, Lora
from engine.words.attention import Attention
from engine.words.methods import (
    AttentionKept,
    BlockCheckpointing,
    Crepa,
    DiskOffload,
    HeldOut,
    MemoryOffload,
    NoCheckpointing,
    NoCrepa,
    NoEvaluation,
    NoOffload,
    NoRollout,
    NoTread,
    Rollout,
    Tread,
)
from engine.words.noise import HuberLoss, Noise, SquaredLoss
from engine.words.optimizer import (
    Adafactor,
    Adamw,
    Adamw8bit,
    Bfloat16Weights,
    ConstantSchedule,
    CosineSchedule,
    DecayEma,
    Float32Weights,
    LinearSchedule,
    Lion,
    Lion8bit,
    Muon,
    NoClip,
    NoEma,
    NormClip,
    PolynomialSchedule,
    Prodigy,
    RestartsSchedule,
    ScheduleFree,
    ValueClip,
)
from engine.words.word import EXTEND, NUMERICS, RUNTIME, Words, choice, section, word


class Checkpoints(Words):
    """When the state of training is saved, and how much of it is kept."""

    every: int = word("How often a checkpoint is saved.", RUNTIME, ge=1)
    unit: Literal["steps", "epochs"] = word("What `every` counts.", RUNTIME)
    keep: int = word("Newest checkpoints that are kept.", RUNTIME, ge=1)


class Train(Words):
    """What is learnt, how long, and how fast."""

    steps: int = word("Optimizer steps in all.", EXTEND, unit="steps", ge=1)
    batch_size: int = word(
        "Samples in one optimizer step, over all micro-batches and devices.", unit="samples", ge=1
    )
    micro_batch: int = word("Most samples on one device at once. Does not change what is learnt; with LoRA dropout it changes the chance.", NUMERICS,
                            unit="samples", ge=1)  # fmt: skip
    learning_rate: float = word("Learning rate after warm-up.", ge=0)
    adapter: Lora | Dora | Lokr | Loha | Full = choice("What is trained.")
    start: FreshStart | FileStart = choice("Where the adapter starts.")
    optimizer: Adamw | Adamw8bit | Lion | Lion8bit | Adafactor | Prodigy | ScheduleFree | Muon = choice(
        "How weights are updated."
    )
    weights: Float32Weights | Bfloat16Weights = choice("Number format of what is trained.")
    schedule: ConstantSchedule | LinearSchedule | CosineSchedule | RestartsSchedule | PolynomialSchedule = (
        choice("Learning rate over time.")
    )
    clip: NoClip | NormClip | ValueClip = choice("Limit on gradients.")
    ema: NoEma | DecayEma = choice("Average of the weights over time.")
    ema_on: Literal["device", "cpu"] = word(
        "Where that average lies: on the device, or in the memory of the computer.", RUNTIME
    )
    result: Literal["last", "ema", "best"] = word(
        "Which weights are handed on: those of the last step, their average, or those with the lowest evaluation loss.",
        EXTEND,
    )
    noise: Noise = section("Noise levels of the training samples.")
    loss: SquaredLoss | HuberLoss = choice("How the error is measured.")
    caption_dropout: float = word("Share of samples that see the empty caption.", ge=0, lt=1)
    precision: Literal["fp32", "bf16"] = word("Number format that the denoiser computes in.")
    quantize: Literal["none", "int8", "fp8"] = word(
        "Number format that the frozen weights of the blocks are kept in: as `precision` says, or in 8 bits."
    )
    quantize_on: Literal["device", "cpu"] = word(
        "Where weights are brought to 8 bits: on the device, or before they go there, which needs less of its memory.",
        RUNTIME,
    )
    gradient_checkpointing: NoCheckpointing | BlockCheckpointing | AttentionKept = choice(
        "What is computed again in the backward pass, to save memory."
    )
    offload: NoOffload | MemoryOffload | DiskOffload = choice(
        "Where blocks wait that are not at work, to save memory of the device."
    )
    attention: Attention = word("Kernels that compute attention; `sage` cannot train.", NUMERICS)
    feed_forward_chunks: int = word(
        "Parts that the tokens of a block go through its feed-forward network in, each recomputed on its own in the "
        "backward pass, to save memory; 1 is all at once. With LoRA dropout in there it changes the chance.",
        NUMERICS,
        ge=1,
        le=64,
    )
    tread: NoTread | Tread = choice("Tokens that skip blocks in training, to save time.")
    crepa: NoCrepa | Crepa = choice("Alignment of hidden frames with a teacher of pictures.")
    rollout: NoRollout | Rollout = choice("Samples that the model itself brings part of the way.")
    evaluation: NoEvaluation | HeldOut = choice("The loss on clips that are not trained on.")
    seed: int = word("Seed of order, noise and the new adapter.", ge=0)
    checkpoints: Checkpoints = section("Saving the state of training.")
