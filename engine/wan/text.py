"""Texts as Wan sees them: UMT5 embeddings, cut to the text's own length and padded with zeros.

The denoiser does not mask the padding; it attends to it. So the padding must be zeros, as in the reference, and neither
what the encoder makes of padding tokens nor nothing at all.
"""

from collections.abc import Sequence

import torch
from diffusers.pipelines.wan.pipeline_wan import prompt_clean
from torch import Tensor
from transformers import PreTrainedTokenizerBase, UMT5EncoderModel


@torch.no_grad()
def encode_texts(
    tokenizer: PreTrainedTokenizerBase, encoder: UMT5EncoderModel, texts: Sequence[str], max_tokens: int
) -> list[Tensor]:
    """Return ``text_LD`` for each text, in the encoder's number format, on the CPU.

    L is the text's own length with its end mark, at most ``max_tokens``; the empty text has L = 1.
    """
    tokens = tokenizer(
        [prompt_clean(text) for text in texts], padding="max_length", max_length=max_tokens, truncation=True,
        return_attention_mask=True, return_tensors="pt",
    )  # fmt: skip
    device = encoder.get_input_embeddings().weight.device
    mask_BL = tokens.attention_mask
    hidden_BLD = encoder(tokens.input_ids.to(device), mask_BL.to(device)).last_hidden_state.cpu()
    return [text_LD[: int(mask_L.sum())].clone() for text_LD, mask_L in zip(hidden_BLD, mask_BL, strict=True)]


def pad_text(text_LD: Tensor, max_tokens: int) -> Tensor:
    """Return ``(max_tokens, D)``: the embedding, then zeros."""
    padded_LD = text_LD.new_zeros(max_tokens, text_LD.shape[1])
    padded_LD[: text_LD.shape[0]] = text_LD
    return padded_LD
