"""A training that starts from an adapter's file: every naming is understood, and what does not fit is said before any work."""

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from diffusers import WanTransformer3DModel
from safetensors.torch import save_file
from torch import Tensor

from engine.stages.train.layers import linear_layers, match
from engine.stages.train.prepare import ADAPTERS
from engine.stages.train.shapes import adapter_shapes
from engine.stages.train.start import FORMATS, LEAF, Start, Unusable, foresee_start, look, sources, take
from engine.store import digest_file
from engine.training import adapters
from engine.wan.lora_file import read_adapter
from engine.words.adapter import Dora, FileStart, FreshStart, Full, Loha, Lokr, Lora
from engine.words.model import Transformer

NUMBERS = Transformer(
    layers=2, heads=2, head_width=12, feed_forward_width=32, in_channels=16, out_channels=16, text_width=16, time_width=32,
    longest_side=64,
)  # fmt: skip
LAYERS = linear_layers(NUMBERS)
TARGETS = [r"blocks\.\d+\.attn[12]\.to_(q|out\.0)", r"blocks\.\d+\.ffn\.net\.(0\.proj|2)"]
# the layers of the targets as the original names them, typed by hand
NATIVE = {
    f"blocks.{block}.{ours}": f"blocks.{block}.{native}"
    for block in (0, 1)
    for ours, native in {
        "attn1.to_q": "self_attn.q", "attn1.to_out.0": "self_attn.o", "attn2.to_q": "cross_attn.q",
        "attn2.to_out.0": "cross_attn.o", "ffn.net.0.proj": "ffn.0", "ffn.net.2": "ffn.2",
    }.items()
}  # fmt: skip
KINDS = {
    "lora": Lora(kind="lora", rank=2, alpha=3.0, dropout=0.0, targets=TARGETS),
    "dora": Dora(kind="dora", rank=2, alpha=3.0, dropout=0.0, targets=TARGETS),
    "lokr": Lokr(kind="lokr", rank=2, alpha=3.0, dropout=0.0, factor=4, targets=TARGETS),
    "lokr-whole": Lokr(kind="lokr", rank=1000, alpha=3.0, dropout=0.0, factor=4, targets=TARGETS),
    "loha": Loha(kind="loha", rank=2, alpha=3.0, dropout=0.0, targets=TARGETS),
}
LORA = KINDS["lora"]
Words = Lora | Dora | Lokr | Loha


def wanted(words: Words) -> dict[str, dict[str, tuple[int, ...]]]:
    return adapter_shapes(words, {name: LAYERS[name] for name in match(LAYERS, words.targets).names})


def values(words: Words) -> dict[str, dict[str, Tensor]]:
    """Numbers for every tensor of an adapter: layer → factor → tensor."""
    rng = torch.Generator().manual_seed(0)
    return {
        layer: {factor: torch.randn(shape, generator=rng) for factor, shape in own.items()}
        for layer, own in wanted(words).items()
    }


def written(path: Path, named: Mapping[str, Tensor], notes: Mapping[str, str] | None = None) -> FileStart:
    save_file(dict(named), path / "given.safetensors", dict(notes) if notes else None)
    return FileStart(kind="file", path=str(path / "given.safetensors"))


def diffusers(words: Words = LORA) -> dict[str, Tensor]:
    return {
        f"transformer.{layer}.{factor}": value
        for layer, own in values(words).items()
        for factor, value in own.items()
    }


def model(words: Words | None = None) -> WanTransformer3DModel:
    torch.manual_seed(1)
    net = WanTransformer3DModel(
        num_attention_heads=2, attention_head_dim=12, ffn_dim=32, num_layers=2, text_dim=16, freq_dim=32, rope_max_seq_len=64,
    ).eval()  # fmt: skip
    if words is not None:
        adapters.attach(net, ADAPTERS[words.kind](**words.model_dump(exclude={"kind"})), seed=0)
    return net


