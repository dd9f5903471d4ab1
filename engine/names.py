"""The two namings of Wan's layers: those of diffusers, which we use, and those of the original code, which ComfyUI reads.

Both name the same tensors in the same shapes. One trap: the norm before cross attention is ``norm2`` in diffusers and
``norm3`` in the original, and the one before the feed-forward network the other way round.
"""

import re
from collections.abc import Mapping

# of a whole layer, or of a parameter that has none; what follows, such as ``.weight``, stays as it is
_AROUND = {
    "patch_embedding": "patch_embedding",
    "condition_embedder.time_embedder.linear_1": "time_embedding.0",
    "condition_embedder.time_embedder.linear_2": "time_embedding.2",
    "condition_embedder.time_proj": "time_projection.1",
    "condition_embedder.text_embedder.linear_1": "text_embedding.0",
    "condition_embedder.text_embedder.linear_2": "text_embedding.2",
    "condition_embedder.image_embedder.norm1": "img_emb.proj.0",
    "condition_embedder.image_embedder.ff.net.0.proj": "img_emb.proj.1",
    "condition_embedder.image_embedder.ff.net.2": "img_emb.proj.3",
    "condition_embedder.image_embedder.norm2": "img_emb.proj.4",
    "condition_embedder.image_embedder.pos_embed": "img_emb.emb_pos",
    "scale_shift_table": "head.modulation",
    "norm_out": "head.norm",
    "proj_out": "head.head",
}
_IN_A_BLOCK = {
    "scale_shift_table": "modulation",
    "attn1.to_q": "self_attn.q",
    "attn1.to_k": "self_attn.k",
    "attn1.to_v": "self_attn.v",
    "attn1.to_out.0": "self_attn.o",
    "attn1.norm_q": "self_attn.norm_q",
    "attn1.norm_k": "self_attn.norm_k",
    "attn2.to_q": "cross_attn.q",
    "attn2.to_k": "cross_attn.k",
    "attn2.to_v": "cross_attn.v",
    "attn2.to_out.0": "cross_attn.o",
    "attn2.norm_q": "cross_attn.norm_q",
    "attn2.norm_k": "cross_attn.norm_k",
    "attn2.add_k_proj": "cross_attn.k_img",
    "attn2.add_v_proj": "cross_attn.v_img",
    "attn2.norm_added_k": "cross_attn.norm_k_img",
    "ffn.net.0.proj": "ffn.0",
    "ffn.net.2": "ffn.2",
    "norm1": "norm1",
    "norm2": "norm3",
    "norm3": "norm2",
}
_AROUND_BACK, _IN_A_BLOCK_BACK = (
    {native: ours for ours, native in table.items()} for table in (_AROUND, _IN_A_BLOCK)
)


def to_native(name: str) -> str:
    """Return the original name of a layer, or of a tensor of one: ``blocks.0.norm2.weight`` → ``blocks.0.norm3.weight``.

    Raises:
        KeyError: Wan has no such layer.
    """
    return _renamed(name, _AROUND, _IN_A_BLOCK)


def to_diffusers(name: str) -> str:
    """Return diffusers' name of a layer, or of a tensor of one: ``head.head.bias`` → ``proj_out.bias``.

    Raises:
        KeyError: Wan has no such layer.
    """
    return _renamed(name, _AROUND_BACK, _IN_A_BLOCK_BACK)


def _renamed(name: str, around: Mapping[str, str], in_a_block: Mapping[str, str]) -> str:
    block = re.match(r"blocks\.\d+\.", name)
    start = block[0] if block else ""
    inner = name.removeprefix(start)
    for known, other in (in_a_block if block else around).items():
        if inner == known or inner.startswith(f"{known}."):
            return start + other + inner.removeprefix(known)
    raise KeyError(name)
