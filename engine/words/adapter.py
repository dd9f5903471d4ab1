"""What is trained: an adapter beside the frozen model, or the model itself; and where it starts."""

from typing import Literal

from engine.words.word import LOCATION, Words, example, word

# of every kind that has them: they share a path, and so what is said of them
_RANK = "Rank of the factors."
_ALPHA = "Strength: the adapter is scaled by alpha / rank."
_DROPOUT = (
    "Share of the adapter's inputs dropped in training; with `lokr` and `loha`, of the rows of what it adds."
)
_TARGETS = (
    "Patterns (regular expressions) of the linear layers that get an adapter; each must match a whole name."
)


class Lora(Words):
    """A low-rank adapter (Hu et al., 2021); the base model never changes."""

    model_config = example(
        kind="lora", rank=16, alpha=16, dropout=0, targets=[r"blocks\.\d+\.attn[12]\.to_(q|k|v|out\.0)"]
    )

    kind: Literal["lora"] = word("A low-rank adapter.")
    rank: int = word(_RANK, ge=1, le=10_000)
    alpha: float = word(_ALPHA, gt=0)
    dropout: float = word(_DROPOUT, ge=0, lt=1)
    targets: list[str] = word(_TARGETS, min_length=1)


class Dora(Words):
    """DoRA (Liu et al., 2024): a low-rank adapter for the direction of each row of a weight, and a number for its length."""

    model_config = example(
        kind="dora", rank=16, alpha=16, dropout=0, targets=[r"blocks\.\d+\.attn[12]\.to_(q|k|v|out\.0)"]
    )

    kind: Literal["dora"] = word("A low-rank adapter of directions, and lengths.")
    rank: int = word(_RANK, ge=1, le=10_000)
    alpha: float = word(_ALPHA, gt=0)
    dropout: float = word(_DROPOUT, ge=0, lt=1)
    targets: list[str] = word(_TARGETS, min_length=1)


class Lokr(Words):
    """LoKr (LyCORIS): what is added to a weight is a Kronecker product of two small matrices."""

    model_config = example(
        kind="lokr",
        rank=16,
        alpha=16,
        dropout=0,
        factor=16,
        targets=[r"blocks\.\d+\.attn[12]\.to_(q|k|v|out\.0)"],
    )

    kind: Literal["lokr"] = word("A Kronecker product.")
    rank: int = word(_RANK, ge=1, le=10_000)
    alpha: float = word(_ALPHA, gt=0)
    dropout: float = word(_DROPOUT, ge=0, lt=1)
    factor: int = word(
        "Sides of the first matrix, at most; -1 makes both as equal as they can be. Where the rank is no less than half of the "
        "second one's sides, that is kept whole, and alpha does nothing.",
        ge=-1,
    )
    targets: list[str] = word(_TARGETS, min_length=1)


class Loha(Words):
    """LoHa (FedPara, Hyeon-Woo et al., 2021): what is added is the product, entry by entry, of two low-rank matrices."""

    model_config = example(
        kind="loha", rank=8, alpha=8, dropout=0, targets=[r"blocks\.\d+\.attn[12]\.to_(q|k|v|out\.0)"]
    )

    kind: Literal["loha"] = word("A Hadamard product of two low-rank matrices.")
    rank: int = word(_RANK, ge=1, le=10_000)
    alpha: float = word(_ALPHA, gt=0)
    dropout: float = word(_DROPOUT, ge=0, lt=1)
    targets: list[str] = word(_TARGETS, min_length=1)


class Full(Words):
    """No adapter: all weights of the denoiser are trained."""

    model_config = example(kind="full")

    kind: Literal["full"] = word("All weights of the denoiser.")


Adapter = Lora | Dora | Lokr | Loha | Full


class FreshStart(Words):
    """A new adapter: it changes nothing before the first step."""

    kind: Literal["fresh"] = word("A new adapter.")


class FileStart(Words):
    """The weights of an adapter that was trained before, here or by another program."""

    model_config = example(kind="file", path="pytorch_lora_weights.safetensors")

    kind: Literal["file"] = word("An adapter that was trained before.")
    path: str = word(
        "A .safetensors file with the key names of diffusers, native Wan (ComfyUI), sd-scripts, LyCORIS or peft; relative to the file that says it.",
        LOCATION,
        min_length=1,
        max_length=1000,
    )


Start = FreshStart | FileStart