def output(net: WanTransformer3DModel) -> Tensor:
    rng = torch.Generator().manual_seed(2)
    noisy, text = torch.randn(1, 16, 2, 4, 4, generator=rng), torch.randn(1, 8, 16, generator=rng)
    with torch.no_grad():
        return net(noisy, torch.tensor([500.0]), text, return_dict=False)[0]


def merged(words: Words, strength: float) -> WanTransformer3DModel:
    """The model that a file means: its base with the adapter in the weights, by the formulas of each kind."""
    net = model()
    for layer, own in values(words).items():
        weight = net.get_submodule(layer).weight
        w, at = weight.detach().double(), {factor: value.double() for factor, value in own.items()}
        if words.kind == "loha":
            w += strength * (at["hada_w1_a"] @ at["hada_w1_b"]) * (at["hada_w2_a"] @ at["hada_w2_b"])
        elif words.kind == "lokr":
            inner = at["lokr_w2"] if "lokr_w2" in at else strength * at["lokr_w2_a"] @ at["lokr_w2_b"]
            w += torch.kron(at["lokr_w1"], inner)
        else:
            w += strength * at["lora_B.weight"] @ at["lora_A.weight"]
        if words.kind == "dora":
            w *= (at["lora_magnitude_vector"] / w.norm(dim=1))[:, None]
        weight.data = w.float()
    return net


def started(start: FileStart, words: Words) -> WanTransformer3DModel:
    """The model that training would start with."""
    told = foreseen(start, words)
    assert told.troubles == ()
    net, path = model(words), Path(start.path)
    adapters.load_adapter_state(net, read_adapter(path, take(path, words, NUMBERS, told.leaves[LEAF])))
    return net


