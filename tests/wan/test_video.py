"""Clips as Wan sees them: normalised modes, and no frame or pixel cut without a word."""

import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLWan
from numpy.typing import NDArray

from engine.wan.load import load_codec
from engine.wan.video import Pixels, decode_latent, encode_video, grouped, statistics

# as published with Wan 2.1
MEAN = [-0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
        0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921]  # fmt: skip
DEVIATION = [2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
             3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160]  # fmt: skip


@pytest.fixture(scope="module")
def codec(folder: Path, cpu) -> AutoencoderKLWan:
    return load_codec(folder, cpu)


@pytest.fixture(scope="module")
def wide_codec() -> AutoencoderKLWan:
    """As that of TI2V-5B: 48 channels, residual levels, patches of 2x2 pixels, a stride of 16."""
    torch.manual_seed(0)
    return AutoencoderKLWan(
        base_dim=4, z_dim=48, dim_mult=[1, 2, 4, 4], num_res_blocks=2, is_residual=True, patch_size=2,
        in_channels=12, out_channels=12, scale_factor_spatial=16,
        latents_mean=[0.01 * n for n in range(48)], latents_std=[0.5 + 0.03 * n for n in range(48)],
    ).eval()  # fmt: skip


def clip(frames: int = 5, height: int = 32, width: int = 48, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def encode(codec: AutoencoderKLWan, frames_FHWC: Pixels) -> torch.Tensor:
    return encode_video(codec, grouped(frames_FHWC), len(frames_FHWC))


@pytest.mark.parametrize("frames", [1, 5, 9])
def test_a_latent_is_the_mode_less_the_mean_over_the_deviation(codec: AutoencoderKLWan, frames: int) -> None:
    pixels = clip(frames).astype(np.float64) / 255 * 2 - 1
    with torch.no_grad():
        raw = codec._encode(
            torch.from_numpy(pixels).float().permute(3, 0, 1, 2)[None]
        )  # mean and log variance
    mode = raw[0, :16].double().numpy()
    expected = (mode - np.reshape(MEAN, (16, 1, 1, 1))) / np.reshape(DEVIATION, (16, 1, 1, 1))
    latent = encode(codec, clip(frames))
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
    latent = encode(codec, clip(frames, height, width))
    assert tuple(latent.shape) == shape
    assert (latent.dtype, latent.device.type, latent.is_contiguous()) == (torch.float32, "cpu", True)


@pytest.mark.parametrize("frames", [0, 2, 4, 18, 75])
def test_frames_that_would_be_cut_are_refused(codec: AutoencoderKLWan, frames: int) -> None:
    with pytest.raises(ValueError, match=rf"{frames} frames do not fit: they must be 4n\+1"):
        encode(codec, clip(frames, 16, 16))


@pytest.mark.parametrize(
    ("height", "width"),
    [
        pytest.param(16, 24, id="the width is a multiple of 8 alone"),
        pytest.param(24, 16, id="the height is a multiple of 8 alone"),
        pytest.param(16, 17, id="an odd width"),
    ],
)
def test_sides_that_would_be_cut_are_refused(codec: AutoencoderKLWan, height: int, width: int) -> None:
    with pytest.raises(ValueError, match=rf"{width}x{height} does not fit: sides must be multiples of 16"):
        encode(codec, clip(5, height, width))


def test_what_is_refused_would_have_been_cut_without_a_word(codec: AutoencoderKLWan) -> None:
    with torch.no_grad():
        seven, five = (
            codec.encode(torch.zeros(1, 3, frames, 16, 16)).latent_dist.mode() for frames in (7, 5)
        )
    assert torch.equal(seven, five)


def test_the_first_frame_alone_is_the_first_latent_of_the_clip(codec: AutoencoderKLWan) -> None:
    frames = clip(9)
    whole, first = encode(codec, frames), encode(codec, frames[:1])
    torch.testing.assert_close(whole[:, :1], first, rtol=0, atol=1e-6)


def test_later_frames_do_not_change_earlier_latents(codec: AutoencoderKLWan) -> None:
    frames, other = clip(9), clip(9)
    other[5:] = 255 - other[5:]
    one, changed = encode(codec, frames), encode(codec, other)
    torch.testing.assert_close(one[:, :2], changed[:, :2], rtol=0, atol=1e-6)
    assert not torch.allclose(one[:, 2], changed[:, 2], atol=1e-3)


def test_a_clip_is_encoded_the_same_after_another(codec: AutoencoderKLWan) -> None:
    before = encode(codec, clip(5))
    encode(codec, clip(9, 16, 16, seed=1))
    assert torch.equal(encode(codec, clip(5)), before)


def test_black_and_white_are_the_ends_of_what_the_codec_sees(codec: AutoencoderKLWan) -> None:
    seen: list[torch.Tensor] = []
    handle = codec.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    for value in (0, 255):
        encode(codec, np.full((1, 16, 16, 3), value, np.uint8))
    handle.remove()
    assert [(x.min().item(), x.max().item()) for x in seen] == [(-1, -1), (1, 1)]


def test_frames_that_are_a_view_are_read_right(codec: AutoencoderKLWan) -> None:
    frames = clip(10, width=96)[::2, :, ::2]
    assert torch.equal(encode(codec, frames), encode(codec, frames.copy()))


@pytest.mark.parametrize("frames", [1, 5, 9])
def test_decoding_gives_frames_of_the_same_shape(codec: AutoencoderKLWan, frames: int) -> None:
    decoded = decode_latent(codec, encode(codec, clip(frames)))
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
        encode(codec, clip(1))


def test_a_latent_that_is_not_finite_is_refused(folder: Path, cpu) -> None:
    codec = load_codec(folder, cpu)
    codec.quant_conv.bias.data[3] = float("nan")
    with pytest.raises(ValueError, match="not finite"):
        encode(codec, clip(1))


@pytest.mark.parametrize("frames", [1, 5, 17, 33])
@pytest.mark.parametrize("which", ["codec", "wide_codec"])
@pytest.mark.parametrize(("height", "width"), [(32, 64), (64, 32)])
def test_group_by_group_is_bit_for_bit_the_whole_clip(
    request: pytest.FixtureRequest, which: str, frames: int, height: int, width: int
) -> None:
    codec: AutoencoderKLWan = request.getfixturevalue(which)
    frames_FHWC = clip(frames, height, width)
    video = torch.from_numpy(frames_FHWC).permute(3, 0, 1, 2)[None].float() / 255 * 2 - 1
    with torch.no_grad():
        mode = codec.encode(video).latent_dist.mode()[0]
    shape = (codec.config.z_dim, 1, 1, 1)
    mean = torch.tensor(codec.config.latents_mean).view(shape)
    scale = 1 / torch.tensor(codec.config.latents_std).view(shape)  # as in the stock pipelines
    assert torch.equal(encode(codec, frames_FHWC), (mode - mean) * scale)


def test_a_wide_codec_wants_sides_of_32(wide_codec: AutoencoderKLWan) -> None:
    assert encode(wide_codec, clip(5, 32, 64)).shape == (48, 2, 2, 4)
    with pytest.raises(ValueError, match="48x32 does not fit: sides must be multiples of 32"):
        encode(wide_codec, clip(5, 32, 48))


def test_the_codec_is_given_one_frame_and_then_four_at_a_time(codec: AutoencoderKLWan) -> None:
    seen: list[tuple[int, ...]] = []
    handle = codec.encoder.register_forward_pre_hook(lambda _, args: seen.append(tuple(args[0].shape)))
    encode(codec, clip(13))
    handle.remove()
    assert seen == [(1, 3, 1, 32, 48), *[(1, 3, 4, 32, 48)] * 3]


def test_a_group_is_let_go_before_the_one_after_the_next_is_asked_for(codec: AutoencoderKLWan) -> None:
    asked: list[weakref.ref[Pixels]] = []
    alive: list[int] = []

    def groups() -> Iterator[Pixels]:
        for size in [1] + [4] * 20:
            alive.append(sum(group() is not None for group in asked))
            group_FHWC = clip(size, 16, 16)
            asked.append(weakref.ref(group_FHWC))
            yield group_FHWC
            del group_FHWC

    encode_video(codec, groups(), 81)
    assert len(alive) == 21
    assert max(alive) <= 1


@pytest.mark.parametrize(
    ("sizes", "reason"),
    [
        pytest.param([], "0 groups of frames came, which is not 9 frames", id="nothing"),
        pytest.param([1, 4], "2 groups of frames came, which is not 9 frames", id="a group too few"),
        pytest.param([1, 4, 4, 4], "4 groups of frames came, which is not 9 frames", id="a group too many"),
        pytest.param([1, 4, 3], "a group of 3 frames came where the codec takes 4", id="a frame too few"),
        pytest.param([9], "a group of 9 frames came where the codec takes 1", id="all at once"),
        pytest.param([4, 4, 1], "a group of 4 frames came where the codec takes 1", id="backwards"),
    ],
)
def test_groups_that_are_not_the_clip_are_refused(
    codec: AutoencoderKLWan, sizes: list[int], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        encode_video(codec, [clip(size, 16, 16) for size in sizes], 9)


def test_a_clip_that_breaks_off_leaves_no_memory_of_itself(codec: AutoencoderKLWan) -> None:
    def breaks_off() -> Iterator[Pixels]:
        yield from grouped(clip(9, seed=1))
        raise OSError("the drive is gone")

    before = encode(codec, clip(5))
    with pytest.raises(OSError, match="the drive is gone"):
        encode_video(codec, breaks_off(), 13)
    assert all(remembered is None for remembered in codec._enc_feat_map)
    assert torch.equal(encode(codec, clip(5)), before)


def test_what_others_left_in_the_codec_s_memory_is_not_used(codec: AutoencoderKLWan) -> None:
    before = encode(codec, clip(5))
    with torch.no_grad():
        codec.encoder(torch.ones(1, 3, 1, 32, 48), feat_cache=codec._enc_feat_map, feat_idx=[0])
    assert torch.equal(encode(codec, clip(5)), before)


@pytest.mark.parametrize(
    ("frames", "sizes"), [(0, []), (1, [1]), (4, [1, 3]), (5, [1, 4]), (10, [1, 4, 4, 1])]
)
def test_frames_are_grouped_in_their_order(frames: int, sizes: list[int]) -> None:
    frames_FHWC = clip(frames, 4, 6)
    groups = list(grouped(frames_FHWC))
    assert [len(group) for group in groups] == sizes
    assert np.array_equal(np.concatenate([*groups, frames_FHWC[:0]]), frames_FHWC)


def test_no_frame_is_asked_for_before_its_group_is() -> None:
    taken = []

    def frames() -> Iterator[Pixels]:
        for number, frame_HWC in enumerate(clip(9, 4, 4), start=1):
            taken.append(number)
            yield frame_HWC

    groups = grouped(frames(), first=1, then=4)
    for end in (1, 5, 9):
        next(groups)
        assert taken == list(range(1, end + 1))
