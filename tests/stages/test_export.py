"""What is exported is what was trained: read again from the file, it computes the same; and training can go on from it."""

from pathlib import Path

import pytest
import torch
from diffusers import WanTransformer3DModel
from safetensors.torch import save_file
from torch import Tensor

from engine.seam import Work
from engine.stages.export.run import NAME, export
from engine.stages.export.spec import ExportRuntime, ExportSpec
from engine.stages.sample.run import pipeline_of
from engine.stages.sample.spec import SampleRuntime, SampleSpec
from engine.stages.train.prepare import ADAPTERS
from engine.stages.train.start import LEAF, foresee_start, take
from engine.store import digest_file
from engine.training.adapters import adapter_state, attach, trained
from engine.wan.build import build
from engine.wan.denoise import predict
from engine.wan.load import load_transformer
from engine.wan.lora_file import read_adapter
from engine.words.adapter import Dora, FileStart, Full, Loha, Lokr, Lora
from engine.words.model import TextEncoder, Transformer, VideoCodec

CPU = torch.device("cpu")
NUMBERS = Transformer(
    layers=2, heads=2, head_width=12, feed_forward_width=32, in_channels=16, out_channels=16, text_width=16, time_width=32,
    longest_side=64,
)  # fmt: skip
CODEC = VideoCodec(
    base_width=4, latent_channels=16, width_factors=[1, 1, 1, 1], residual_blocks=1, halve_time=[False, True, True],
    space_stride=8, time_stride=4,
)  # fmt: skip
TEXTS = TextEncoder(width=16, layers=1, heads=2, head_width=8, feed_forward_width=32, max_tokens=64)
TARGETS = [r"blocks\.\d+\.(attn[12]\.to_(q|k|v|out\.0)|ffn\.net\.(0\.proj|2))", "proj_out"]
SAID = {"alpha": 0.5, "dropout": 0.0, "targets": TARGETS}
KINDS = {
    "lora": Lora(kind="lora", rank=3, **SAID),
    "dora": Dora(kind="dora", rank=3, **SAID),
    "lokr": Lokr(kind="lokr", rank=2, factor=4, **SAID),
    "lokr-whole": Lokr(kind="lokr", rank=1000, factor=4, **SAID),
    "loha": Loha(kind="loha", rank=2, **SAID),
    "full": Full(kind="full"),
}
Adapter = Lora | Dora | Lokr | Loha | Full


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny model; read it, do not write there."""
    made = tmp_path_factory.mktemp("wan")
    build(made, NUMBERS, CODEC, TEXTS, seed=0)
    return made


def learnt(folder: Path, adapter: Adapter) -> WanTransformer3DModel:
    model = load_transformer(folder, torch.float32, CPU)
    attach(model, ADAPTERS[adapter.kind](**adapter.model_dump(exclude={"kind"})), seed=0)
    rng = torch.Generator().manual_seed(1)
    for value in trained(model).values():
        value.data.add_(torch.randn(value.shape, generator=rng), alpha=0.1)
    return model


def exported(folder: Path, place: Path, state: dict[str, Tensor], adapter: Adapter) -> Path:
    """The folder that the stage makes of a trained state."""
    (place / "adapter").mkdir()
    (place / "out").mkdir()
    save_file(state, place / "adapter" / "adapter.safetensors")
    inputs = {"train/adapter": place / "adapter", "fetch_model/transformer": folder / "transformer"}
    export(work(ExportSpec(adapter=adapter), ExportRuntime(), inputs, place / "out"))
    return place / "out" / "lora"


def work(spec: object, runtime: object, inputs: dict[str, Path], output: Path) -> Work:
    return Work(
        spec, runtime, inputs, {}, output, output, "", {}, output, None, lambda *_, **__: None, lambda: False
    )


def output(model: WanTransformer3DModel) -> Tensor:
    rng = torch.Generator().manual_seed(2)
    noisy, text = torch.randn(2, 16, 2, 4, 4, generator=rng), torch.randn(2, 8, 16, generator=rng)
    with torch.no_grad():
        return predict(model, noisy, torch.tensor([0.3, 0.8]), text)


def sampled(folder: Path, lora: Path, adapter: Adapter, *, after: bool) -> WanTransformer3DModel:
    """The denoiser that the videos are made with."""
    spec = SampleSpec(
        prompts={}, negative="", width=32, height=32, frames=5, sampler="unipc", steps=1, guidance=1.0, shift=1.0, seed=0,
        fps=16, max_tokens=8, precision="fp32", adapter=adapter,
    )  # fmt: skip
    runtime = SampleRuntime(attention="native", device="cpu", threads=0)
    inputs = {"fetch_model/transformer": folder / "transformer", "export/lora": lora}
    return pipeline_of(work(spec, runtime, inputs, lora), CPU, trained=after).transformer


@pytest.mark.parametrize("kind", KINDS)
def test_videos_are_made_with_what_was_trained(folder: Path, tmp_path: Path, kind: str) -> None:
    model = learnt(folder, KINDS[kind])
    lora = exported(folder, tmp_path, adapter_state(model), KINDS[kind])
    before, after = (output(sampled(folder, lora, KINDS[kind], after=when)) for when in (False, True))
    torch.testing.assert_close(after, output(model), rtol=1e-5, atol=1e-5)
    assert torch.equal(before, output(load_transformer(folder, torch.float32, CPU)))
    assert not torch.allclose(before, after, atol=1e-2)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "full"])
def test_training_can_go_on_from_an_exported_file_to_the_last_bit(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    adapter, state = KINDS[kind], adapter_state(learnt(folder, KINDS[kind]))
    path = exported(folder, tmp_path, state, adapter) / NAME
    start = foresee_start(FileStart(kind="file", path=str(path)), adapter, NUMBERS, digest_file)
    assert start.troubles == ()
    again = read_adapter(path, take(path, adapter, NUMBERS, start.leaves[LEAF]))
    assert again.keys() == state.keys()
    assert all(torch.equal(again[name], state[name]) for name in state)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_state_is_the_same_bytes(folder: Path, tmp_path: Path, kind: str) -> None:
    state, made = adapter_state(learnt(folder, KINDS[kind])), []
    for name, some in (("one", state), ("other", dict(reversed(state.items())))):
        (tmp_path / name).mkdir()
        lora = exported(folder, tmp_path / name, some, KINDS[kind])
        made.append(
            {str(path.relative_to(lora)): path.read_bytes() for path in lora.rglob("*") if path.is_file()}
        )
    assert made[0] == made[1]
    names = (
        {"transformer/config.json", "transformer/diffusion_pytorch_model.safetensors"}
        if kind == "full"
        else {NAME}
    )
    assert made[0].keys() == names