# styles, written by hand: a name for each tensor of layer and factor
DOWN = {
    "lora_A.weight": "lora_down.weight",
    "lora_B.weight": "lora_up.weight",
    "lora_magnitude_vector": "dora_scale",
}
STYLES: dict[str, Callable[[str, str], str]] = {
    "diffusers": lambda layer, factor: f"transformer.{layer}.{factor}",
    "bare": lambda layer, factor: f"{layer}.{factor}",
    "bare, down and up": lambda layer, factor: f"{layer}.{DOWN.get(factor, factor)}",
    "peft": lambda layer, factor: f"base_model.model.{layer}.{factor}",
    "ComfyUI, A and B": lambda layer, factor: f"diffusion_model.{NATIVE[layer]}.{factor}",
    "ComfyUI, down and up": lambda layer, factor: (
        f"diffusion_model.{NATIVE[layer]}.{DOWN.get(factor, factor)}"
    ),
    "ComfyUI's prefix, diffusers' names": lambda layer, factor: f"diffusion_model.{layer}.{factor}",
    "sd-scripts": lambda layer, factor: (
        f"lora_unet_{NATIVE[layer].replace('.', '_')}.{DOWN.get(factor, factor)}"
    ),
    "LyCORIS": lambda layer, factor: f"lycoris_{layer.replace('.', '_')}.{DOWN.get(factor, factor)}",
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_any_style_and_kind_does_here_what_it_did_there(
    kind: str, style: str, tmp_path: Path
) -> None:
    words, name = KINDS[kind], STYLES[style]
    named = {
        name(layer, factor): value for layer, own in values(words).items() for factor, value in own.items()
    }
    if style == "LyCORIS":
        named = {key: value[:, None] if "dora_scale" in key else value for key, value in named.items()}
    with_alpha = style in {"ComfyUI, down and up", "sd-scripts", "LyCORIS"}
    if with_alpha:
        named |= {name(layer, "alpha"): torch.tensor(5.0) for layer in values(words)}
    net = started(written(tmp_path, named), words)
    expected = merged(words, 5 / words.rank if with_alpha else 1.0)
    torch.testing.assert_close(output(net), output(expected), rtol=1e-3, atol=1e-4)
    assert not torch.allclose(output(net), output(model()), atol=1e-2)


@pytest.mark.parametrize(
    ("settings", "strength"),
    [
        pytest.param({"lora_alpha": 8}, 4, id="alpha"),
        pytest.param({"r": 2, "lora_alpha": 0.5}, 0.25, id="less than one"),
        pytest.param({"lora_alpha": 4, "use_rslora": True}, 4 / math.sqrt(2), id="over the root of the rank"),
        pytest.param({"lora_alpha": 9, "alpha_pattern": dict.fromkeys(NATIVE, 6)}, 3, id="of single layers"),
        pytest.param({"r": 2}, 1, id="rank only"),
    ],
)
@pytest.mark.parametrize("where", ["header", "beside"])
def test_the_strength_is_read_from_the_settings_of_peft(
    where: str, settings: dict[str, object], strength: float, tmp_path: Path
) -> None:
    if where == "header":
        told = json.dumps({f"transformer.{name}": value for name, value in settings.items()})
        start = written(tmp_path, diffusers(), {"lora_adapter_metadata": told})
    else:
        named = {
            name.replace("transformer.", "base_model.model."): value for name, value in diffusers().items()
        }
        (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
        start = written(tmp_path, named)
    torch.testing.assert_close(
        output(started(start, LORA)), output(merged(LORA, strength)), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64], ids=str
)
def test_alpha_is_read_in_every_number_format(dtype: torch.dtype, tmp_path: Path) -> None:
    alphas = {f"{layer}.alpha": torch.tensor(6, dtype=dtype) for layer in NATIVE}
    start = written(tmp_path, diffusers() | {f"transformer.{name}": value for name, value in alphas.items()})
    assert set(look(Path(start.path), LAYERS).strengths.values()) == {3.0}


@pytest.mark.parametrize(
    "dtype",
    [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2], ids=str,
)  # fmt: skip
def test_an_adapter_is_read_in_every_format_of_fractions(dtype: torch.dtype, tmp_path: Path) -> None:
    given = {name: value.to(dtype) for name, value in diffusers().items()}
    start = written(tmp_path, given)
    taken = read_adapter(
        Path(start.path), take(Path(start.path), LORA, NUMBERS, foreseen(start).leaves[LEAF])
    )
    name = "blocks.0.attn1.to_q.lora_A.weight"
    assert torch.equal(taken[name], given[f"transformer.{name}"].float())
    assert dtype.itemsize in FORMATS.values()


def test_layers_of_different_strengths_keep_them(tmp_path: Path) -> None:
    alphas = {f"transformer.{layer}.alpha": torch.tensor(float(at)) for at, layer in enumerate(NATIVE, 1)}
    start = written(tmp_path, diffusers() | alphas)
    found = sources(look(Path(start.path), LAYERS), LORA)
    # ours is 3 / 2, theirs alpha / 2
    assert {layer: found[f"{layer}.lora_B.weight"][1] for layer in NATIVE} == {
        layer: pytest.approx(at / 3) for at, layer in enumerate(NATIVE, 1)
    }
    assert {factor for name, (_, factor) in found.items() if "lora_A" in name} == {1.0}


# what a plan says


def foreseen(start: FileStart | FreshStart, words: Words | Full = LORA) -> Start:
    return foresee_start(start, words, NUMBERS, digest_file)


def test_a_fresh_start_has_nothing_to_say() -> None:
    assert foreseen(FreshStart(kind="fresh")) == Start()


@pytest.mark.parametrize(
    ("alpha", "expected"),
    [
        pytest.param(None, "given.safetensors: lora on 12 layers; its strength is 1, so its factors are multiplied by 0.666667 to do the "
                     "same at this one; it does not say its strength, and alpha = rank is taken", id="silent"),
        pytest.param(3.0, "given.safetensors: lora on 12 layers", id="the same"),
        pytest.param(6.0, "given.safetensors: lora on 12 layers; its strength is 3, so its factors are multiplied by 2 to do the same at "
                     "this one", id="another"),
    ],
)  # fmt: skip
def test_the_note_says_what_was_done_to_its_strength(
    alpha: float | None, expected: str, tmp_path: Path
) -> None:
    alphas = {} if alpha is None else {f"transformer.{layer}.alpha": torch.tensor(alpha) for layer in NATIVE}
    assert foreseen(written(tmp_path, diffusers() | alphas)).notes == (f"starts from {expected}",)


def test_the_leaf_follows_the_content_and_not_the_name(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "same", "other")]
    for folder in folders:
        folder.mkdir()
    changed = {name: value + 1 for name, value in diffusers().items()}
    one, same, other = (
        foreseen(written(folder, named)).leaves
        for folder, named in zip(folders, (diffusers(), diffusers(), changed), strict=True)
    )
    assert one == same != other
    assert one.keys() == {"start"}


