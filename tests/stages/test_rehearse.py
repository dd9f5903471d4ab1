"""A small step before the long stages: what cannot be had is met in seconds, and said by its word."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from diffusers import WanTransformer3DModel
from torch import nn
from torch.distributed import fsdp

from engine.endings import StageError
from engine.language.overrides import sets
from engine.language.resolve import resolve
from engine.plan.keys import project
from engine.seam import View, Work
from engine.stages import STAGES
from engine.stages.rehearse import run
from engine.stages.rehearse.run import adapted, rehearse, shortened
from engine.stages.rehearse.spec import REHEARSE, RehearseRuntime, RehearseSpec
from engine.stages.train import prepare as prepared
from engine.stages.train.layers import model_bytes
from engine.stages.train.prepare import prepare
from engine.training import quantise
from engine.training.optimizers import MissingPackage
from engine.wan.numbers import transformer_config
from engine.wan.outline import outline, short_model

MICRO = ROOT / "recipes/examples/micro-cartoon.yaml"
REAL = ROOT / "recipes/examples/wan21-disney.yaml"
ATTENTION = r"blocks\.\d+\.attn[12]\.to_(q|k|v|out\.0)"


def adapter(kind: str, targets: str = ATTENTION, **more: object) -> str:
    said = {"kind": kind, "rank": 2, "alpha": 2, "dropout": 0, "targets": [targets], **more}
    return f"train.adapter={json.dumps(said)}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a rehearsal reads of a model: its config, and no weights."""
    folder = tmp_path_factory.mktemp("model")
    config = transformer_config(resolve(MICRO).recipe.model.transformer)
    with torch.device("meta"):
        WanTransformer3DModel(**config | {"patch_size": (1, 2, 2)}).save_config(folder)
    assert [path.name for path in folder.iterdir()] == ["config.json"]
    return folder


def work(folder: Path, output: Path, *said: str) -> Work:
    recipe = resolve(MICRO, sets("hardware.device=cpu", *said)).recipe
    output.mkdir()
    heard: list[str] = []
    return Work(
        project(RehearseSpec, recipe), project(RehearseRuntime, recipe), {"fetch_model/transformer": folder}, {}, output,
        output, "", {}, output, heard, lambda _, **event: heard.append(event["message"]), lambda: False,
    )  # fmt: skip


def report(folder: Path, output: Path, *said: str) -> dict:
    rehearse(work(folder, output, *said))
    return json.loads((output / "report" / "rehearsal.json").read_text())


def test_it_stands_before_everything_that_takes_long() -> None:
    names = [stage.name for stage in STAGES]
    at = names.index("rehearse")
    assert names.index("fetch_model") < at
    assert all(at < names.index(name) for name in ("survey", "encode_text", "encode_video", "train"))


def test_it_takes_a_few_seconds_at_most_and_writes_down_what_it_did(folder: Path, tmp_path: Path) -> None:
    start = time.monotonic()
    found = report(folder, tmp_path / "out")
    assert time.monotonic() - start < 5
    assert 0 < found.pop("seconds") < 5
    assert 0 < found.pop("loss") < 10
    assert found == {"layers": 32, "blocks": 2, "device": "cpu", "peak_bytes": None, "quantised": None}


PLAIN = ("train.precision=fp32", "train.precision=bf16")
AGAIN = ("train.gradient_checkpointing={kind: blocks, every: 1}",)


@pytest.mark.parametrize("precision", PLAIN)
@pytest.mark.parametrize("quantize", ["none", "int8", "fp8"])
@pytest.mark.parametrize("kind", [adapter("lora"), adapter("dora"), adapter("lokr", factor=4), adapter("loha")],
                         ids=["lora", "dora", "lokr", "loha"])  # fmt: skip
