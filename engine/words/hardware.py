"""The section ``hardware``: the machine. It says how, never what."""

from typing import Literal

from engine.words.word import LABEL, NUMERICS, RUNTIME, Words, word


class Hardware(Words):
    """The machine that a recipe runs on."""

    name: str = word("Name for people.", LABEL)
    device: Literal["auto", "cpu", "cuda", "mps"] = word("Where tensors live; `auto` takes the first that is there.",
                                                         NUMERICS)  # fmt: skip
    devices: int = word("How many devices of that kind train together.", NUMERICS, ge=1, le=64)
    shard: bool = word(
        "Keep only a part of the frozen blocks on each of several devices, and bring them together where they run.",
        RUNTIME,
    )
    threads: int = word("CPU threads for tensor work; 0 leaves it to torch.", NUMERICS, ge=0)
