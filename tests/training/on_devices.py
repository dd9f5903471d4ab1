"""What several processes do together in ``test_devices.py``; ``torchrun`` starts this file once for each.

    torchrun --nproc-per-node 2 tests/training/on_devices.py FOLDER

Each writes what it saw to ``FOLDER/<rank>.json``.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from engine import training
from engine.training.devices import Devices, Disagree, FirstFailed, joined
from engine.training.loop import Metrics, Settings, Stopped, Watch
from engine.training.loop import train as run
from engine.training.noise import generator
from engine.training.order import Group, Order
from engine.training.state import State

DATA = torch.randn(9, 6, generator=torch.Generator().manual_seed(1))
BUCKETS = ((Group((0, 1, 2, 3, 4), 5),), (Group((5, 6, 7, 8), 6),))


def train(
    devices: Devices, batch_size: int, micro_batch: int, stopping: Callable[[int], bool] = lambda _: False
) -> dict[str, Any]:  # fmt: skip
    """Train a small net in the loop itself; returns what happened, and a digest of the weights."""
    torch.manual_seed(0)
    # the last layer is never used: it has a gradient nowhere, and weight decay must not touch it
    net = nn.ModuleList([nn.Linear(6, 8), nn.Linear(8, 6), nn.Linear(2, 2)])
    named = dict(net.named_parameters())
    state = State(named, torch.optim.AdamW(net.parameters(), lr=0.02, weight_decay=0.1))
    shown, positions, saved = list[Metrics](), list[int](), list[int]()

    def loss_of(samples: Sequence[int], at: Sequence[int]) -> dict[str, Tensor]:
        positions.extend(at)
        noise_BD = torch.stack([torch.randn(6, generator=generator(3, "noise", one)) for one in at])
        data_BD = DATA[list(samples)]
        error = (net[1](torch.tanh(net[0](data_BD + noise_BD))) - data_BD).square().mean()
        return {"loss": error, "flow": error}

    settings = Settings(
        steps=12, micro_batch=micro_batch, learning_rate=0.02, factor=lambda _: 1.0, clip="norm", clip_limit=0.5, seed=3,
        saves=lambda step: step % 5 == 0, evaluates=lambda _: False,
    )  # fmt: skip
    watch = Watch(
        on_step=shown.append, evaluate=lambda: True, stopping=lambda: stopping(state.step),
        save=lambda: saved.append(devices.by_first(lambda: state.step)),
    )  # fmt: skip
    with suppress(Stopped):
        run(loss_of, state, Order(BUCKETS, batch_size, 0), settings, watch, devices)
    weights = [parameter.detach() for parameter in named.values()]
    return {
        "losses": [step.loss for step in shown], "parts": [step.parts for step in shown], "norms": [step.gradient_norm for step in shown],
        "positions": positions, "done": state.step, "saved": saved, "weights": digest(weights),
        "values": torch.cat([weight.flatten() for weight in weights]).tolist(),
    }  # fmt: skip


def digest(tensors: list[Tensor]) -> str:
    """Return a digest of the bits of some tensors."""
    return hashlib.sha256(b"".join(tensor.contiguous().numpy().tobytes() for tensor in tensors)).hexdigest()


def gradients(devices: Devices) -> dict[str, Any]:
    """Sum gradients of two kinds that only one device has, both have, and neither."""
    mine, others, both, nobodys = (nn.Parameter(torch.zeros(2)) for _ in range(4))
    half = nn.Parameter(torch.zeros(2, 2, dtype=torch.bfloat16))
    (mine if devices.rank == 0 else others).grad = torch.tensor([1.5, 2.0])
    both.grad = torch.full((2,), devices.rank + 1.0)
    half.grad = torch.full((2, 2), 0.5, dtype=torch.bfloat16)
    named = {"mine": mine, "others": others, "both": both, "nobodys": nobodys, "half": half}
    devices.sum_gradients(list(named.values()))
    return {name: None if some.grad is None else [str(some.grad.dtype), some.grad.tolist()] for name, some in named.items()}  # fmt: skip


def gradients_in_small_buckets(devices: Devices) -> dict[str, Any]:
    """Sum the same gradients, a tensor or two in one go."""
    with patch.object(training.devices, "BUCKET", 16):
        return gradients(devices)


def on_the_first(devices: Devices) -> dict[str, Any]:
    """Let the first device act for all: once well, once badly, and then once more."""
    well = devices.by_first(lambda: {"step": 40 + devices.rank})

    def fail() -> None:
        raise OSError(28, "No space left on device")

    try:
        devices.by_first(fail)
        caught = ""
    except (OSError, FirstFailed) as error:
        caught = f"{type(error).__name__}: {error}"
    return {"well": well, "caught": caught, "after": devices.by_first(lambda: devices.rank)}


def agreeing(devices: Devices) -> dict[str, Any]:
    """Compare what is the same, and what is not."""
    devices.same_everywhere("step", "7")
    try:
        devices.same_everywhere("step", str(devices.rank))
        said = ""
    except Disagree as error:
        said = str(error)
    devices.wait_for_all()
    sums = devices.sum_of({"loss": 0.1 + devices.rank} | ({"crepa": 2.0} if devices.rank else {}))
    return {"said": said, "sums": sums, "first": devices.first}


SCENES: Mapping[str, Callable[[Devices], Any]] = {
    "uneven": lambda devices: train(devices, 5, 2),
    "even": lambda devices: train(devices, 4, 2),
    "fewer samples than devices": lambda devices: train(devices, 1, 2),
    "stop": lambda devices: train(devices, 4, 2, stopping=lambda done: devices.rank == 1 and done == 3),
    "gradients": gradients,
    "gradients in small buckets": gradients_in_small_buckets,
    "first": on_the_first,
    "agree": agreeing,
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    with joined() as here:
        names = list(SCENES)
        if "cuda" in sys.argv:
            torch.cuda.set_device(here.rank)
            torch.set_default_device(f"cuda:{here.rank}")
            names = ["gradients", "gradients in small buckets", "first", "agree"]
        seen = {name: SCENES[name](here) for name in names}
        Path(sys.argv[1], f"{here.rank}.json").write_text(json.dumps(seen))
    os._exit(
        0
    )  # threads by which torch talked to the others have been seen to abort a process that had done its work
