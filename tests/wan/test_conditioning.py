"""What a video that starts from a picture is told is, bit for bit, what the stock pipeline tells it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanImageToVideoPipeline
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel

from engine.wan.conditioning import condition_mask, first_frame_condition, image_latent, image_tokens
from engine.wan.load import load_codec, load_image_encoder
from engine.wan.video import Pixels, encode_video, grouped

WIDTH, HEIGHT = 96, 64


@pytest.fixture(scope="module")
def codec(folder: Path, cpu) -> AutoencoderKLWan:
    return load_codec(folder, cpu)


@pytest.fixture(scope="module")
def wide_codec() -> AutoencoderKLWan:
    """As that of TI2V-5B: 48 channels, residual levels, patches of 2x2 pixels, a stride of 16."""
    torch.manual_seed(0)
    return AutoencoderKLWan(
        base_dim=4, z_dim=48, dim_mult=[1, 2, 4, 4], num_res_blocks=1, is_residual=True, patch_size=2,
        in_channels=12, out_channels=12, scale_factor_spatial=16,
        latents_mean=[0.01 * n for n in range(48)], latents_std=[0.5 + 0.03 * n for n in range(48)],
    ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP of next to no numbers, in the layout of a Wan 2.1 I2V."""
    made = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    config = CLIPVisionConfig(hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2,
                              image_size=32, patch_size=8)  # fmt: skip
    CLIPVisionModel(config).save_pretrained(made / "image_encoder")
    size = {"shortest_edge": 32}
    CLIPImageProcessor(size=size, crop_size={"height": 32, "width": 32}).save_pretrained(
        made / "image_processor"
    )
    return made


