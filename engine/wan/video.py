"""Clips as Wan sees them: latents of the video codec, normalised.

A latent is the mode of the codec's posterior, minus its mean, over its deviation, both in the codec's config. The codec
takes the first frame alone and then groups of four; it would drop a rest without a word, so a rest is refused here.
"""

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from numpy.typing import NDArray
from torch import Tensor


@torch.no_grad()
def encode_video(codec: AutoencoderKLWan, frames_FHWC: NDArray[np.uint8]) -> Tensor:
    """Return ``latent_CFHW``, float32, on the CPU.

    Args:
        codec: float32.
        frames_FHWC: RGB, 0 to 255; F = 4n+1 for Wan, H and W multiples of twice the codec's stride.

    Raises:
        ValueError: frames or sizes that would be cut silently, or a latent that is not finite.
    """
    frames, height, width, _ = frames_FHWC.shape
    time, space = codec.config.scale_factor_temporal, 2 * codec.config.scale_factor_spatial
    if (frames - 1) % time or height % space or width % space:
        raise ValueError(f"{width}x{height}x{frames} does not fit: sides must be multiples of {space}, "
                         f"frames {time}n+1")  # fmt: skip
    video_CFHW = torch.from_numpy(frames_FHWC).permute(3, 0, 1, 2).float() / 127.5 - 1
    posterior = codec.encode(video_CFHW[None].to(codec.device)).latent_dist
    mean_C111, deviation_C111 = statistics(codec)
    latent_CFHW = ((posterior.mode()[0] - mean_C111) / deviation_C111).cpu().contiguous()
    if not latent_CFHW.isfinite().all():
        raise ValueError("its latents are not finite")
    return latent_CFHW


@torch.no_grad()
def decode_latent(codec: AutoencoderKLWan, latent_CFHW: Tensor) -> NDArray[np.uint8]:
    """Return ``frames_FHWC``, RGB, 0 to 255: the inverse of ``encode_video``, as far as the codec can."""
    mean_C111, deviation_C111 = statistics(codec)
    raw_CFHW = latent_CFHW.to(codec.device) * deviation_C111 + mean_C111
    video_CFHW = codec.decode(raw_CFHW[None]).sample[0]
    return ((video_CFHW.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 3, 0).cpu().numpy()


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
