"""Clips as Wan sees them: latents of the video codec, normalised.

A latent is the mode of the codec's posterior, minus its mean, over its deviation, both in the codec's config. The codec
takes the first frame alone and then groups of four, and remembers of the past no more than its convolutions reach back:
so groups are given to it one by one, and a clip of any length needs the memory of one group. A rest of less than a
group it would drop without a word; here a rest is refused.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import patchify
from numpy.typing import NDArray
from torch import Tensor

Pixels = NDArray[np.uint8]


def encode_video(codec: AutoencoderKLWan, groups_FHWC: Iterable[Pixels], frames: int) -> Tensor:
    """Return ``latent_CFHW``, float32, on the CPU: bit for bit what ``codec.encode`` makes of the whole clip.

    Args:
        codec: float32.
        groups_FHWC: RGB, 0 to 255, as ``grouped`` makes them; H and W multiples of twice the codec's stride.
        frames: of all groups together; 4n+1 for Wan.

    Raises:
        ValueError: frames or sizes that would be cut silently, or a latent that is not finite.
    """
    return encode_signal(codec, (signal(group_FHWC) for group_FHWC in groups_FHWC), frames)


def grouped(frames_HWC: Iterable[Pixels], first: int = 1, then: int = 4) -> Iterator[Pixels]:
    """Yield ``group_FHWC``: the first frames and then the others as the codec takes them; the last may be smaller."""
    frames = iter(frames_HWC)
    size = first
    while group_HWC := list(islice(frames, size)):
        yield np.stack(group_HWC)
        size = then


def signal(frames_FHWC: Pixels) -> Tensor:
    """Return ``signal_CFHW``, float32, on the CPU: what the codec reads, black at -1, white at 1, mid-grey at 0."""
    return torch.from_numpy(frames_FHWC).permute(3, 0, 1, 2).float() / 127.5 - 1


@torch.no_grad()
def encode_signal(codec: AutoencoderKLWan, groups_CFHW: Iterable[Tensor], frames: int) -> Tensor:
    """Return ``latent_CFHW`` of a signal that need not be 8-bit pixels; otherwise as ``encode_video``.

    Args:
        codec: float32.
        groups_CFHW: float32, -1 to 1, one frame and then four at a time; one group at a time is on the codec's device.
        frames: of all groups together.
    """
    time = codec.config.scale_factor_temporal
    if frames < 1 or (frames - 1) % time:
        raise ValueError(f"{frames} frames do not fit: they must be {time}n+1")
    codec.clear_cache()
    try:
        # over all groups at once, as the codec does it: in pieces it would round differently
        moments_BCFHW = codec.quant_conv(_encode_groups(codec, groups_CFHW, frames))
    finally:
        codec.clear_cache()  # whoever encodes next must not remember this clip
    latent_CFHW = normalised(codec, moments_BCFHW[0, : codec.config.z_dim]).cpu().contiguous()
    if not latent_CFHW.isfinite().all():
        raise ValueError("its latents are not finite")
    return latent_CFHW


def _encode_groups(codec: AutoencoderKLWan, groups_CFHW: Iterable[Tensor], frames: int) -> Tensor:
    """Return what the encoder answers to a clip, with a frame for each group."""
    time = codec.config.scale_factor_temporal
    wanted, number, answer_BCFHW = 1 + (frames - 1) // time, 0, torch.empty(0)
    for number, group_CFHW in enumerate(groups_CFHW, start=1):
        _check(codec, group_CFHW, size=1 if number == 1 else time)
        frame_BC1HW = _encode_group(codec, group_CFHW)
        if number == 1:
            # one place for all: small pieces that are kept would keep the heap around them from being used again
            answer_BCFHW = frame_BC1HW.repeat(1, 1, wanted, 1, 1)
        # one group too many is written nowhere, and told below
        answer_BCFHW[:, :, number - 1 : number] = frame_BC1HW
    if number != wanted:
        raise ValueError(f"{number} groups of frames came, which is not {frames} frames")
    return answer_BCFHW


def _check(codec: AutoencoderKLWan, group_CFHW: Tensor, size: int) -> None:
    _, frames, height, width = group_CFHW.shape
    space = 2 * codec.config.scale_factor_spatial
    if height % space or width % space:
        raise ValueError(f"{width}x{height} does not fit: sides must be multiples of {space}")
    if frames != size:
        raise ValueError(f"a group of {frames} frames came where the codec takes {size}")


def _encode_group(codec: AutoencoderKLWan, group_CFHW: Tensor) -> Tensor:
    """Return the encoder's answer to one group, given what its cache holds of the groups before."""
    group_BCFHW = group_CFHW[None].to(codec.device)
    if codec.config.patch_size is not None:
        group_BCFHW = patchify(group_BCFHW, codec.config.patch_size)
    return codec.encoder(group_BCFHW, feat_cache=codec._enc_feat_map, feat_idx=[0])  # noqa: SLF001 - as its own `_encode` does


@torch.no_grad()
def decode_latent(codec: AutoencoderKLWan, latent_CFHW: Tensor) -> NDArray[np.uint8]:
    """Return ``frames_FHWC``, RGB, 0 to 255: the inverse of ``encode_video``, as far as the codec can."""
    mean_C111, deviation_C111 = statistics(codec)
    raw_CFHW = latent_CFHW.to(codec.device) * deviation_C111 + mean_C111
    video_CFHW = codec.decode(raw_CFHW[None]).sample[0]
    return ((video_CFHW.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 3, 0).cpu().numpy()


def normalised(codec: AutoencoderKLWan, raw_CFHW: Tensor) -> Tensor:
    """Return raw latents as the denoiser sees them, in the very arithmetic of the stock pipelines."""
    mean_C111, deviation_C111 = statistics(codec)
    return (raw_CFHW - mean_C111) * (1 / deviation_C111)


def statistics(codec: AutoencoderKLWan) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of raw latents by channel, ``(C, 1, 1, 1)``.

    Raises:
        ValueError: the config has none; unnormalised latents would train without an error, and wrongly.
    """
    channels = codec.config.z_dim
    mean, deviation = codec.config.latents_mean, codec.config.latents_std
    if not mean or not deviation or len(mean) != channels or len(deviation) != channels:
        raise ValueError(
            f"the video codec's config lacks latents_mean and latents_std for {channels} channels"
        )
    shape = (channels, 1, 1, 1)
    return torch.tensor(mean, device=codec.device).view(shape), torch.tensor(
        deviation, device=codec.device
    ).view(shape)
