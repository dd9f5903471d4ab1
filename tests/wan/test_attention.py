"""The kernels that a recipe names are those that compute, or it is told what is missing."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.wan.attention import KERNELS, ON_CPU, NoSuchKernels, use_kernels
from engine.wan.denoise import predict
from engine.wan.load import load_transformer
from engine.words.train import Train


def prediction(folder: Path, cpu: torch.device, name: str) -> Tensor:
    model = load_transformer(folder, torch.float32, cpu)
    use_kernels(model, name, cpu)
    rng = torch.Generator().manual_seed(0)
    return predict(
        model, torch.randn(1, 16, 2, 4, 4, generator=rng), torch.tensor([0.5]), torch.randn(1, 8, 16, generator=rng)
    )  # fmt: skip


def test_every_name_of_the_vocabulary_is_in_the_table() -> None:
    schema = Train.model_json_schema()["properties"]["attention"]
    assert schema["enum"] == list(KERNELS)


@pytest.mark.parametrize("name", ON_CPU)
def test_the_kernels_of_a_cpu_compute_the_same_and_have_gradients(
    folder: Path, cpu: torch.device, name: str
) -> None:
    found, native = prediction(folder, cpu, name), prediction(folder, cpu, "native")
    assert found.requires_grad
    torch.testing.assert_close(found, native, rtol=1e-4, atol=1e-5)


def test_the_named_kernels_are_asked_for(
    folder: Path, cpu: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    native = torch.nn.attention.sdpa_kernel
    monkeypatch.setattr(torch.nn.attention, "sdpa_kernel", lambda kind: asked.append(kind) or native(kind))
    prediction(folder, cpu, "native_math")
    # two blocks, each with attention on the clip and on the text
    assert asked == [torch.nn.attention.SDPBackend.MATH] * 4


@pytest.mark.parametrize("name", [name for name in KERNELS if name not in ON_CPU])
def test_kernels_of_a_gpu_are_refused_on_a_cpu(folder: Path, cpu: torch.device, name: str) -> None:
    with pytest.raises(NoSuchKernels, match=name):
        prediction(folder, cpu, name)


def test_kernels_that_are_not_installed_are_named(folder: Path, cpu: torch.device) -> None:
    model = load_transformer(folder, torch.float32, cpu)
    with pytest.raises(NoSuchKernels, match="sageattention"):
        use_kernels(model, "sage", torch.device("cuda"))
