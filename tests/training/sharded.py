"""A tiny Wan whose frozen blocks lie on two devices, half on each; ``test_devices.py`` starts this file once for each.

    torchrun --nproc-per-node 2 tests/training/sharded.py FOLDER [cuda]

Each trains it in every way that there is to walk through blocks, and beside it the same one with whole blocks, and writes
what it saw to ``FOLDER/<rank>.json``.
"""

import copy
import gc
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor
from torch.distributed.tensor import DTensor

from engine.training.adapters import Adapter, Dora, Loha, Lokr, Lora, adapter_state, attach, trained
from engine.training.devices import Devices, joined
from engine.training.offload import settle
from engine.training.routing import Detour
from engine.training.walk import Checkpointing, Course
from engine.wan.denoise import predict
from engine.wan.feed_forward import chunk_feed_forward

TARGETS = [r"blocks\.\d+\.(attn\d\.to_[qkv]|ffn\.net\.2)"]
STEPS, PARTS = 3, 2  # micro-batches of a step, on each device


@dataclass(frozen=True, slots=True)
class Asked:
    """A training; ``routed`` takes a detour, ``watched`` looks at hidden tokens, as CREPA does."""

    adapter: Adapter = field(default_factory=lambda: Lora(rank=4, alpha=4, dropout=0.1, targets=TARGETS))
    checkpointing: Checkpointing = field(default_factory=Checkpointing)
    dtype: torch.dtype = torch.bfloat16
    chunks: int = 1
    routed: bool = False
    watched: bool = False


MODES = {
    "kept": Checkpointing(),
    "blocks": Checkpointing("blocks"),
    "every other block": Checkpointing("blocks", 2),
    "attention kept": Checkpointing("keep_attention"),
}
ALL = Asked(dtype=torch.float32, chunks=2, routed=True, watched=True)
TRAININGS: Mapping[str, Asked] = {
    **{name: Asked(checkpointing=mode) for name, mode in MODES.items()},
    **{f"{name}, and all else": replace(ALL, checkpointing=mode) for name, mode in MODES.items()},
    "dora": Asked(Dora(rank=4, alpha=4, dropout=0, targets=TARGETS), Checkpointing("blocks")),
    "lokr": Asked(Lokr(rank=2, alpha=4, dropout=0, factor=4, targets=TARGETS)),
    "loha": Asked(Loha(rank=2, alpha=4, dropout=0, targets=TARGETS)),
    "the last block alone": Asked(Lora(rank=4, alpha=4, dropout=0, targets=[r"blocks\.3\.attn1\.to_q"])),
}


@cache
def base(dtype: torch.dtype, folder: Path) -> WanTransformer3DModel:
    """Return a tiny Wan as it is loaded, in part in float32 whatever the number format."""
    torch.manual_seed(0)
    made = WanTransformer3DModel(
        num_attention_heads=2, attention_head_dim=12, text_dim=16, freq_dim=32, ffn_dim=32, num_layers=4, rope_max_seq_len=64,
    )  # fmt: skip
    made.save_pretrained(folder)
    return WanTransformer3DModel.from_pretrained(folder, torch_dtype=dtype)


def model(asked: Asked, device: torch.device, folder: Path) -> WanTransformer3DModel:
    """Return a tiny Wan that is ready to be trained; its frozen blocks wait on the CPU."""
    net = copy.deepcopy(base(asked.dtype, folder))
    attach(net, asked.adapter, 0)
    chunk_feed_forward(net, asked.chunks)
    settle(net, net.blocks, device)
    return net.train()


def said(
    net: WanTransformer3DModel, asked: Asked, device: torch.device, sample: int, course: Course
) -> Tensor:
    """Return what is predicted for a sample, float32."""
    rng = torch.Generator().manual_seed(sample)
    noisy_BCFHW = torch.randn(1, 16, 2, 4, 4, generator=rng).to(device, asked.dtype)
    text_BLD = torch.randn(1, 8, 16, generator=rng).to(device, asked.dtype)
    return predict(net, noisy_BCFHW, torch.tensor([0.5], device=device), text_BLD, course).float()