def picture(seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def pipeline(
    codec: AutoencoderKLWan, expand_timesteps: bool = False, **parts: object
) -> WanImageToVideoPipeline:
    return WanImageToVideoPipeline(
        tokenizer=None, text_encoder=None, vae=codec, scheduler=UniPCMultistepScheduler(),
        expand_timesteps=expand_timesteps, **parts,
    )  # fmt: skip


@torch.no_grad()
def as_at_inference(
    pipe: WanImageToVideoPipeline, first: Pixels, last: Pixels | None, frames: int
) -> tuple[torch.Tensor, ...]:
    """What the pipeline's call makes of its pictures, up to its first step."""
    images = [
        None if said is None else pipe.video_processor.preprocess(Image.fromarray(said), height=HEIGHT, width=WIDTH)
        for said in (first, last)
    ]  # fmt: skip
    return pipe.prepare_latents(images[0], 1, pipe.vae.config.z_dim, HEIGHT, WIDTH, frames, torch.float32,
                                torch.device("cpu"), last_image=images[1])  # fmt: skip


@pytest.mark.parametrize("frames", [1, 5, 17, 33])
def test_the_condition_of_a_first_frame_is_that_of_the_pipeline(codec: AutoencoderKLWan, frames: int) -> None:
    _, expected = as_at_inference(pipeline(codec), picture(), None, frames)
    condition = first_frame_condition(codec, picture(), None, frames)
    mask = condition_mask(frames, 4, False, HEIGHT // 8, WIDTH // 8)
    assert torch.equal(torch.cat([mask, condition])[None], expected)
    assert (condition.dtype, mask.dtype, condition.is_contiguous()) == (torch.float32, torch.float32, True)


@pytest.mark.parametrize("frames", [5, 9, 33])
def test_the_condition_of_first_and_last_frame_is_that_of_the_pipeline(
    codec: AutoencoderKLWan, frames: int
) -> None:
    first, last = picture(), picture(1)
    _, expected = as_at_inference(pipeline(codec), first, last, frames)
    condition = first_frame_condition(codec, first, last, frames)
    mask = condition_mask(frames, 4, True, HEIGHT // 8, WIDTH // 8)
    assert torch.equal(torch.cat([mask, condition])[None], expected)


def test_the_condition_starts_as_the_clip_does(codec: AutoencoderKLWan) -> None:
    frames_FHWC = np.stack([picture(seed) for seed in range(9)])
    latent = encode_video(codec, grouped(frames_FHWC), 9)
    condition = first_frame_condition(codec, frames_FHWC[0], None, 9)
    torch.testing.assert_close(condition[:, 0], latent[:, 0], rtol=0, atol=1e-6)
    assert not torch.allclose(condition[:, 1], latent[:, 1], atol=1e-2)


def test_grey_after_a_picture_is_not_zero_and_remembers_the_picture(codec: AutoencoderKLWan) -> None:
    one, other = (first_frame_condition(codec, picture(seed), None, 9) for seed in (0, 1))
    assert one[:, 1:].abs().mean() > 0.01
    assert not torch.equal(one[:, 1], other[:, 1])


@pytest.mark.parametrize(
    ("last", "rows"),
    [(False, [[1, 0, 0]] * 4), (True, [[1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 1]])],
    ids=["the first frame", "first and last frame"],
)
def test_the_mask_of_nine_frames_is_that_of_the_authors(last: bool, rows: list[list[int]]) -> None:
    mask = condition_mask(9, 4, last, 2, 3)
    assert mask.shape == (4, 3, 2, 3)
    for at in np.ndindex(2, 3):
        assert mask[:, :, *at].tolist() == rows


def test_pictures_of_two_sizes_are_refused(codec: AutoencoderKLWan) -> None:
    with pytest.raises(ValueError, match="the last frame is 64x96, the first 96x64"):
        first_frame_condition(codec, picture(), picture(1, WIDTH, HEIGHT), 9)


def test_a_clip_of_one_frame_has_no_last_one(codec: AutoencoderKLWan) -> None:
    with pytest.raises(ValueError, match="1 frame has no last frame"):
        first_frame_condition(codec, picture(), picture(1), 1)


@pytest.mark.parametrize("frames", [2, 8])
def test_a_condition_of_frames_that_would_be_cut_is_refused(codec: AutoencoderKLWan, frames: int) -> None:
    with pytest.raises(ValueError, match=rf"{frames} frames do not fit"):
        first_frame_condition(codec, picture(), None, frames)


def test_the_latent_of_a_picture_is_that_of_the_pipeline(wide_codec: AutoencoderKLWan) -> None:
    pipe = pipeline(wide_codec, expand_timesteps=True)
    _, expected, _ = as_at_inference(pipe, picture(), None, 17)
    assert torch.equal(image_latent(wide_codec, picture())[None], expected)


def test_the_latent_of_a_picture_is_the_first_of_its_clip(wide_codec: AutoencoderKLWan) -> None:
    frames_FHWC = np.stack([picture(seed) for seed in range(5)])
    latent = encode_video(wide_codec, grouped(frames_FHWC), 5)
    torch.testing.assert_close(image_latent(wide_codec, frames_FHWC[0]), latent[:, :1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    ("height", "width"),
    [(64, 96), (96, 64), (32, 32), (3, 200)],
    ids=["wide", "tall", "its own", "three rows"],
)
def test_the_tokens_of_pictures_are_those_of_the_pipeline(
    codec: AutoencoderKLWan, clip_folder: Path, cpu, count: int, height: int, width: int
) -> None:
    processor, encoder = load_image_encoder(clip_folder, cpu)
    pipe = pipeline(codec, image_encoder=encoder, image_processor=processor)
    images = [picture(seed, height, width) for seed in range(count)]
    with torch.no_grad():
        expected = pipe.encode_image([Image.fromarray(image) for image in images])
    tokens = image_tokens(encoder, processor, images)
    assert tokens.shape == (17 * count, 16)  # a class and 4x4 patches a picture
    assert torch.equal(tokens, expected.reshape(-1, 16))


def test_the_tokens_are_what_the_last_block_reads(clip_folder: Path, cpu) -> None:
    processor, encoder = load_image_encoder(clip_folder, cpu)
    seen: list[torch.Tensor] = []
    blocks = next(part for part in encoder.modules() if isinstance(part, torch.nn.ModuleList))
    blocks[-1].register_forward_pre_hook(lambda _, args, __: seen.append(args[0]), with_kwargs=True)
    tokens = image_tokens(encoder, processor, [picture()])
    assert torch.equal(tokens, seen[0][0])


def test_the_image_encoder_is_float32_whatever_the_file_holds(clip_folder: Path, cpu, tmp_path: Path) -> None:
    _, encoder = load_image_encoder(clip_folder, cpu)
    encoder.to(torch.bfloat16).save_pretrained(tmp_path / "image_encoder")
    (tmp_path / "image_processor").symlink_to(clip_folder / "image_processor")
    _, again = load_image_encoder(tmp_path, cpu)
    assert {parameter.dtype for parameter in again.parameters()} == {torch.float32}
    assert not again.training


def test_an_image_encoder_whose_file_lacks_weights_is_refused(clip_folder: Path, cpu, tmp_path: Path) -> None:
    for part in ("image_encoder", "image_processor"):
        (tmp_path / part).mkdir()
        for file in (clip_folder / part).iterdir():
            (tmp_path / part / file.name).write_bytes(file.read_bytes())
    [path] = (tmp_path / "image_encoder").glob("*.safetensors")
    weights = load_file(path)
    del weights[next(name for name in weights if "q_proj.weight" in name)]
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(ValueError, match=r"the image encoder's file lacks .*q_proj\.weight"):
        load_image_encoder(tmp_path, cpu)
