"""What may be added to training: routing, alignment, rollouts, evaluation; and what saves memory."""

from typing import Annotated, Literal

from pydantic import Field

from engine.words.model import BuiltModel, HubModel
from engine.words.word import LOCATION, NUMERICS, RUNTIME, Words, choice, example, word

Share = Annotated[float, Field(gt=0, lt=1)]


class NoCheckpointing(Words):
    """Everything that the backward pass needs is kept: fastest, and most memory."""

    model_config = example(kind="none")

    kind: Literal["none"] = word("Nothing is computed again.", NUMERICS)


class BlockCheckpointing(Words):
    """Of a block only its input is kept, and the rest is computed again in the backward pass."""

    model_config = example(kind="blocks", every=1)

    kind: Literal["blocks"] = word("Blocks are computed again.", NUMERICS)
    every: int = word("One block of so many is computed again; 1 is all of them.", NUMERICS, ge=1)


class AttentionKept(Words):
    """Blocks are computed again, but for the outputs of attention, which take long to compute and little to keep."""

    model_config = example(kind="keep_attention")

    kind: Literal["keep_attention"] = word("All but attention is computed again.", NUMERICS)


Checkpointing = NoCheckpointing | BlockCheckpointing | AttentionKept


class NoOffload(Words):
    """The whole denoiser stays on the device."""

    model_config = example(kind="none")

    kind: Literal["none"] = word("Nothing is moved.", RUNTIME)


class MemoryOffload(Words):
    """The frozen weights of the blocks lie in the memory of the computer; one block and the next are on the device."""

    model_config = example(kind="memory")

    kind: Literal["memory"] = word("Blocks wait in the memory of the computer.", RUNTIME)


class DiskOffload(Words):
    """The frozen weights of the blocks lie in a file; one block and the next are on the device."""

    model_config = example(kind="disk")

    kind: Literal["disk"] = word(
        "Blocks wait in a file of the store, which goes when training ends.", RUNTIME
    )


Offload = NoOffload | MemoryOffload | DiskOffload


class NoTread(Words):
    """All tokens go through all blocks."""

    kind: Literal["none"] = word("No routing.")


class Route(Words):
    """A stretch of blocks that a share of the tokens goes around."""

    first: int = word("First block of the route, counted from 0; negative numbers count from the end.")
    last: int = word("Last block of the route, which is part of it; -1 is the last of all.")
    drop: Share = word("Share of the tokens that goes around the route.")


class Tread(Words):
    """Token routing (TREAD, Krause et al., 2025): in training, some tokens skip some blocks."""

    model_config = example(kind="routes", routes=[{"first": 2, "last": -2, "drop": 0.1}])

    kind: Literal["routes"] = word("Some tokens skip some blocks.")
    routes: list[Route] = word(
        "The routes, one after the other: `first` and `last` block, and the share of tokens to `drop`.",
        min_length=1,
    )


class TeacherFolder(Words):
    """Weights of DINOv2 on this machine, as transformers keeps them."""

    model_config = example(kind="folder", path="dinov2-giant")

    kind: Literal["folder"] = word("Weights lie on this machine.")
    path: str = word(
        "Folder with `config.json` and `model.safetensors`; relative to the file that says it.",
        LOCATION,
        min_length=1,
        max_length=1000,
    )


class NoCrepa(Words):
    """Frames are not aligned with a teacher."""

    kind: Literal["none"] = word("No alignment.")


class Crepa(Words):
    """Alignment of hidden frames with those of DINOv2, and with their neighbours' (CREPA, Hwang et al., 2025)."""

    model_config = example(
        kind="dinov2",
        encoder={"kind": "folder", "path": "dinov2-giant"},
        image_size=518,
        block=8,
        weight=0.5,
        falls="constant",
        distance=1,
        neighbours="nearest",
        decay=1,
    )

    kind: Literal["dinov2"] = word("Alignment with DINOv2.")
    encoder: TeacherFolder | HubModel | BuiltModel = choice("Where the weights of DINOv2 come from.")
    image_size: int = word(
        "Side of the square that a frame is scaled to for the teacher; a multiple of its patch, 14.",
        unit="px",
        ge=14,
    )
    block: int = word("Block after which hidden tokens are taken, counted from 0.", ge=0)
    weight: float = word("Factor on the alignment in the loss.", gt=0)
    falls: Literal["constant", "linear", "cosine"] = word(
        "Whether the factor stays, or falls to 0 at the last step."
    )
    distance: int = word("Frames to the neighbours on both sides, in latent frames; 0 has none.", ge=0)
    neighbours: Literal["nearest", "all"] = word(
        "Neighbours at that distance alone, as in the paper, or all up to it."
    )
    decay: float = word("Temporal decay τ: a neighbour k frames away counts e^(−k/τ).", gt=0)


class NoRollout(Words):
    """The model only sees data mixed with noise."""

    kind: Literal["none"] = word("No rollouts.")


class Rollout(Words):
    """Scheduled sampling: some samples start noisier, and the model itself brings them to where they are learnt from."""

    model_config = example(
        kind="euler",
        probability=0.5,
        start_probability=0,
        ramp_steps=1000,
        reach=0.2,
        strategy="uniform",
        steps=2,
        target="drawn",
    )

    kind: Literal["euler"] = word("Rollouts along Euler steps.")
    probability: float = word("Share of the samples that are rolled out, after the ramp.", ge=0, le=1)
    start_probability: float = word("Share of the samples that are rolled out at first.", ge=0, le=1)
    ramp_steps: int = word("Steps over which the share goes from the first to the last.", unit="steps", ge=0)
    reach: float = word("How much noisier a rollout may start, in σ.", gt=0, le=1)
    strategy: Literal["uniform", "near", "far"] = word(
        "Which distances up to the reach are drawn: all alike, or short or long ones more often."
    )
    steps: int = word("Euler steps of a rollout; each costs a forward pass.", ge=1, le=50)
    target: Literal["drawn", "corrected"] = word(
        "What is predicted there: noise − data as it was drawn, or the velocity that leads from where the model came to to the data."
    )


class NoEvaluation(Words):
    """No evaluation."""

    kind: Literal["none"] = word("No evaluation.")


class HeldOut(Words):
    """The loss on the datasets with `role: evaluate`, at fixed noise levels and with fixed noise."""

    model_config = example(kind="held_out", every=100, samples=4, levels=8)

    kind: Literal["held_out"] = word("The loss on clips that are not trained on.")
    every: int = word("Steps between two evaluations; there is one before the first step and one after the last.", unit="steps", ge=1)  # fmt: skip
    samples: int = word("Most samples that are evaluated; the first by content.", unit="samples", ge=1)
    levels: int = word(
        "Noise levels that each sample is evaluated at, evenly spread before the shift.", ge=1, le=100
    )


Evaluation = NoEvaluation | HeldOut
