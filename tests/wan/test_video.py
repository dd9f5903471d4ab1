"""Clips as Wan sees them: normalised modes, and no frame or pixel cut without a word."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLWan
from numpy.typing import NDArray

from engine.wan.load import load_codec
from engine.wan.video import decode_latent, encode_video, statistics

# as published with Wan 2.1
MEAN = [-0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
        0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921]  # fmt: skip
DEVIATION = [2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
             3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160]  # fmt: skip


@pytest.fixture(scope="module")
def codec(folder: Path, cpu) -> AutoencoderKLWan:
    return load_codec(folder, cpu)


def clip(frames: int = 5, height: int = 32, width: int = 48, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("frames", [1, 5, 9])
def test_a_latent_is_the_mode_less_the_mean_over_the_deviation(codec: AutoencoderKLWan, frames: int) -> None:
    pixels = clip(frames).astype(np.float64) / 255 * 2 - 1
    with torch.no_grad():
        raw = codec._encode(
            torch.from_numpy(pixels).float().permute(3, 0, 1, 2)[None]
        )  # mean and log variance
    mode = raw[0, :16].double().numpy()
    expected = (mode - np.reshape(MEAN, (16, 1, 1, 1))) / np.reshape(DEVIATION, (16, 1, 1, 1))
    latent = encode_video(codec, clip(frames))
    np.testing.assert_allclose(latent.numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("frames", "height", "width", "shape"),
    [
        (1, 16, 16, (16, 1, 2, 2)),
        (5, 32, 48, (16, 2, 4, 6)),
        (9, 48, 32, (16, 3, 6, 4)),
        (73, 16, 16, (16, 19, 2, 2)),
    ],
)
def test_four_frames_are_one_after_the_first_and_eight_pixels_are_one(
    codec: AutoencoderKLWan, frames: int, height: int, width: int, shape: tuple[int, ...]
) -> None:
    latent = encode_video(codec, clip(frames, height, width))
    assert tuple(latent.shape) == shape
    assert (latent.dtype, latent.device.type, latent.is_contiguous()) == (torch.float32, "cpu", True)


@pytest.mark.parametrize(
    ("frames", "height", "width"),
    [
        pytest.param(75, 16, 16, id="75 frames"),
        pytest.param(18, 16, 16, id="18 frames"),
        pytest.param(2, 16, 16, id="2 frames"),
        pytest.param(4, 16, 16, id="4 frames"),
        pytest.param(5, 16, 24, id="the width is a multiple of 8 alone"),
        pytest.param(5, 24, 16, id="the height is a multiple of 8 alone"),
        pytest.param(5, 16, 17, id="an odd width"),
    ],
)
def test_what_would_be_cut_is_refused(codec: AutoencoderKLWan, frames: int, height: int, width: int) -> None:
    with pytest.raises(
        ValueError, match=rf"{width}x{height}x{frames} does not fit.*multiples of 16, frames 4n\+1"
    ):
        encode_video(codec, clip(frames, height, width))


def test_what_is_refused_would_have_been_cut_without_a_word(codec: AutoencoderKLWan) -> None:
    with torch.no_grad():
        seven, five = (
            codec.encode(torch.zeros(1, 3, frames, 16, 16)).latent_dist.mode() for frames in (7, 5)
        )
    assert torch.equal(seven, five)


def test_a_clip_of_no_frames_is_refused(codec: AutoencoderKLWan) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        encode_video(codec, clip(0, 16, 16))


def test_the_first_frame_alone_is_the_first_latent_of_the_clip(codec: AutoencoderKLWan) -> None:
    frames = clip(9)
    whole, first = encode_video(codec, frames), encode_video(codec, frames[:1])
    torch.testing.assert_close(whole[:, :1], first, rtol=0, atol=1e-6)


def test_later_frames_do_not_change_earlier_latents(codec: AutoencoderKLWan) -> None:
    frames, other = clip(9), clip(9)
    other[5:] = 255 - other[5:]
    one, changed = encode_video(codec, frames), encode_video(codec, other)
    torch.testing.assert_close(one[:, :2], changed[:, :2], rtol=0, atol=1e-6)
    assert not torch.allclose(one[:, 2], changed[:, 2], atol=1e-3)


def test_a_clip_is_encoded_the_same_after_another(codec: AutoencoderKLWan) -> None:
    before = encode_video(codec, clip(5))
    encode_video(codec, clip(9, 16, 16, seed=1))
    assert torch.equal(encode_video(codec, clip(5)), before)


def test_black_and_white_are_the_ends_of_what_the_codec_sees(codec: AutoencoderKLWan) -> None:
    seen: list[torch.Tensor] = []
    handle = codec.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    for value in (0, 255):
        encode_video(codec, np.full((1, 16, 16, 3), value, np.uint8))
    handle.remove()
    assert [(x.min().item(), x.max().item()) for x in seen] == [(-1, -1), (1, 1)]


def test_frames_that_are_a_view_are_read_right(codec: AutoencoderKLWan) -> None:
    frames = clip(10, width=96)[::2, :, ::2]
    assert torch.equal(encode_video(codec, frames), encode_video(codec, frames.copy()))


@pytest.mark.parametrize("frames", [1, 5, 9])
def test_decoding_gives_frames_of_the_same_shape(codec: AutoencoderKLWan, frames: int) -> None:
    decoded = decode_latent(codec, encode_video(codec, clip(frames)))
    assert decoded.shape == (frames, 32, 48, 3)
    assert decoded.dtype == np.uint8


def test_decoding_undoes_the_normalisation(codec: AutoencoderKLWan) -> None:
    latent = torch.randn(16, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    raw = latent.double().numpy() * np.reshape(DEVIATION, (16, 1, 1, 1)) + np.reshape(MEAN, (16, 1, 1, 1))
    with torch.no_grad():
        video = codec.decode(torch.from_numpy(raw).float()[None]).sample[0].double().numpy()
    expected = np.rint((np.clip(video, -1, 1) + 1) / 2 * 255).transpose(1, 2, 3, 0)
    assert np.abs(decode_latent(codec, latent).astype(int) - expected).max() <= 1


def test_the_statistics_are_those_of_wan(codec: AutoencoderKLWan) -> None:
    mean, deviation = statistics(codec)
    assert mean.flatten().tolist() == pytest.approx(MEAN)
    assert deviation.flatten().tolist() == pytest.approx(DEVIATION)
    assert mean.shape == deviation.shape == (16, 1, 1, 1)


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"latents_mean": None}, id="no mean"),
        pytest.param({"latents_std": None}, id="no deviation"),
        pytest.param({"latents_mean": []}, id="an empty mean"),
        pytest.param({"latents_std": DEVIATION[:15]}, id="a channel too few"),
        pytest.param({"latents_mean": [*MEAN, 0.0]}, id="a channel too many"),
    ],
)
def test_without_statistics_it_is_refused(folder: Path, cpu, config: dict[str, object]) -> None:
    codec = load_codec(folder, cpu)
    codec.register_to_config(**config)
    with pytest.raises(ValueError, match="lacks latents_mean and latents_std for 16 channels"):
        encode_video(codec, clip(1))


def test_a_latent_that_is_not_finite_is_refused(folder: Path, cpu) -> None:
    codec = load_codec(folder, cpu)
    codec.quant_conv.bias.data[3] = float("nan")
    with pytest.raises(ValueError, match="not finite"):
        encode_video(codec, clip(1))
