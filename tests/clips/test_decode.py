"""Decoding: the right moments, upright, covered and cropped."""

import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from engine.clips.decode import frames_of, read_frames
from engine.clips.files import UnreadableClip, frames_at
from engine.clips.probe import probe
from engine.clips.sizes import Bucket, Cut

WIDTH, HEIGHT = 192, 32


def cut(
    width: int,
    height: int,
    frames: int,
    *,
    start: int = 0,
    period: int = 0,
    scaled: tuple[int, int] = (0, 0),
    corner: tuple[int, int] = (0, 0),
) -> Cut:
    """Take the first frames of a clip whole, where nothing else is said."""
    bucket = Bucket(width, height, frames)
    return Cut(start, period or frames, scaled if any(scaled) else (width, height), corner, bucket)


can_turn = pytest.mark.skipif(
    not hasattr(av.video.stream.VideoStream, "set_display_rotation"),
    reason="this PyAV cannot write a rotation",
)


def encode(
    path: Path,
    pictures: list[NDArray[np.uint8]],
    starts: list[int],
    tick: Fraction,
    *,
    turned: int = 0,
    sound: bool = False,
) -> Path:
    """Write pictures shown at ``starts`` ticks, over a tone if wanted."""
    with av.open(path, mode="w") as container:
        stream = container.add_stream("libx264", rate=round(1 / tick), options={"crf": "8", "bf": "2"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", tick
        if turned:
            stream.set_display_rotation(turned)
        voice = container.add_stream("aac", rate=8000, layout="mono") if sound else None
        for start, picture in zip(starts, pictures, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = start, tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if voice is not None:
            for n in range(20):
                wave = np.sin(np.arange(1024, dtype=np.float32) / 3)[None]
                note = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
                note.sample_rate, note.pts = 8000, 1024 * n
                container.mux(voice.encode(note))
            container.mux(voice.encode())
    return path


def ball(x: float) -> NDArray[np.uint8]:
    """Draw a white ball at ``x`` from 0 (left) to 1 (right)."""
    picture_HWC = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    left = round(x * (WIDTH - 16))
    picture_HWC[8:24, left : left + 16] = 255
    return picture_HWC


def where(frames_FHWC: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Find the ball in each frame, 0 to 1."""
    light_FW = frames_FHWC.astype(np.float64).sum(axis=(1, 3))
    centre = (light_FW * np.arange(WIDTH)).sum(axis=1) / light_FW.sum(axis=1)
    return np.asarray((centre - 7.5) / (WIDTH - 16))


def crossing(path: Path, rate: int, seconds: float, *, sound: bool = False) -> Path:
    """Write a ball that crosses the picture in ``seconds`` and then leaves off."""
    frames = round(rate * seconds)
    pictures = [ball(n / frames) for n in range(frames)]
    return encode(path, pictures, list(range(frames)), Fraction(1, rate), sound=sound)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
@pytest.mark.parametrize(("rate", "fps"), [(30, 16), (8, 16), (16, 16), (24, 16), (25, 10)])
def test_a_ball_crosses_in_3_seconds_at_any_rate(tmp_path: Path, suffix: str, rate: int, fps: int) -> None:
    path = crossing(tmp_path / f"ball{suffix}", rate, 3)
    assert frames_at(probe(path), fps) == 3 * fps
    found = where(read_frames(path, cut(WIDTH, HEIGHT, 3 * fps), fps))
    shown = np.floor(np.arange(3 * fps) / fps * rate + 1e-6) / (3 * rate)
    np.testing.assert_allclose(found, shown, atol=0.01)


def test_a_variable_rate_keeps_its_moments(tmp_path: Path) -> None:
    starts = [0, 50, 100, 700, 1500, 1550, 2000]
    path = encode(tmp_path / "uneven.mkv", [ball(t / 2000) for t in starts], starts, Fraction(1, 1000))
    found = where(read_frames(path, cut(WIDTH, HEIGHT, 20), 10))
    shown = [max(t for t in starts if t <= 100 * k) / 2000 for k in range(20)]
    np.testing.assert_allclose(found, shown, atol=0.01)


def test_a_clip_that_starts_late_starts_at_its_first_frame(tmp_path: Path) -> None:
    pictures = [ball(n / 8) for n in range(8)]
    path = encode(tmp_path / "late.mkv", pictures, list(range(100, 108)), Fraction(1, 8))
    found = where(read_frames(path, cut(WIDTH, HEIGHT, 8), 8))
    np.testing.assert_allclose(found, np.arange(8) / 8, atol=0.01)


def test_only_the_first_frames_are_read(tmp_path: Path) -> None:
    path = crossing(tmp_path / "ball.mp4", 16, 2)
    all_FHWC = read_frames(path, cut(WIDTH, HEIGHT, 32), 16)
    np.testing.assert_array_equal(read_frames(path, cut(WIDTH, HEIGHT, 5), 16), all_FHWC[:5])


def test_sound_does_no_harm(tmp_path: Path) -> None:
    quiet = read_frames(crossing(tmp_path / "quiet.mp4", 16, 2), cut(WIDTH, HEIGHT, 32), 16)
    loud = crossing(tmp_path / "loud.mp4", 16, 2, sound=True)
    assert probe(loud).frames == 32
    np.testing.assert_array_equal(read_frames(loud, cut(WIDTH, HEIGHT, 32), 16), quiet)


def test_a_truncated_clip_says_how_many_frames_it_gave(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 32, 3), dtype=np.uint8)
    whole = encode(tmp_path / "whole.mkv", list(noise), list(range(32)), Fraction(1, 16))
    half = tmp_path / "half.mkv"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    there = frames_at(probe(half), 16)
    assert read_frames(half, cut(32, 32, there), 16).shape == (there, 32, 32, 3)
    with pytest.raises(UnreadableClip, match=f"half.mkv: could be decoded to only {there} of the 32 frames"):
        read_frames(half, cut(32, 32, 32), 16)


def test_the_picture_is_scaled_whole_and_cut_out_at_the_corner(tmp_path: Path) -> None:
    picture_HWC = np.zeros((32, 64, 3), np.uint8)
    picture_HWC[:, :14] = (255, 0, 0)
    picture_HWC[:, 18:46] = (255, 255, 255)
    picture_HWC[:, 50:] = (0, 0, 255)
    path = encode(tmp_path / "flag.mp4", [picture_HWC] * 3, [0, 1, 2], Fraction(1, 16))
    frames_FHWC = read_frames(path, cut(16, 16, 3, scaled=(32, 16), corner=(8, 0)), 16)
    assert frames_FHWC.shape == (3, 16, 16, 3)
    assert frames_FHWC.dtype == np.uint8
    assert frames_FHWC[:, :, 3:13].min() > 235  # the white middle, no red and no blue
    right_FHWC = read_frames(path, cut(16, 16, 1, scaled=(32, 16), corner=(16, 0)), 16)
    np.testing.assert_allclose(right_FHWC[0, 8, (3, 13)], [(255, 255, 255), (0, 0, 255)], atol=12)
    wide_FHWC = read_frames(path, cut(64, 16, 1, scaled=(64, 32), corner=(0, 8)), 16)
    assert wide_FHWC.shape == (1, 16, 64, 3)
    np.testing.assert_allclose(wide_FHWC[0, 8, (5, 58)], [(255, 0, 0), (0, 0, 255)], atol=12)


def test_a_portrait_stays_upright(tmp_path: Path) -> None:
    picture_HWC = np.zeros((64, 32, 3), np.uint8)
    picture_HWC[:32] = 255
    path = encode(tmp_path / "portrait.mp4", [picture_HWC] * 2, [0, 1], Fraction(1, 16))
    frame_HWC = read_frames(path, cut(16, 32, 2), 16)[0]
    assert frame_HWC[:14].min() > 235
    assert frame_HWC[18:].max() < 20


@can_turn
@pytest.mark.parametrize(("turned", "lit"), [(90, "bottom"), (-90, "top")])
def test_a_turned_clip_is_set_upright(tmp_path: Path, turned: int, lit: str) -> None:
    picture_HWC = np.zeros((32, 64, 3), np.uint8)
    picture_HWC[:, :32] = 255  # the left half; turned counter-clockwise it comes to lie at the bottom
    path = encode(tmp_path / "turned.mp4", [picture_HWC] * 2, [0, 1], Fraction(1, 16), turned=turned)
    frame_HWC = read_frames(path, cut(32, 64, 2), 16)[0]
    top, bottom = frame_HWC[:28].mean(), frame_HWC[36:].mean()
    assert (bottom > 235 and top < 20) if lit == "bottom" else (top > 235 and bottom < 20)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize(("space", "label"), [("ITU709", 1), ("ITU601", 6), ("ITU601", 2)])
def test_colours_are_those_that_the_file_means(
    tmp_path: Path, space: str, label: int, pixel_format: str
) -> None:
    with av.open(tmp_path / "plain.mp4", mode="w") as container:
        stream = container.add_stream("libx264", rate=16, options={"crf": "1"})
        stream.height = stream.width = 32
        stream.pix_fmt, stream.codec_context.colorspace = pixel_format, label
        for _ in range(3):
            picture = av.VideoFrame.from_ndarray(
                np.full((32, 32, 3), (20, 60, 230), np.uint8), format="rgb24"
            )
            container.mux(stream.encode(picture.reformat(format=pixel_format, dst_colorspace=space)))
        container.mux(stream.encode())
    frames_FHWC = read_frames(tmp_path / "plain.mp4", cut(32, 32, 3), 16)
    np.testing.assert_allclose(frames_FHWC[1, 16, 16], (20, 60, 230), atol=4)


def test_an_image_is_one_frame(tmp_path: Path) -> None:
    Image.new("RGB", (40, 20), (10, 200, 30)).save(tmp_path / "green.png")
    frames_FHWC = read_frames(tmp_path / "green.png", cut(16, 16, 1, scaled=(32, 16), corner=(8, 0)), 16)
    assert frames_FHWC.shape == (1, 16, 16, 3)
    np.testing.assert_array_equal(frames_FHWC[0, 8, 8], (10, 200, 30))
    with pytest.raises(UnreadableClip, match="only 1 of the 5 frames"):
        read_frames(tmp_path / "green.png", cut(16, 16, 5), 16)


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    Image.new("RGBA", (16, 16), (255, 0, 0, 0)).save(tmp_path / "glass.png")
    assert read_frames(tmp_path / "glass.png", cut(16, 16, 1), 16).min() == 255


def test_reading_twice_gives_the_same_pixels(tmp_path: Path) -> None:
    path = crossing(tmp_path / "ball.mp4", 30, 1)
    first, second = (read_frames(path, cut(96, 32, 16), 16) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_an_image_that_is_looped_stands_still(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (10, 200, 30)).save(tmp_path / "green.png")
    frames_FHWC = read_frames(tmp_path / "green.png", cut(16, 16, 5, period=1), 16)
    np.testing.assert_array_equal(frames_FHWC, np.full((5, 16, 16, 3), (10, 200, 30)))


def test_an_image_has_no_second_frame(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16)).save(tmp_path / "black.png")
    with pytest.raises(
        UnreadableClip, match="only 0 of the 1 frames asked for at 16 per second from frame 1 on"
    ):
        read_frames(tmp_path / "black.png", cut(16, 16, 1, start=1), 16)


def test_a_clip_that_is_looped_begins_again(tmp_path: Path) -> None:
    path = crossing(tmp_path / "ball.mp4", 16, 2)
    all_FHWC = read_frames(path, cut(WIDTH, HEIGHT, 32), 16)
    looped_FHWC = read_frames(path, cut(WIDTH, HEIGHT, 25, start=3, period=10), 16)
    np.testing.assert_array_equal(looped_FHWC, all_FHWC[[3 + k % 10 for k in range(25)]])


def test_an_image_called_a_video_and_a_video_called_an_image_are_read(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (10, 200, 30)).save(tmp_path / "green.mp4", format="png")
    assert read_frames(tmp_path / "green.mp4", cut(16, 16, 1), 16)[0, 8, 8].tolist() == [10, 200, 30]
    film = crossing(tmp_path / "ball.mp4", 16, 1)
    truth = read_frames(film, cut(WIDTH, HEIGHT, 16), 16)
    found = read_frames(film.rename(tmp_path / "ball.png"), cut(WIDTH, HEIGHT, 16), 16)
    np.testing.assert_array_equal(found, truth)


def test_a_cut_that_would_be_scaled_beyond_memory_is_refused(tmp_path: Path) -> None:
    path = encode(tmp_path / "line.mp4", [np.zeros((2, 64, 3), np.uint8)] * 2, [0, 1], Fraction(1, 16))
    with pytest.raises(UnreadableClip, match=r"line\.mp4: would be scaled to 262144x8192 pixels"):
        read_frames(path, cut(16, 16, 1, scaled=(262144, 8192)), 16)


def test_memory_does_not_grow_with_the_clip(tmp_path: Path) -> None:
    path = crossing(tmp_path / "ball.mp4", 30, 10)
    frame_bytes = WIDTH * HEIGHT * 3
    tracemalloc.start()
    try:
        count = sum(1 for _ in frames_of(path, cut(WIDTH, HEIGHT, 300), 30))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 300
    assert peak < 20 * frame_bytes


def test_a_film_that_grows_beyond_memory_is_given_up_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = ((64, 32), (512, 256))
    for width, height in sizes:
        with av.open(tmp_path / f"{width}.webm", mode="w") as container:
            stream = container.add_stream("libvpx-vp9", rate=16)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            container.mux(stream.encode(av.VideoFrame(width, height, "yuv420p")))
            container.mux(stream.encode())
    with av.open(tmp_path / "grows.webm", mode="w") as container, av.open(tmp_path / "64.webm") as small:
        stream = container.add_stream_from_template(small.streams.video[0])
        for number, (width, _) in enumerate(sizes):
            with av.open(tmp_path / f"{width}.webm") as part:
                packet = next(part.demux(video=0))
                packet.pts = packet.dts = 62 * number
                packet.stream = stream
                container.mux(packet)
    assert len(read_frames(tmp_path / "grows.webm", cut(64, 32, 2), 16)) == 2
    monkeypatch.setattr("engine.clips.probe._SIZE_LIMIT", {"max_pixels": "10000"})
    frames = frames_of(tmp_path / "grows.webm", cut(64, 32, 2), 16)
    with pytest.raises(UnreadableClip, match=r"grows\.webm: "):
        list(frames)


@pytest.mark.parametrize("size", [(64, 48), (64, 50), (62, 48)])
def test_a_size_that_stays_is_packed_to_the_same_pixels_as_over_planes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    pictures = list(np.random.default_rng(1).integers(0, 255, (5, size[1], size[0], 3), dtype=np.uint8))
    path = encode(tmp_path / "noise.mp4", pictures, list(range(5)), Fraction(1, 16))
    quick_FHWC = read_frames(path, cut(*size, 5), 16)
    monkeypatch.setattr("engine.clips.decode._QUICK", frozenset())
    assert np.array_equal(quick_FHWC, read_frames(path, cut(*size, 5), 16))
