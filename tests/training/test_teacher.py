"""The patch tokens of DINOv2, against its own parts and a convolution written out."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import Dinov2Model

from engine.training.teacher import build_teacher, load_teacher, patch_tokens, signal

CPU = torch.device("cpu")
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("teacher")
    build_teacher(made, width=32, patch=14, seed=0)
    return made


@pytest.fixture(scope="module")
def teacher(folder: Path) -> Dinov2Model:
    return load_teacher(folder, CPU)


@pytest.fixture
def spoilt(folder: Path, tmp_path: Path) -> Path:
    """A copy that can be spoilt."""
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    return tmp_path


def frame(height: int = 48, width: int = 80, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    """Slow waves of another speed in each colour."""
    across, down = np.linspace(0, 3, width)[None, :, None], np.linspace(0, 2, height)[:, None, None]
    return (127.5 + 127.5 * np.sin(across * [1, 2, 3] + down * [2, 1, 4])).round().astype(np.uint8)


@pytest.mark.parametrize("size", [14, 70, 98])
def test_there_are_as_many_tokens_as_patches(teacher: Dinov2Model, size: int) -> None:
    token_PD = patch_tokens(teacher, frame(), size)
    assert token_PD.shape == ((size // 14) ** 2, 32)
    assert (token_PD.dtype, token_PD.requires_grad) == (torch.float32, False)


def test_at_518_px_there_are_1369_patches(teacher: Dinov2Model) -> None:
    assert len(patch_tokens(teacher, frame(), 518)) == 1369


def test_the_token_of_the_whole_picture_is_left_out(teacher: Dinov2Model) -> None:
    shown = frame(70, 70)
    with torch.no_grad():
        whole = teacher(pixel_values=signal(shown, 70)[None])
    token_PD = patch_tokens(teacher, shown, 70)
    assert torch.equal(whole.last_hidden_state[0, 0], whole.pooler_output[0])
    assert not (token_PD == whole.pooler_output[0]).all(1).any()
    assert torch.equal(token_PD, whole.last_hidden_state[0, 1:])


def test_each_token_is_that_of_its_patch_row_by_row(folder: Path) -> None:
    teacher, shown = load_teacher(folder, CPU), frame(70, 70)
    for name, parameter in teacher.named_parameters():
        if "layer_scale" in name:
            parameter.zero_()  # every layer passes on what it was given
    own = {name: value.double().numpy() for name, value in teacher.state_dict().items()}
    white = (shown / 255 - MEAN) / DEVIATION
    kernel, bias = (own[f"embeddings.patch_embeddings.projection.{name}"] for name in ("weight", "bias"))
    expected = np.empty((25, 32))
    for row in range(5):
        for column in range(5):
            patch = white[14 * row : 14 * row + 14, 14 * column : 14 * column + 14]
            seen = np.einsum("hwc,dchw->d", patch, kernel) + bias
            seen += own["embeddings.position_embeddings"][0, 1 + 5 * row + column]
            seen = (seen - seen.mean()) / np.sqrt(seen.var() + 1e-6)
            expected[5 * row + column] = seen * own["layernorm.weight"] + own["layernorm.bias"]
    np.testing.assert_allclose(patch_tokens(teacher, shown, 70).numpy(), expected, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(48, 80), (270, 130), (300, 400)])
def test_a_frame_is_squashed_into_a_square_with_a_bicubic_filter(height: int, width: int) -> None:
    shown = smooth(height, width)
    by_pillow = np.asarray(Image.fromarray(shown).resize((70, 70), Image.Resampling.BICUBIC)) / 255
    found = signal(shown, 70).permute(1, 2, 0).numpy() * DEVIATION + MEAN
    # Pillow rounds to whole levels after each of the two directions
    assert np.abs(found - by_pillow).max() < 2 / 255
    assert signal(shown, 70).dtype == torch.float32


def test_edges_do_not_overshoot_black_and_white() -> None:
    shown = np.zeros((40, 40, 3), np.uint8)
    shown[:, 20:] = 255
    found = signal(shown, 70).permute(1, 2, 0).numpy() * DEVIATION + MEAN
    assert found.min() >= -1e-6
    assert found.max() <= 1 + 1e-6


def test_the_frame_is_only_read(teacher: Dinov2Model) -> None:
    shown = frame()
    shown.flags.writeable = False
    before = shown.copy()
    patch_tokens(teacher, shown, 70)
    assert (shown == before).all()


def test_a_size_whose_rest_would_be_dropped_is_refused(teacher: Dinov2Model) -> None:
    with pytest.raises(ValueError, match="80 px are not a multiple of the teacher's patch of 14 px"):
        patch_tokens(teacher, frame(), 80)


def test_a_built_teacher_is_a_function_of_its_seed_and_leaves_chance_alone(tmp_path: Path) -> None:
    torch.manual_seed(9)
    before = torch.get_rng_state()
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        build_teacher(tmp_path / name, width=32, patch=14, seed=seed)
    assert torch.equal(torch.get_rng_state(), before)
    one, same, other = (
        (tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "same", "other")
    )
    assert one == same
    assert one != other


# what is no teacher


def test_a_file_that_lacks_weights_is_refused_by_their_names(spoilt: Path) -> None:
    weights = load_file(spoilt / "model.safetensors")
    del weights["layernorm.weight"]
    save_file(weights, spoilt / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"lacks layernorm\.weight"):
        load_teacher(spoilt, CPU)


def test_the_token_for_hidden_patches_is_never_missed(spoilt: Path, teacher: Dinov2Model) -> None:
    weights = load_file(spoilt / "model.safetensors")
    del weights["embeddings.mask_token"]
    save_file(weights, spoilt / "model.safetensors", {"format": "pt"})
    assert torch.equal(
        patch_tokens(load_teacher(spoilt, CPU), frame(), 70), patch_tokens(teacher, frame(), 70)
    )


def test_weights_of_other_shapes_are_refused(spoilt: Path) -> None:
    config = json.loads((spoilt / "config.json").read_text())
    (spoilt / "config.json").write_text(json.dumps(config | {"hidden_size": 64}))
    with pytest.raises(ValueError, match="the weights of DINOv2 cannot be loaded"):
        load_teacher(spoilt, CPU)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({"hidden_act": "no_such"}, id="no such function"),
        pytest.param({"hidden_size": "32"}, id="a text for a number"),
        pytest.param({"num_attention_heads": 0}, id="no heads"),
        pytest.param({"patch_size": [14]}, id="half a patch"),
        pytest.param({"dtype": "x"}, id="no such format"),
        pytest.param({"num_labels": "x"}, id="a text for a count"),
        pytest.param({"out_features": ["nope"]}, id="no such stage"),
    ],
)
def test_a_config_that_makes_no_model_is_refused_in_words(spoilt: Path, said: dict[str, object]) -> None:
    config = json.loads((spoilt / "config.json").read_text())
    (spoilt / "config.json").write_text(json.dumps(config | said))
    with pytest.raises(ValueError, match=r"no DINOv2 can be made by its config\.json: \w+: \S"):
        load_teacher(spoilt, CPU)


def test_half_a_file_is_refused(spoilt: Path) -> None:
    content = (spoilt / "model.safetensors").read_bytes()
    (spoilt / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="the weights of DINOv2 cannot be loaded"):
        load_teacher(spoilt, CPU)


def test_a_pickle_is_not_opened(spoilt: Path) -> None:
    torch.save(load_file(spoilt / "model.safetensors"), spoilt / "pytorch_model.bin")
    (spoilt / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"no file named model\.safetensors"):
        load_teacher(spoilt, CPU)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_sees_what_a_cpu_sees(folder: Path, teacher: Dinov2Model) -> None:
    there = load_teacher(folder, torch.device("cuda"))
    torch.testing.assert_close(
        patch_tokens(there, frame(), 70), patch_tokens(teacher, frame(), 70), atol=1e-3, rtol=1e-3
    )