def test_every_adapter_goes_with_every_base_that_the_rules_allow(
    folder: Path, tmp_path: Path, precision: str, quantize: str, kind: str
) -> None:
    if "dora" in kind and quantize != "none" and "bf16" in precision:
        pytest.skip("refused by rule RCP4070")
    found = report(folder, tmp_path / "out", precision, f"train.quantize={quantize}", kind)
    assert (found["quantised"] is None) is (quantize == "none")


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(["train.gradient_checkpointing={kind: blocks, every: 1}", "train.feed_forward_chunks=3"], id="blocks"),
        pytest.param(["train.gradient_checkpointing={kind: keep_attention}"], id="keep attention"),
        pytest.param([*AGAIN, "train.feed_forward_chunks=3", "train.quantize=int8"], id="chunks in 8 bits"),
        pytest.param([*AGAIN, "train.offload={kind: memory}"], id="offload to memory"),
        pytest.param([*AGAIN, "train.offload={kind: disk}", "train.quantize=fp8"], id="offload to disk in 8 bits"),
        pytest.param(["train.weights={kind: bf16, rounding: kahan}"], id="kahan"),
        pytest.param(["train.weights={kind: bf16, rounding: stochastic}"], id="stochastic"),
        pytest.param(["train.attention=native_math"], id="kernels"),
        pytest.param(["train.adapter.dropout=0.5"], id="dropout"),
        pytest.param(["train.adapter={kind: full}"], id="full"),
        pytest.param(["train.quantize=int8", "train.quantize_on=cpu"], id="quantised on the CPU"),
        pytest.param(["train.optimizer={kind: lion, betas: [0.9, 0.99], weight_decay: 0}"], id="lion"),
        pytest.param([adapter("lora", r"blocks\.3\.ffn\.net\.2")], id="a later block only"),
        pytest.param([adapter("lora", r"proj_out|condition_embedder\.time_proj")], id="outside of the blocks"),
    ],
)  # fmt: skip
def test_what_training_can_is_rehearsed(folder: Path, tmp_path: Path, said: list[str]) -> None:
    assert report(folder, tmp_path / "out", *said)["loss"] > 0


NO_LAYER = r"train\.adapter\.targets: .*matches none of the 46 linear layers .*blocks\.\d\.attn"


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        pytest.param(r"blocks\.\d+\.attn3\.to_q", NO_LAYER, id="no such layer"),
        pytest.param(r"blocks\.4\.attn1\.to_q", NO_LAYER, id="no such block"),
        pytest.param("(?:(?:.|..)+)+[XYZ]", r"train\.adapter\.targets: .* takes too long to match", id="a slow pattern"),
    ],
)  # fmt: skip
def test_targets_are_held_against_the_layers_of_the_real_class(
    folder: Path, tmp_path: Path, targets: str, message: str
) -> None:
    with pytest.raises(StageError, match=message):
        rehearse(work(folder, tmp_path / "out", adapter("lora", targets)))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_pattern_for_layers_that_the_plan_s_table_lacks_is_right_where_the_real_class_has_them(
    tmp_path: Path,
) -> None:
    """Wan 2.1 for image to video has keys and values of pictures; the table knows text to video."""
    config = transformer_config(resolve(MICRO).recipe.model.transformer)
    shown = config | {"patch_size": (1, 2, 2), "added_kv_proj_dim": 96, "image_dim": 32}
    with torch.device("meta"):
        WanTransformer3DModel(**shown).save_config(tmp_path / "model")
    spec = work(tmp_path, tmp_path / "out", adapter("lora", r"blocks\.\d\.attn2\.add_k_proj")).spec
    assert adapted(outline(tmp_path / "model"), spec) == [f"blocks.{n}.attn2.add_k_proj" for n in range(4)]


def test_kernels_that_the_device_has_not_are_said_by_their_word(folder: Path, tmp_path: Path) -> None:
    order = work(folder, tmp_path / "out")
    asked = replace(order, runtime=order.runtime.model_copy(update={"attention": "flash_3"}))
    with pytest.raises(StageError, match=r"train\.attention: the kernels `flash_3` do not run on a CPU"):
        rehearse(asked)


SHARED = ("hardware.devices=2", "hardware.shard=true", "train.batch_size=2")