def gradients(net: WanTransformer3DModel, asked: Asked, device: torch.device, sample: int) -> float:
    """Gather the gradients of one sample, and return its loss."""
    hidden: list[Tensor] = []
    detours = (Detour(1, 2, torch.tensor([[0, 2, 5]])),) if asked.routed else ()
    course = Course(asked.checkpointing, detours, {3: hidden.append} if asked.watched else {})
    torch.manual_seed(sample)  # of the dropout
    loss = said(net, asked, device, sample, course).square().mean()
    loss = loss + sum(some.float().square().mean() for some in hidden)
    loss.backward()
    return loss.item()


def train(net: WanTransformer3DModel, asked: Asked, device: torch.device, devices: Devices) -> list[float]:
    """Train for some steps, with a look at a held-out sample after each; return all losses."""
    parameters, losses = list(trained(net).values()), list[float]()
    optimizer = torch.optim.AdamW(parameters, lr=0.01)
    for step in range(STEPS):
        optimizer.zero_grad()
        for part in range(PARTS):
            losses.append(gradients(net, asked, device, 10 * step + 2 * part + devices.rank))
        devices.sum_gradients(parameters)
        optimizer.step()
        with torch.no_grad():
            net.eval()
            losses.append(said(net, asked, device, 99, Course()).square().mean().item())
            net.train()
    return losses


def compare(devices: Devices, asked: Asked, device: torch.device, folder: Path) -> dict[str, Any]:
    """Train on sharded blocks, and on whole ones."""
    whole, sharded = model(asked, device, folder), model(asked, device, folder)
    first = adapter_state(whole)
    whole.to(device)
    devices.shard(sharded.blocks, device)
    losses, expected = train(sharded, asked, device, devices), train(whole, asked, device, devices)
    weights, wanted = adapter_state(sharded), adapter_state(whole)
    return {
        "losses": losses, "expected": expected, "names": list(weights) == list(wanted),
        "apart": max(float((weights[name] - own).abs().max()) for name, own in wanted.items()),
        "learnt": min(float((weights[name] - own).abs().max()) for name, own in first.items()),
    }  # fmt: skip


def room(devices: Devices, device: torch.device, folder: Path) -> dict[str, int]:
    """Return bytes of the frozen weights of all blocks, of this device's part, and by how much less is held in all."""
    net = model(ALL, device, folder)
    frozen = sum(some.nbytes for some in net.blocks.parameters() if not some.requires_grad)
    before = held()
    devices.shard(net.blocks, device)
    gradients(net, ALL, device, 0)
    net.zero_grad()
    parts = [some.to_local() for some in net.blocks.parameters() if isinstance(some, DTensor)]
    return {"frozen": frozen, "here": sum(part.nbytes for part in parts), "less": before - held()}


def held() -> int:
    """Return the bytes of all tensors of this process."""
    gc.collect()
    tensors = [
        some for some in gc.get_objects() if issubclass(type(some), Tensor) and not isinstance(some, DTensor)
    ]
    storages = {some.untyped_storage()._cdata: some.untyped_storage().nbytes() for some in tensors}
    return sum(storages.values())


if __name__ == "__main__":
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    with joined() as here:
        place = torch.device("cpu")
        if "cuda" in sys.argv:
            place = torch.device("cuda", here.rank)
            torch.cuda.set_device(place)
        seen: dict[str, Any] = {"room": room(here, place, out / f"model-{here.rank}")}
        for name, training in TRAININGS.items():
            seen[name] = compare(here, training, place, out / f"model-{here.rank}")
        (out / f"{here.rank}.json").write_text(json.dumps(seen))
    os._exit(
        0
    )  # threads by which torch talked to the others have been seen to abort a process that had done its work
