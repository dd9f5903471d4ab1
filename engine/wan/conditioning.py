"""What Wan is told beside the text where a video starts from a picture: made as the stock pipeline makes it.

Wan 2.1 and A14B read, beside the noisy latents, a mask of four channels and the latents of a clip that holds only the
given pictures: ``[noisy latents | mask | condition]``. Wan 2.1 also reads the pictures as tokens of CLIP. TI2V-5B reads
none of these: its first latent is the picture's own.
"""

from collections.abc import Iterator, Sequence

import torch
from diffusers import AutoencoderKLWan
from PIL import Image
from torch import Tensor
from transformers import BaseImageProcessor, CLIPVisionModel

from engine.wan.video import Pixels, encode_signal, signal


def first_frame_condition(
    codec: AutoencoderKLWan, first_HWC: Pixels, last_HWC: Pixels | None, frames: int
) -> Tensor:
    """Return ``condition_CFHW``, float32, on the CPU: latents of a clip of mid-grey that starts with a picture.

    They are encoded, not written down: the latents of grey that follows a picture are not zero.

    Args:
        codec: float32.
        first_HWC: RGB, 0 to 255, in the size of the clip.
        last_HWC: the last frame of the clip; None where only the first is given.
        frames: of the clip; 4n+1 for Wan, at least 5 where the last is given.

    Raises:
        ValueError: frames or sizes that the codec would cut, or a latent that is not finite.
    """
    if last_HWC is not None and last_HWC.shape != first_HWC.shape:
        raise ValueError(f"the last frame is {_size(last_HWC)}, the first {_size(first_HWC)}")
    if last_HWC is not None and frames == 1:
        raise ValueError("a clip of 1 frame has no last frame beside the first")
    return encode_signal(
        codec, _held(first_HWC, last_HWC, frames, codec.config.scale_factor_temporal), frames
    )


def _held(first_HWC: Pixels, last_HWC: Pixels | None, frames: int, stride: int) -> Iterator[Tensor]:
    """Yield the clip as ``group_CFHW``: the first frame, grey, and the last."""
    first_CFHW = signal(first_HWC[None])
    yield first_CFHW
    for end in range(stride, frames, stride):
        group_CFHW = first_CFHW.new_zeros(3, stride, *first_CFHW.shape[2:])
        if last_HWC is not None and end == frames - 1:
            group_CFHW[:, -1:] = signal(last_HWC[None])
        yield group_CFHW


def condition_mask(frames: int, time_stride: int, last: bool, height: int, width: int) -> Tensor:
    """Return ``mask_SFHW``, float32, on the CPU: 1 where a frame of the clip is given, 0 where it is to be made.

    A latent frame stands for ``time_stride`` (S, 4 for Wan) frames, each a row of the mask; the first stands for the
    first frame alone, in all rows.

    Args:
        frames: of the clip.
        time_stride: frames that become one latent frame.
        last: whether the last frame is given as well as the first.
        height: of the latents.
        width: of the latents.
    """
    given_F = torch.zeros(frames)
    given_F[0] = 1
    if last:
        given_F[-1] = 1
    rows_SF = torch.cat([given_F[:1].repeat(time_stride), given_F[1:]]).view(-1, time_stride).T
    return rows_SF[..., None, None].repeat(1, 1, height, width)


def image_latent(codec: AutoencoderKLWan, image_HWC: Pixels) -> Tensor:
    """Return ``latent_C1HW``, float32, on the CPU: a picture encoded alone, as TI2V-5B is given it."""
    return encode_signal(codec, [signal(image_HWC[None])], 1)


@torch.no_grad()
def image_tokens(
    encoder: CLIPVisionModel, processor: BaseImageProcessor, images_HWC: Sequence[Pixels]
) -> Tensor:
    """Return ``tokens_LD`` on the CPU: pictures as Wan 2.1 reads them, 257 tokens of ViT-H each, one after the other.

    They are the last hidden state but one, before the final norm. The processor cuts the centre out of a picture that
    is not square, as in the stock pipeline; the authors' own code squeezes it.

    Args:
        encoder: float32.
        processor: of the same model.
        images_HWC: RGB, 0 to 255; the first frame, and the last where it is given.
    """
    # as pictures, not as arrays: of an array of few rows the processor would have to guess which side is the colour
    pictures = [Image.fromarray(image_HWC) for image_HWC in images_HWC]
    pixels_BCHW = processor(images=pictures, return_tensors="pt").pixel_values.to(encoder.device)
    return encoder(pixels_BCHW, output_hidden_states=True).hidden_states[-2].flatten(0, 1).cpu()


def _size(image_HWC: Pixels) -> str:
    return f"{image_HWC.shape[1]}x{image_HWC.shape[0]}"