def test_the_leaf_follows_a_strength_that_stands_in_a_file_beside_it(tmp_path: Path) -> None:
    start = written(
        tmp_path,
        {name.replace("transformer.", "base_model.model."): value for name, value in diffusers().items()},
    )
    leaves = []
    for alpha in (1, 2):
        (tmp_path / "adapter_config.json").write_text(json.dumps({"lora_alpha": alpha}))
        leaves.append(foreseen(start).leaves)
    assert leaves[0] != leaves[1]


def test_a_file_that_changed_after_the_plan_is_refused(tmp_path: Path) -> None:
    start = written(tmp_path, diffusers())
    leaf = foreseen(start).leaves[LEAF]
    written(tmp_path, {name: value + 1 for name, value in diffusers().items()})
    with pytest.raises(Unusable, match="run again"):
        take(Path(start.path), LORA, NUMBERS, leaf)


def respelt(before: bytes, after: bytes) -> Callable[[Path], object]:
    """A whole file in whose header one word is another of the same length."""

    def make(path: Path) -> None:
        whole = Path(written(path, diffusers()).path)
        content = whole.read_bytes()
        assert before in content
        assert len(before) == len(after)
        whole.write_bytes(content.replace(before, after, 1))

    return make


def noted(text: str) -> Callable[[Path], object]:
    return lambda path: written(path, diffusers(), {"lora_adapter_metadata": text})


def beside(content: bytes) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        written(
            path,
            {name.replace("transformer.", "base_model.model."): value for name, value in diffusers().items()},
        )
        (path / "adapter_config.json").write_bytes(content)

    return make  # fmt: skip


def with_alphas(alpha: float) -> Callable[[Path], object]:
    alphas = {f"transformer.{layer}.alpha": torch.tensor(alpha) for layer in NATIVE}
    return lambda path: written(path, diffusers() | alphas)


def cut_off(path: Path) -> None:
    whole = Path(written(path, diffusers()).path)
    whole.write_bytes(whole.read_bytes()[:-1])


UNUSABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda _: None, "No such file"),
    "a folder": (lambda path: (path / "given.safetensors").mkdir(), "Is a directory"),
    "empty": (lambda path: (path / "given.safetensors").touch(), "does not begin like one"),
    "a pickle": (lambda path: (path / "given.safetensors").write_bytes(b"\x80\x02}q\x00X" * 9), "does not begin like one"),
    "no JSON": (lambda path: (path / "given.safetensors").write_bytes((4).to_bytes(8, "little") + b"nope"), "header is damaged"),
    "a list": (lambda path: (path / "given.safetensors").write_bytes((2).to_bytes(8, "little") + b"[]"), "header is damaged"),
    "cut off": (cut_off, "cut off"),
    "no adapter": (lambda path: written(path, {"model.weight": torch.ones(1)}), "it holds model.weight"),
    "no tensors": (lambda path: written(path, {}), "it holds nothing"),
    "another program's layers": (lambda path: written(path, {"lora_unet_down_blocks_0.lora_up.weight": torch.ones(1)}), "no adapter of this"),
    "an alpha of two": (lambda path: written(path, diffusers() | {"transformer.proj_out.alpha": torch.ones(2)}), "is not one number"),
    "settings that are no JSON": (lambda path: written(path, diffusers(), {"lora_adapter_metadata": "{"}), "settings in it are damaged"),
    "an alpha that is no number": (
        lambda path: written(path, diffusers(), {"lora_adapter_metadata": '{"transformer.lora_alpha": "x"}'}), "settings in it are damaged"),
    "strengths by pattern": (
        lambda path: written(path, diffusers(), {"lora_adapter_metadata": '{"transformer.alpha_pattern": {"to_q": 2}}'}), "by patterns"),
    "a pipe": (lambda path: os.mkfifo(path / "given.safetensors"), "it is a pipe or a device"),
    "a format of nobody": (respelt(b'"F32"', b'"F33"'), "is in the format F33; those of an adapter are F64, F32"),
    "whole numbers": (lambda path: written(path, {name: value.int() for name, value in diffusers().items()}), "is in the format I32"),
    "another shape than bytes": (respelt(b'"shape":[2,', b'"shape":[3,'), "has not as many bytes as its shape"),
    "an endless shape": (respelt(b'"F32","shape":[2,24]', b'"F3","shape":[1e999]'), "header is damaged"),
    "no rank": (lambda path: written(path, diffusers(LORA.model_copy(update={"rank": 0}))), "it has rank 0 at blocks.0.attn1.to_out.0"),
    "an endless rank": (noted('{"transformer.r": 1e999, "transformer.lora_alpha": 4}'), "settings in it are damaged"),
    "a rank of 400 digits": (noted('{"transformer.r": 1' + "0" * 400 + "}"), "settings in it are damaged"),
    "an alpha of NaN": (noted('{"transformer.r": 2, "transformer.lora_alpha": NaN}'), "is nan, by an alpha of nan; it must be above 0"),
    "an endless alpha": (noted('{"transformer.lora_alpha": Infinity}'), "is inf, by an alpha of inf"),
    "settings without an end": (noted("[" * 100_000), "settings in it are damaged"),
    "settings that are no text": (beside(b"\xff\xff"), "settings in it are damaged"),
    "a rank of 0 for whole matrices": (
        lambda path: written(path, diffusers(KINDS["lokr-whole"]), {"lora_adapter_metadata": '{"transformer.r": 0}'}), "it has rank 0"),
    "an alpha of 0": (with_alphas(0.0), "is 0, by an alpha of 0; it must be above 0"),
    "an alpha below 0": (with_alphas(-2.0), "is -1, by an alpha of -2"),
    "a tensor of NaN": (with_alphas(math.nan), "by an alpha of nan"),
    "a factor in two spellings": (
        lambda path: written(path, diffusers() | {"diffusion_model.blocks.0.self_attn.q.lora_A.weight": torch.ones(2, 24)}),
        "it has blocks.0.attn1.to_q.lora_A.weight twice, as diffusion_model.blocks.0.self_attn.q.lora_A.weight and as transformer"),
    "an alpha in two spellings": (
        lambda path: written(path, diffusers() | {f"{name}.attn1.to_q.alpha": torch.tensor(2.0) for name in ("blocks.1", "transformer.blocks.1")}),
        "it has blocks.1.attn1.to_q.alpha twice"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "why"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_file_that_cannot_be_used_is_said_with_its_name_and_the_reason(
    make: Callable[[Path], object], why: str, tmp_path: Path
) -> None:
    make(tmp_path)
    path = tmp_path / "given.safetensors"
    with pytest.raises(Unusable, match=why):
        look(path, LAYERS)
    (trouble,) = foreseen(FileStart(kind="file", path=str(path))).troubles
    assert (trouble.code, trouble.word) == ("RCP4035", "train.start.path")
    assert why in trouble.message
    assert str(path) in trouble.message


def only(start: FileStart, words: Words | Full, word: str) -> tuple[str, str]:
    """The message and the help of the only trouble, which points at a word; nothing is noted beside it."""
    told = foreseen(start, words)
    (trouble,) = told.troubles
    assert (trouble.code, trouble.word, trouble.warning) == ("RCP4035", word, False)
    assert told.notes == ()
    return trouble.message, trouble.help


@pytest.mark.parametrize("given", KINDS)
@pytest.mark.parametrize("asked", KINDS)
def test_another_kind_is_refused_and_named(given: str, asked: str, tmp_path: Path) -> None:
    start, words = written(tmp_path, diffusers(KINDS[given])), KINDS[asked]
    if KINDS[given].kind == words.kind:
        assert (foreseen(start, words).troubles == ()) == (given == asked)
    else:
        message, help_ = only(start, words, "train.adapter.kind")
        assert message == f"the file holds {KINDS[given].kind}, and {words.kind} is to be trained"
        assert f"kind: {KINDS[given].kind}`" in help_


def test_two_kinds_in_one_file_are_refused(tmp_path: Path) -> None:
    half = {name: value for name, value in diffusers(KINDS["loha"]).items() if "blocks.1" in name}
    rest = {name: value for name, value in diffusers().items() if "blocks.0" in name}
    assert "holds loha, lora" in only(written(tmp_path, half | rest), LORA, "train.adapter.kind")[0]


def test_all_weights_cannot_start_from_an_adapter_s_file(tmp_path: Path) -> None:
    assert (
        "all weights are trained"
        in only(written(tmp_path, diffusers()), Full(kind="full"), "train.start.kind")[0]
    )


def test_another_rank_is_refused_and_named(tmp_path: Path) -> None:
    start = written(tmp_path, diffusers(LORA.model_copy(update={"rank": 5})))
    message, help_ = only(start, LORA, "train.adapter.rank")
    assert message == "the file has rank 5, and 2 is to be trained"
    assert "`rank: 5`" in help_


def test_layers_with_different_ranks_are_refused(tmp_path: Path) -> None:
    five = {
        name: value
        for name, value in diffusers(LORA.model_copy(update={"rank": 5})).items()
        if "attn1" in name
    }
    message, help_ = only(written(tmp_path, diffusers() | five), LORA, "train.adapter.rank")
    assert "rank 2, 5" in message
    assert "one rank" in help_


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        pytest.param(TARGETS[:1], "has 4 that `targets` leave out, such as blocks.0.ffn.net.0.proj", id="more"),
        pytest.param([*TARGETS, "proj_out"], "lacks 1 that `targets` have, such as proj_out", id="fewer"),
        pytest.param([TARGETS[0], "proj_out"], "has 4 that `targets` leave out, such as blocks.0.ffn.net.0.proj and lacks 1 ", id="both"),
    ],
)  # fmt: skip
def test_other_layers_are_refused_and_the_file_s_shown_as_patterns(
    targets: list[str], said: str, tmp_path: Path
) -> None:
    words = LORA.model_copy(update={"targets": targets})
    message, help_ = only(written(tmp_path, diffusers()), words, "train.adapter.targets")
    assert said in message
    patterns = help_.removeprefix("what the file has is ").split(", ")
    assert match(LAYERS, patterns).names == match(LAYERS, TARGETS).names


