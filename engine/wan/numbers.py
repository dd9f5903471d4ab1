"""The numbers of a model, as a recipe's words say them and as diffusers' and transformers' configs say them.

One table a part: what a recipe calls by the field's plain name is written in the config under the library's.
"""

import json
from pathlib import Path
from typing import Any

from engine.words.model import TextEncoder, Transformer, VideoCodec

Config = dict[str, Any]


class WrongModel(Exception):
    """The weights are not those that the recipe's numbers describe."""


def transformer_config(numbers: Transformer) -> Config:
    """Return the config of ``WanTransformer3DModel`` that the numbers determine."""
    return {
        "num_layers": numbers.layers,
        "num_attention_heads": numbers.heads,
        "attention_head_dim": numbers.head_width,
        "ffn_dim": numbers.feed_forward_width,
        "in_channels": numbers.in_channels,
        "out_channels": numbers.out_channels,
        "text_dim": numbers.text_width,
        "freq_dim": numbers.time_width,
        "rope_max_seq_len": numbers.longest_side,
        "patch_size": [1, 2, 2],
        "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads",
    }


def codec_config(numbers: VideoCodec) -> Config:
    """Return the config of ``AutoencoderKLWan`` that the numbers determine."""
    return {
        "base_dim": numbers.base_width,
        "z_dim": numbers.latent_channels,
        "dim_mult": numbers.width_factors,
        "num_res_blocks": numbers.residual_blocks,
        "temperal_downsample": numbers.halve_time,  # spelt so in diffusers
        "scale_factor_spatial": numbers.space_stride,
        "scale_factor_temporal": numbers.time_stride,
    }


def text_encoder_config(numbers: TextEncoder) -> Config:
    """Return the config of ``UMT5EncoderModel`` that the numbers determine."""
    return {
        "d_model": numbers.width,
        "num_layers": numbers.layers,
        "num_heads": numbers.heads,
        "d_kv": numbers.head_width,
        "d_ff": numbers.feed_forward_width,
    }


def check_numbers(
    folder: Path, transformer: Transformer, codec: VideoCodec, text_encoder: TextEncoder
) -> None:
    """Hold the configs of a model in diffusers layout against the recipe's numbers.

    Numbers that an older config does not mention are the library's defaults and are not compared.

    Raises:
        WrongModel: naming every number that differs.
    """
    wanted = {
        "transformer": transformer_config(transformer),
        "vae": codec_config(codec),
        "text_encoder": text_encoder_config(text_encoder),
    }
    wrong = []
    for part, numbers in wanted.items():
        path = folder / part / "config.json"
        if not path.is_file():
            raise WrongModel(f"the model has no {part}/config.json: it is not in diffusers layout")
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise WrongModel(f"the model's {part}/config.json cannot be read")
        wrong += [
            f"{part}.{name} is {found[name]}, the recipe says {value}"
            for name, value in numbers.items()
            if name in found and found[name] != value
        ]
    if wrong:
        raise WrongModel("the weights are not those that the flavour describes: " + "; ".join(wrong))
