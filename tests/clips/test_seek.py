"""Seeking: a cut far into a clip is the same cut, only sooner."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from engine.clips import decode
from engine.clips.decode import frames_of, read_frames
from engine.clips.sizes import Bucket, Cut

BITS, SIDE = (
    10,
    16,
)  # a frame shows its number in two rows of squares: the bits, and below them their opposites
WIDTH, HEIGHT = BITS * SIDE, 2 * SIDE
EVEN = [40 * n for n in range(500)]
UNEVEN = np.cumsum([0, *np.random.default_rng(3).integers(10, 90, 499)]).tolist()


def numbered(number: int) -> NDArray[np.uint8]:
    bits = np.array([(number >> bit) & 1 for bit in range(BITS)])
    rows = np.stack([bits, 1 - bits]).astype(np.uint8) * 255
    grey_HW = rows.repeat(SIDE, axis=0).repeat(SIDE, axis=1)
    return np.stack([grey_HW] * 3, axis=-1)


def number_of(frame_HWC: NDArray[np.uint8]) -> int:
    squares = frame_HWC.mean(axis=2).reshape(2, SIDE, BITS, SIDE).mean(axis=(1, 3))
    assert (np.abs(squares[0] - squares[1]) > 150).all(), "the picture is damaged"
    return int(((squares[0] > 128) << np.arange(BITS)).sum())


def film(path: Path, codec: str, starts: list[int], options: dict[str, str]) -> Path:
    """Write numbered frames shown at ``starts`` milliseconds; at 25 per second where all of them allow it."""
    step = 40 if all(start % 40 == 0 for start in starts) else 1
    tick = Fraction(step, 1000)
    with av.open(path, mode="w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = tick
        for number, start in enumerate(starts):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            frame.pts, frame.time_base = start // step, tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def cut(start: int, frames: int) -> Cut:
    return Cut(start, frames, (WIDTH, HEIGHT), (0, 0), Bucket(WIDTH, HEIGHT, frames))


def shown(starts: list[int], fps: float, start: int, frames: int) -> list[int]:
    """Which frame a viewer sees at each moment, a container's rounding to milliseconds allowed for."""
    at = [start_ - starts[0] for start_ in starts]
    return [sum(a <= 1000 * k / fps + 2 for a in at) - 1 for k in range(start, start + frames)]


FILMS = {
    "long-gop.mp4": ("libx264", EVEN, {"g": "250", "bf": "3"}),
    "short-gop.mp4": ("libx264", EVEN, {"g": "25", "bf": "3"}),
    "open-gop.mp4": ("libx264", EVEN, {"g": "25", "bf": "3", "x264-params": "open-gop=1:scenecut=0"}),
    "refreshed.mp4": ("libx264", EVEN, {"g": "25", "x264-params": "intra-refresh=1"}),
    "late.mkv": ("libx264", [start + 5000 for start in EVEN], {"g": "25", "bf": "3"}),
    "uneven.mp4": ("libx264", UNEVEN, {"g": "25", "bf": "3"}),
    "uneven.mkv": ("libx264", UNEVEN, {"g": "25", "bf": "3"}),
    "vp9.webm": ("libvpx-vp9", EVEN, {"g": "25", "deadline": "realtime", "cpu-used": "8"}),
    "uneven.webm": ("libvpx-vp9", UNEVEN, {"g": "25", "deadline": "realtime", "cpu-used": "8"}),
    "mpeg4.mp4": ("mpeg4", EVEN, {"g": "25", "bf": "2"}),
    "mpeg4.avi": ("mpeg4", EVEN, {"g": "25", "bf": "2"}),
    "plain.avi": ("libx264", EVEN, {"g": "25", "bf": "3"}),
}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for name, (codec, starts, options) in FILMS.items():
        film(folder / name, codec, starts, options)
    return folder


@pytest.mark.parametrize("name", FILMS)
@pytest.mark.parametrize("fps", [16, 25])
def test_a_cut_far_into_a_clip_holds_the_frames_of_its_moments(films: Path, name: str, fps: int) -> None:
    starts = FILMS[name][1]
    most = int((starts[-1] - starts[0]) / 1000 * fps)
    for start in (fps, fps + 1, 5 * fps, most // 2, most - 9):
        found = [number_of(frame_HWC) for frame_HWC in frames_of(films / name, cut(start, 9), fps)]
        assert found == shown(starts, fps, start, 9)


@pytest.mark.parametrize("name", FILMS)
def test_seeking_changes_no_pixel(films: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    sought_FHWC = read_frames(films / name, cut(150, 12), 16)
    monkeypatch.setattr(decode, "_FAR", float("inf"))
    np.testing.assert_array_equal(sought_FHWC, read_frames(films / name, cut(150, 12), 16))


@dataclass
class Watch:
    """A container that counts, and can be made to lead astray."""

    container: Any
    decoded: list[float] = field(default_factory=list)
    sought: list[int] = field(default_factory=list)
    astray: ClassVar[int] = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.container, name)

    def decode(self, stream: Any) -> Iterator[av.VideoFrame]:
        for frame in self.container.decode(stream):
            self.decoded.append(frame.time)
            yield frame

    def seek(self, offset: int, stream: Any) -> None:
        self.sought.append(offset)
        self.container.seek(offset + self.astray, stream=stream)


@pytest.fixture
def watches(monkeypatch: pytest.MonkeyPatch) -> list[Watch]:
    """Every container that is opened from here on."""
    seen: list[Watch] = []
    plainly = decode.open_video

    @contextmanager
    def watched(path: Path) -> Iterator[tuple[Any, Any]]:
        with plainly(path) as (container, stream):
            seen.append(Watch(container))
            yield seen[-1], stream

    monkeypatch.setattr(decode, "open_video", watched)
    return seen


@pytest.mark.parametrize("name", ["short-gop.mp4", "open-gop.mp4", "uneven.mkv", "vp9.webm", "mpeg4.mp4"])
def test_what_lies_before_the_last_key_frame_is_not_decoded(
    films: Path, watches: list[Watch], name: str
) -> None:
    read_frames(films / name, cut(250, 5), 16)  # frame 390 of 500, or about that
    (watch,) = watches
    assert len(watch.sought) == 1
    assert len(watch.decoded) < 1 + 2 * 25 + 10 + 5


def test_what_lies_behind_the_cut_is_not_decoded(films: Path, watches: list[Watch]) -> None:
    read_frames(films / "short-gop.mp4", cut(0, 9), 25)
    assert len(watches[0].decoded) == 9 + 1  # the next one says when the last ends
    assert watches[0].sought == []


@pytest.mark.parametrize("name", ["mpeg4.avi", "plain.avi"])
def test_a_container_without_times_is_read_from_its_start(
    films: Path, watches: list[Watch], name: str
) -> None:
    read_frames(films / name, cut(150, 5), 16)
    assert [watch.sought for watch in watches] == [[], []]


@pytest.mark.parametrize("astray", [5000, 10_000_000])
def test_an_index_that_leads_past_the_cut_is_not_believed(
    films: Path, watches: list[Watch], monkeypatch: pytest.MonkeyPatch, astray: int
) -> None:
    monkeypatch.setattr(Watch, "astray", astray)
    found = [number_of(frame_HWC) for frame_HWC in frames_of(films / "late.mkv", cut(160, 9), 16)]
    assert found == shown(EVEN, 16, 160, 9)
    assert len(watches) == 2
    assert watches[1].sought == []
