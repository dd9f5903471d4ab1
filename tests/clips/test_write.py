"""Writing: what goes in comes out, and the same frames give the same bytes."""

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.clips.write import write_video


def pixels(frame: av.VideoFrame) -> NDArray[np.int64]:
    """Decode as BT.709 says, and not as the installed PyAV may guess."""
    colours = frame.reformat(format="rgb24", src_colorspace="ITU709", dst_colorspace="DEFAULT")
    return colours.to_ndarray().astype(np.int64)


def clouds(frames: int, height: int = 32, width: int = 48) -> NDArray[np.uint8]:
    """Draw soft colours that drift."""
    f, y, x = np.meshgrid(np.arange(frames), np.arange(height), np.arange(width), indexing="ij")
    waves = [np.sin((x + y * n + 2 * f) / 9) for n in (0, 1, -1)]
    return np.asarray(128 + 90 * np.stack(waves, axis=-1)).astype(np.uint8)


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.mp4", "two.mp4"):
        write_video(tmp_path / name, clouds(9), 16)
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


@pytest.mark.parametrize("fps", [8, 16, 23.976, 29.97])
def test_every_frame_comes_back_with_its_colours_at_its_time(tmp_path: Path, fps: float) -> None:
    sent_FHWC = clouds(9)
    write_video(tmp_path / "clip.mp4", sent_FHWC, fps)
    with av.open(tmp_path / "clip.mp4") as container:
        frames = list(container.decode(video=0))
    assert [frame.time for frame in frames] == pytest.approx([n / fps for n in range(9)], abs=1e-4)
    got_FHWC = np.stack([pixels(frame) for frame in frames])
    assert np.abs(got_FHWC - sent_FHWC).mean() < 4


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (90, 90, 90)])
def test_a_plain_colour_survives(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    write_video(tmp_path / "plain.mp4", np.full((3, 32, 32, 3), colour, np.uint8), 16)
    with av.open(tmp_path / "plain.mp4") as container:
        frame = next(container.decode(video=0))
    assert frame.format.name == "yuv420p"
    np.testing.assert_allclose(pixels(frame)[16, 16], colour, atol=3)


@pytest.mark.parametrize("shape", [(3, 31, 32, 3), (3, 32, 31, 3)])
def test_an_odd_size_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="even width and height"):
        write_video(tmp_path / "odd.mp4", np.zeros(shape, np.uint8), 16)
    assert not (tmp_path / "odd.mp4").exists()


@pytest.mark.parametrize("shape", [(0, 32, 32, 3), (3, 32, 32), (3, 32, 32, 4)])
def test_frames_of_another_shape_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="frames must be"):
        write_video(tmp_path / "odd.mp4", np.zeros(shape, np.uint8), 16)
