"""The section ``hardware``: the machine. It says how, never what."""

from typing import Literal

from engine.words.word import LABEL, RUNTIME, Words, word


class Hardware(Words):
    """The machine that a recipe runs on."""

    name: str = word("Name for people.", LABEL)
    device: Literal["auto", "cpu", "cuda", "mps"] = word("Where tensors live; `auto` takes the first that is there.",
                                                         RUNTIME)  # fmt: skip
    memory: float = word("Memory of the device.", LABEL, unit="GiB", gt=0)
    threads: int = word("CPU threads for tensor work; 0 leaves it to torch.", RUNTIME, ge=0)
