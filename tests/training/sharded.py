"""Blocks of a tiny Wan whose weights lie on two devices, half on each; ``test_devices.py`` starts this file once for each.

    torchrun --nproc-per-node 2 tests/training/sharded.py FOLDER

Sharding is torch's own (FSDP2, ``fully_shard``). Each writes what it saw to ``FOLDER/<rank>.json``.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from diffusers import WanTransformer3DModel
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from engine.training.adapters import Lora, attach, trained
from engine.training.devices import joined


def model(dtype: torch.dtype, folder: Path) -> nn.Module:
    """Return a tiny Wan with an adapter that is not at zero; its base as it is loaded, in part in float32."""
    torch.manual_seed(0)
    made = WanTransformer3DModel(
        num_attention_heads=2, attention_head_dim=12, text_dim=16, freq_dim=32, ffn_dim=32, num_layers=2, rope_max_seq_len=64,
    )  # fmt: skip
    made.save_pretrained(folder)
    loaded = WanTransformer3DModel.from_pretrained(folder, torch_dtype=dtype)
    attach(loaded, Lora(rank=4, alpha=4, dropout=0, targets=[r"blocks\.\d+\.attn\d\.to_[qkv]"]), 0)
    for parameter in trained(loaded).values():
        nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(parameter.shape[0]))
    return loaded


def loss(net: nn.Module, dtype: torch.dtype, sample: int) -> Tensor:
    """Return half the mean square of what is predicted for a sample: its share in a batch of two."""
    rng = torch.Generator().manual_seed(sample)
    noisy_BCFHW = torch.randn(1, 16, 2, 4, 4, generator=rng).to(dtype)
    text_BLD = torch.randn(1, 8, 16, generator=rng).to(dtype)
    predicted_BCFHW = net(noisy_BCFHW, torch.tensor([500.0]), text_BLD, return_dict=False)[0]
    return predicted_BCFHW.float().square().mean() / 2


def whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def compare(rank: int, dtype: torch.dtype, folder: Path) -> dict[str, Any]:
    """Take a step on sharded blocks, and the same one alone on whole ones."""
    alone, shared = model(dtype, folder), model(dtype, folder)
    for sample in (0, 1):
        loss(alone, dtype, sample).backward()
    mesh = init_device_mesh("cpu", (2,))
    for block in shared.blocks:
        fully_shard(block, mesh=mesh)
    # FSDP divides by the number of devices, and gloo has no reduction that would leave it out
    (2 * loss(shared, dtype, rank)).backward()
    expected = trained(alone)
    errors = [
        float((whole(some.grad) - expected[name].grad).norm() / expected[name].grad.norm())
        for name, some in trained(shared).items()
    ]
    torch.optim.AdamW(expected.values(), lr=0.01).step()
    torch.optim.AdamW(trained(shared).values(), lr=0.01).step()
    state = get_model_state_dict(shared, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    after = [
        float((whole(some.detach()) - expected[name].detach()).abs().max())
        for name, some in trained(shared).items()
    ]
    return {
        "errors": errors, "after": after, "saved": sorted(name for name in state if "lora" in name),
        "numbers here": sum(p.to_local().numel() for p in shared.blocks.parameters()),
        "numbers in all": sum(p.numel() for p in alone.blocks.parameters()),
    }  # fmt: skip


if __name__ == "__main__":
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    with joined() as here:
        seen = {
            str(dtype): compare(here.rank, dtype, out / f"{dtype}-{here.rank}")
            for dtype in (torch.float32, torch.bfloat16)
        }
        (out / f"{here.rank}.json").write_text(json.dumps(seen))
    os._exit(
        0
    )  # threads by which torch talked to the others have been seen to abort a process that had done its work
