"""Build a Wan with random weights from its numbers, in the stock classes and in diffusers layout.

The same numbers and seed give the same bytes. The text encoder's tokens are the printable characters and some common
words, so that any English text has an encoding of moderate length; other characters become the unknown token.
"""

import json
import string
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanTransformer3DModel
from torch import nn
from transformers import T5TokenizerFast, UMT5Config, UMT5EncoderModel

from engine.wan.numbers import codec_config, text_encoder_config, transformer_config
from engine.words.model import TextEncoder, Transformer, VideoCodec

MARK = "\u2581"  # stands for the space before a word
SPECIALS = ("<pad>", "</s>", "<unk>")
WORDS = """
a an the and or of in on to with at by for from over under between past behind before after is are it its old
new black white grey red green blue yellow colour dark bright round small little big long tall plump spotted
crooked cat mouse bird dog man woman child ball boat train hat flower fish tree house houses hill hills sea
waves sky sun moon crescent star stars twinkling smiling cloud clouds puffy garden fence stage curtains
spotlight rolling sailing steam face eyes tail wings petals walks runs dances waves bounces flies flaps sails
rocks rolls opens tumbles puffs moves left right up down along front happy laughing top two three cartoon film
video style skirt belly black-and-white
""".split()  # noqa: SIM905 - words read best as words
# word pieces win over characters, longer ones first
WORD_SCORE, CHARACTER_SCORE = -2.0, -8.0


def build(
    folder: Path, transformer: Transformer, codec: VideoCodec, text_encoder: TextEncoder, seed: int
) -> None:
    """Write a random model to a folder: transformer, vae, text_encoder, tokenizer, scheduler, model_index.json."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        WanTransformer3DModel(**_lists_to_tuples(transformer_config(transformer))).save_pretrained(
            folder / "transformer"
        )
        _lively(AutoencoderKLWan(**codec_config(codec), **_statistics(codec))).save_pretrained(folder / "vae")
        tokenizer = build_tokenizer()
        config = UMT5Config(
            vocab_size=len(tokenizer), **text_encoder_config(text_encoder), dropout_rate=0.0,
            feed_forward_proj="gated-gelu", is_encoder_decoder=False,
        )  # fmt: skip
        UMT5EncoderModel(config).save_pretrained(folder / "text_encoder")
    tokenizer.save_pretrained(folder / "tokenizer")
    UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=3.0
    ).save_pretrained(folder / "scheduler")
    (folder / "model_index.json").write_text(json.dumps(_INDEX, indent=2))


def build_tokenizer() -> T5TokenizerFast:
    """Return a unigram tokenizer over common words and printable characters."""
    characters = [MARK, *(character for character in string.printable if not character.isspace())]
    words = [MARK + word for word in dict.fromkeys(WORDS) if len(word) > 1]
    pieces = [*((special, 0.0) for special in SPECIALS), *((word, WORD_SCORE) for word in words)]
    pieces += [(character, CHARACTER_SCORE) for character in characters]
    return T5TokenizerFast(vocab=pieces, extra_ids=0, model_max_length=512)


def _lively(codec: AutoencoderKLWan) -> AutoencoderKLWan:
    """Widen the random convolutions a little: at their default scale a deep decoder paints plain grey."""
    with torch.no_grad():
        for module in codec.decoder.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d):
                module.weight.mul_(1.6)
    return codec


def _statistics(codec: VideoCodec) -> dict[str, list[float]]:
    """Mean and deviation of raw latents; the class has those of Wan's 16 channels, and of no other number."""
    channels = codec.latent_channels
    return {} if channels == 16 else {"latents_mean": [0.0] * channels, "latents_std": [1.0] * channels}


def _lists_to_tuples(config: dict[str, object]) -> dict[str, object]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in config.items()}


_INDEX = {
    "_class_name": "WanPipeline",
    "scheduler": ["diffusers", "UniPCMultistepScheduler"],
    "text_encoder": ["transformers", "UMT5EncoderModel"],
    "tokenizer": ["transformers", "T5TokenizerFast"],
    "transformer": ["diffusers", "WanTransformer3DModel"],
    "vae": ["diffusers", "AutoencoderKLWan"],
}