@pytest.mark.parametrize(
    "name",
    [
        "transformer.blocks.0.attn1.to_q.diff_b", "transformer.blocks.9.attn1.to_q.lora_A.weight", "lora_te_text.lora_up.weight",
        "transformer.blocks.0.attn1.to_q.lokr_t2", "transformer.blocks.0.norm2.lora_A.weight", "diffusion_model.blocks.0.self_attn.norm_q.diff",
    ],
)  # fmt: skip
def test_tensors_that_cannot_be_trained_are_listed_and_not_dropped(name: str, tmp_path: Path) -> None:
    start = written(tmp_path, diffusers() | {name: torch.ones(1)})
    assert (
        only(start, LORA, "train.start.path")[0]
        == f"the file holds what is no part of an adapter here: {name} (1 in all)"
    )


def test_an_adapter_of_a_wider_model_is_refused_with_both_sizes(tmp_path: Path) -> None:
    wider = {
        name: torch.cat([value, value], dim=1 if "lora_A" in name else 0)
        for name, value in diffusers().items()
    }
    message, _ = only(written(tmp_path, wider), LORA, "train.start.path")
    assert "lora_A.weight 2×48" in message
    assert "lora_A.weight 2×24" in message


def test_half_a_pair_is_refused(tmp_path: Path) -> None:
    named = diffusers()
    del named["transformer.blocks.1.ffn.net.2.lora_B.weight"]
    message, _ = only(written(tmp_path, named), LORA, "train.start.path")
    assert message.startswith("at blocks.1.ffn.net.2 the file has lora_A.weight 2×32, and")