def test_a_torch_that_cannot_shard_is_said_by_its_word(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(fsdp, "share_comm_ctx")
    with pytest.raises(StageError, match=r"hardware\.shard: this is torch .* sharding needs 2\.10 or newer"):
        rehearse(work(folder, tmp_path / "out", *SHARED))
    assert report(folder, tmp_path / "alone", "hardware.shard=true")["loss"] > 0, "one device shards nothing"


def test_what_several_devices_will_share_is_rehearsed_by_one_with_whole_blocks(
    folder: Path, tmp_path: Path
) -> None:
    shared, alone = (
        report(folder, tmp_path / name, *said) for name, said in (("shared", SHARED), ("alone", ()))
    )
    assert shared["loss"] == alone["loss"]


@pytest.mark.parametrize(
    ("said", "moves"), [((), True), (SHARED, False), (SHARED[:1], True), (SHARED[1:], True)]
)
def test_blocks_that_devices_will_share_are_not_moved_whole(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: tuple[str, ...], moves: bool
) -> None:
    moved: list[nn.Module] = []
    monkeypatch.setattr(prepared, "move", lambda model, _: moved.append(model))
    order, model = work(folder, tmp_path / "out", *said), short_model(folder, 1, torch.float32, 0)
    prepare(order.spec, order.runtime, model, ["blocks.0.attn1.to_q"], 0, torch.device("cpu"), pytest.fail)
    assert moved == ([model] if moves else [])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_of_blocks_that_devices_will_share_only_what_is_trained_is_on_the_gpu(
    folder: Path, tmp_path: Path
) -> None:
    order, model = work(folder, tmp_path / "out", *SHARED), short_model(folder, 1, torch.float32, 0)
    prepare(order.spec, order.runtime, model, ["blocks.0.attn1.to_q"], 0, torch.device("cuda"), pytest.fail)
    waiting = {name for name, weight in model.named_parameters() if not weight.is_cuda}
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    assert waiting == {name for name in frozen if name.startswith("blocks.")}
    assert len(waiting) > 20
    assert all(buffer.is_cuda for buffer in model.buffers())


def test_an_optimizer_that_cannot_be_made_is_said_by_its_word(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object, **__: object) -> None:
        raise MissingPackage("pip install it")

    monkeypatch.setattr(run, "optimizer_of", missing)
    with pytest.raises(StageError, match=r"train\.optimizer: pip install it"):
        rehearse(work(folder, tmp_path / "out"))


def spoilt(change: Callable[[nn.Module], object]) -> Callable[..., nn.Module]:
    def make(*given: object) -> nn.Module:
        model = short_model(*given)
        change(model)
        return model

    return make


def fill_with_infinity(model: nn.Module) -> None:
    model.proj_out.bias.data.fill_(torch.inf)


def go_around_a_block(model: nn.Module) -> None:
    model.blocks[1].forward = lambda hidden_BLD, *_: hidden_BLD


def refuse_to_work(model: nn.Module) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no kernel found to execute the kernel")

    model.blocks[0].forward = fail


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            fill_with_infinity,
            r"the loss of one small training step on cpu is inf: .*`train\.precision: fp32`",
        ),
        (
            go_around_a_block,
            r"train\.adapter: no gradient reaches 16 of 32 tensors, such as blocks\.1\.attn1\.to_k",
        ),
        (refuse_to_work, r"fails on cpu: no kernel found .*`train\.attention: native`"),
    ],
)
def test_a_step_that_goes_wrong_is_told_with_what_was_asked_for(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[nn.Module], object], message: str
) -> None:  # fmt: skip
    monkeypatch.setattr(run, "short_model", spoilt(change))
    with pytest.raises(StageError, match=message):
        rehearse(work(folder, tmp_path / "out"))


