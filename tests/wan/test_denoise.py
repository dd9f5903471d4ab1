"""What the denoiser is asked, and in which numbers it answers."""

from pathlib import Path

import torch

from engine.wan.denoise import predict
from engine.wan.load import load_transformer


def ask(model, dtype: torch.dtype, sigma: float) -> torch.Tensor:
    noisy_BCFHW = torch.ones(1, model.config.in_channels, 1, 4, 4, dtype=dtype)
    return predict(
        model, noisy_BCFHW, torch.tensor([sigma]), torch.zeros(1, 8, model.config.text_dim, dtype=dtype)
    )


def test_a_bfloat16_model_embeds_time_in_float32_as_the_reference_does(folder: Path, cpu) -> None:
    model, seen = load_transformer(folder, torch.bfloat16, cpu), []
    model.condition_embedder.time_embedder.register_forward_hook(lambda _m, _i, out: seen.append(out.dtype))
    ask(model, torch.bfloat16, 0.9997)
    assert seen == [torch.float32]


def test_times_that_bfloat16_would_not_tell_apart_are_told_apart(folder: Path, cpu) -> None:
    model, seen = load_transformer(folder, torch.bfloat16, cpu), []
    model.condition_embedder.time_embedder.register_forward_hook(lambda _m, _i, out: seen.append(out))
    ask(model, torch.bfloat16, 0.9997)
    ask(model, torch.bfloat16, 0.9993)  # 999.7 and 999.3 are both 1000 in bfloat16
    assert not torch.equal(seen[0], seen[1])