# the sizes that a plan knows


@pytest.mark.parametrize("kind", KINDS)
def test_the_plan_knows_every_tensor_that_training_will_have(kind: str) -> None:
    foretold = {
        f"{layer}.{factor}": shape
        for layer, own in wanted(KINDS[kind]).items()
        for factor, shape in own.items()
    }
    assert foretold == {
        name: tuple(value.shape) for name, value in adapters.trained(model(KINDS[kind])).items()
    }


@pytest.mark.parametrize("factor", [-1, 1, 2, 3, 4, 5, 16, 100])
def test_the_plan_parts_widths_as_training_does(factor: int) -> None:
    words = KINDS["lokr"].model_copy(update={"factor": factor, "targets": [".*"]})
    foretold = {
        f"{layer}.{name}": shape
        for layer, own in adapter_shapes(words, LAYERS).items()
        for name, shape in own.items()
    }
    assert foretold == {name: tuple(value.shape) for name, value in adapters.trained(model(words)).items()}


def test_all_weights_have_no_adapter() -> None:
    assert adapter_shapes(Full(kind="full"), LAYERS) == {}


WAN = {
    "1.3B": Transformer(
        layers=30, heads=12, head_width=128, feed_forward_width=8960, in_channels=16, out_channels=16, text_width=4096,
        time_width=256, longest_side=1024,
    ),
    "14B": Transformer(
        layers=40, heads=40, head_width=128, feed_forward_width=13824, in_channels=16, out_channels=16, text_width=4096,
        time_width=256, longest_side=1024,
    ),
    "5B": Transformer(
        layers=30, heads=24, head_width=128, feed_forward_width=14336, in_channels=48, out_channels=48, text_width=4096,
        time_width=256, longest_side=1024,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "rank", "attention", "both"),
    [
        ("1.3B", 16, 11_796_480, 21_872_640),
        ("1.3B", 32, 23_592_960, 43_745_280),
        ("14B", 16, 52_428_800, 76_677_120),
        ("14B", 32, 104_857_600, 153_354_240),
        ("5B", 16, 23_592_960, 40_304_640),
        ("5B", 32, 47_185_920, 80_609_280),
    ],
)
def test_a_lora_of_the_real_wans_has_as_many_numbers_as_were_counted(
    name: str, rank: int, attention: int, both: int
) -> None:
    layers = linear_layers(WAN[name])
    for targets, count in (([".*attn.*"], attention), ([r".*attn.*", r".*\.ffn\..*"], both)):
        words = LORA.model_copy(update={"rank": rank, "targets": targets})
        shapes = adapter_shapes(words, {layer: layers[layer] for layer in match(layers, targets).names})
        assert sum(math.prod(shape) for own in shapes.values() for shape in own.values()) == count