def test_layers_of_later_blocks_are_tried_in_the_first_two() -> None:
    layers = [
        "blocks.0.ffn.net.2",
        "blocks.17.attn1.to_q",
        "blocks.29.attn1.to_q",
        "blocks.28.ffn.net.2",
        "proj_out",
    ]
    assert shortened(layers) == ["blocks.0.ffn.net.2", "blocks.1.attn1.to_q", "proj_out"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_short_model_is_like_a_loaded_one_but_for_its_numbers(
    folder: Path, tmp_path: Path, dtype: torch.dtype
) -> None:
    WanTransformer3DModel.from_config(
        WanTransformer3DModel.load_config(folder), num_layers=2
    ).save_pretrained(tmp_path)
    loaded = WanTransformer3DModel.from_pretrained(tmp_path, torch_dtype=dtype)
    short = short_model(folder, 2, dtype, seed=0)
    assert {name: (value.shape, value.dtype) for name, value in short.state_dict().items()} == {
        name: (value.shape, value.dtype) for name, value in loaded.state_dict().items()
    }
    buffers = dict(loaded.named_buffers())
    assert all(torch.equal(value, buffers[name]) for name, value in short.named_buffers())


def test_the_short_model_depends_on_the_seed_alone(folder: Path) -> None:
    before = torch.get_rng_state()
    one, same, other = (short_model(folder, 1, torch.float32, seed).proj_out.weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_rehearsal_leaves_the_global_generator_alone(folder: Path, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    report(folder, tmp_path / "out", "train.adapter.dropout=0.5")
    assert torch.equal(torch.get_rng_state(), before)


def test_what_quantising_cost_is_written_down_by_kind_of_layer(folder: Path, tmp_path: Path) -> None:
    order = work(folder, tmp_path / "out", "train.quantize=int8")
    rehearse(order)
    found = json.loads((tmp_path / "out/report/rehearsal.json").read_text())["quantised"]
    ends = ["ffn.net.0.proj", "ffn.net.2"]
    ends += [
        f"{attention}.{name}"
        for attention in ("attn1", "attn2")
        for name in ("to_q", "to_k", "to_v", "to_out.0")
    ]
    assert set(found["quantised"]) == {f"blocks.*.{end}" for end in ends}
    assert all(0 < row["output_error"] < 0.02 and row["layers"] == 2 for row in found["quantised"].values())
    assert found["bytes_after"] < found["bytes_before"]
    assert order.items == [], "how large a short model is interests nobody"


def told(model: nn.Module, folder: Path, output: Path, *said: str) -> str:
    order, heard = work(folder, output, *said), list[str]()
    prepare(order.spec, order.runtime, model, ["blocks.0.attn1.to_q"], 0, torch.device("cpu"),
            lambda _, message: heard.append(message))  # fmt: skip
    (message,) = heard
    return message


def test_training_is_told_how_well_its_weights_were_quantised(folder: Path, tmp_path: Path) -> None:
    model = short_model(folder, 2, torch.float32, seed=0)
    before = sum(value.nbytes for value in [*model.parameters(), *model.buffers()])
    said = told(model, folder, tmp_path / "out", "train.quantize=int8")
    found = re.fullmatch(
        r"int8: the denoiser takes (\d) MB instead of (\d); the largest error is 0\.\d%, in blocks\.[01]\.\S+",
        said,
    )
    assert found is not None
    assert int(found[2]) == before // 10**6 > int(found[1])


def test_an_error_that_8_bits_do_not_usually_make_is_remarked_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(quantise.USUAL_ERROR, "int8", 1e-4)
    said = told(short_model(folder, 1, torch.float32, 0), folder, tmp_path / "out", "train.quantize=int8")
    assert "more than the 0% that int8 usually stays below" in said
    assert said.endswith("`train.quantize: none` keeps it as it is")


def plan_notes(recipe: Path, *said: str) -> tuple[str, ...]:
    spec = project(RehearseSpec, resolve(recipe, sets(*said)).recipe)
    return tuple(REHEARSE.foresee(View(spec, None, {}, {}, Path())).notes)


def test_the_plan_says_what_eight_bits_save() -> None:
    assert plan_notes(REAL) == ()
    # algorithms: 1.45 GB for all linear layers inside of the blocks of the 1.3B model
    assert plan_notes(REAL, "train.quantize=int8") == (
        "int8: 300 of 306 linear layers, the weights of the denoiser take 1,453.6 MB instead of 2,844.2",
    )


@pytest.mark.parametrize("recipe", [MICRO, REAL], ids=["micro", "1.3B"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("quantize", ["none", "int8", "fp8"])
def test_bytes_told_from_numbers_are_those_of_the_class(recipe: Path, precision: str, quantize: str) -> None:
    numbers = resolve(recipe).recipe.model.transformer
    with torch.device("meta"):
        model = WanTransformer3DModel(**transformer_config(numbers))
    size = {"fp32": 4, "bf16": 2}[precision]
    wide = {"time_embedder", "scale_shift_table", "norm1", "norm2", "norm3"}
    expected = 0
    for name, value in model.named_parameters():
        linear = name.startswith("blocks.") and name.endswith("weight") and value.dim() == 2
        each = 4 if wide & set(name.split(".")) else size
        if linear and quantize != "none":
            expected += value.numel() + each * value.shape[0]  # a code a weight, a scale a row
        else:
            expected += value.numel() * each
    assert model_bytes(numbers, precision, quantize) == expected


def test_what_cannot_be_trained_yet_is_not_rehearsed() -> None:
    recipe = resolve(MICRO).recipe
    shown = recipe.model_copy(
        update={"model": recipe.model.model_copy(update={"conditioning": "first_frame"})}
    )
    assert (REHEARSE.applies(recipe), REHEARSE.applies(shown)) == (True, False)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("quantize", ["none", "int8", "fp8"])
@pytest.mark.parametrize("where", ["device", "cpu"])
def test_a_gpu_counts_its_memory(folder: Path, tmp_path: Path, quantize: str, where: str) -> None:
    order = work(
        folder,
        tmp_path / "out",
        "train.precision=bf16",
        f"train.quantize={quantize}",
        f"train.quantize_on={where}",
    )
    rehearse(replace(order, runtime=order.runtime.model_copy(update={"device": "cuda"})))
    assert json.loads((tmp_path / "out/report/rehearsal.json").read_text())["peak_bytes"] > 0
