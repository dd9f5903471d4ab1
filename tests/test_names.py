"""One table between the two namings of Wan: nothing is lost in either direction, and no two things are one."""

import pytest
import torch
from diffusers import WanTransformer3DModel

from engine.names import to_diffusers, to_native

# numbers of Wan 2.1; the picture branch is that of I2V
T2V = {"num_attention_heads": 12, "attention_head_dim": 128, "ffn_dim": 8960, "num_layers": 30}
I2V = {"num_attention_heads": 40, "attention_head_dim": 128, "ffn_dim": 13824, "num_layers": 40, "in_channels": 36,
       "added_kv_proj_dim": 5120, "image_dim": 1280}  # fmt: skip
MICRO = {"num_attention_heads": 2, "attention_head_dim": 12, "ffn_dim": 32, "num_layers": 2}


def names(config: dict[str, int]) -> set[str]:
    with torch.device("meta"):
        return set(WanTransformer3DModel(**config).state_dict())


@pytest.mark.parametrize(
    ("config", "count"),
    [
        pytest.param(T2V, 825, id="2.1 T2V 1.3B"),
        pytest.param(I2V, 1303, id="2.1 I2V 14B"),
        pytest.param(MICRO, 69, id="micro"),
    ],
)
def test_every_tensor_has_one_name_in_each_naming(config: dict[str, int], count: int) -> None:
    ours = names(config)
    native = {name: to_native(name) for name in ours}
    assert len(ours) == len(set(native.values())) == count
    assert {to_diffusers(name) for name in native.values()} == ours
    assert all(to_diffusers(there) == name for name, there in native.items())


# the original's names of one block and of what stands around the blocks, typed from its source
ATTENTION = [f"{part}.{kind}" for part in ("q", "k", "v", "o") for kind in ("weight", "bias")]
BLOCK = {
    "modulation", "norm3.weight", "norm3.bias", "ffn.0.weight", "ffn.0.bias", "ffn.2.weight", "ffn.2.bias",
    *(f"{which}_attn.{name}" for which in ("self", "cross") for name in [*ATTENTION, "norm_q.weight", "norm_k.weight"]),
}  # fmt: skip
AROUND = {
    f"{layer}.{kind}" for kind in ("weight", "bias")
    for layer in ("patch_embedding", "text_embedding.0", "text_embedding.2", "time_embedding.0", "time_embedding.2",
                  "time_projection.1", "head.head")
} | {"head.modulation"}  # fmt: skip


def test_the_native_names_are_those_of_the_original_source() -> None:
    expected = AROUND | {f"blocks.{block}.{name}" for block in range(30) for name in BLOCK}
    assert {to_native(name) for name in names(T2V)} == expected


@pytest.mark.parametrize(
    ("ours", "native"),
    [
        ("blocks.7.norm2.weight", "blocks.7.norm3.weight"),
        ("blocks.7.norm3", "blocks.7.norm2"),
        ("blocks.12.attn1.to_out.0.lora_A.weight", "blocks.12.self_attn.o.lora_A.weight"),
        ("blocks.3.attn2.norm_added_k.weight", "blocks.3.cross_attn.norm_k_img.weight"),
        ("blocks.3.attn2.norm_k.weight", "blocks.3.cross_attn.norm_k.weight"),
        ("blocks.0.scale_shift_table", "blocks.0.modulation"),
        ("scale_shift_table", "head.modulation"),
        ("proj_out", "head.head"),
        ("condition_embedder.image_embedder.norm2.bias", "img_emb.proj.4.bias"),
    ],
)
def test_names_that_are_easily_confused_are_not(ours: str, native: str) -> None:
    assert to_native(ours) == native
    assert to_diffusers(native) == ours


@pytest.mark.parametrize("name", ["", "blocks.0", "blocks.0.attn3.to_q", "blocks.x.norm2", "proj_outer.weight", "blocks.0.norm22"])  # fmt: skip
def test_a_name_that_no_wan_has_is_refused(name: str) -> None:
    for rename in (to_native, to_diffusers):
        with pytest.raises(KeyError) as caught:
            rename(name)
        assert caught.value.args == (name,)
