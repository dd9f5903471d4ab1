"""Probing: what a file really holds, and the files that are refused."""

from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from engine.clips.files import Probe, UnreadableClip, frames_at, is_image
from engine.clips.probe import open_video, probe

can_turn = pytest.mark.skipif(
    not hasattr(av.video.stream.VideoStream, "set_display_rotation"),
    reason="this PyAV cannot write a rotation",
)


def encode(
    path: Path, starts: list[int], tick: Fraction, size: tuple[int, int] = (64, 48), turned: int = 0
) -> Path:
    """Write noise frames shown at ``starts`` ticks."""
    with av.open(path, mode="w") as container:
        stream = container.add_stream("libx264", rate=round(1 / tick), options={"bf": "2"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = tick
        if turned:
            stream.set_display_rotation(turned)
        noise = np.random.default_rng(0)
        for start in starts:
            pixels = noise.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = start, tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi"])
def test_two_seconds_at_16_per_second_are_33_frames_in_every_container(tmp_path: Path, suffix: str) -> None:
    found = probe(encode(tmp_path / f"clip{suffix}", list(range(33)), Fraction(1, 16)))
    assert (found.kind, found.width, found.height, found.frames) == ("video", 64, 48, 33)
    assert found.seconds == pytest.approx(33 / 16, abs=0.002)
    assert found.rate == pytest.approx(16, abs=0.02)
    assert found.codec == "h264"
    assert frames_at(found, 16) == 33
    assert frames_at(found, 8) == 16


def test_a_variable_rate_is_measured_by_times(tmp_path: Path) -> None:
    found = probe(encode(tmp_path / "uneven.mkv", [0, 100, 200, 1000, 1900], Fraction(1, 1000)))
    assert found.frames == 5
    assert found.seconds == pytest.approx(1.9, abs=0.5)
    assert found.rate < 3


def test_a_portrait_is_taller_than_wide(tmp_path: Path) -> None:
    found = probe(encode(tmp_path / "portrait.mp4", [0, 1, 2], Fraction(1, 16), size=(32, 64)))
    assert (found.width, found.height) == (32, 64)


@can_turn
def test_a_turned_clip_has_the_size_it_is_displayed_with(tmp_path: Path) -> None:
    found = probe(encode(tmp_path / "turned.mp4", [0, 1, 2], Fraction(1, 16), turned=90))
    assert (found.width, found.height) == (48, 64)


def test_an_image_is_one_frame(tmp_path: Path) -> None:
    Image.new("RGB", (40, 20), "red").save(tmp_path / "red.png")
    found = probe(tmp_path / "red.png")
    assert found == Probe("image", 40, 20, 1, 0.0, 0.0, "png")
    assert frames_at(found, 16) == 1


def test_an_image_is_turned_as_its_camera_asks(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "phone.jpg", exif=turned)
    found = probe(tmp_path / "phone.jpg")
    assert (found.width, found.height) == (20, 40)


def test_a_probe_survives_as_a_plain_mapping() -> None:
    found = Probe("video", 64, 48, 33, 2.0625, 16.0, "h264")
    assert Probe(**asdict(found)) == found


def test_a_truncated_clip_counts_only_whole_frames(tmp_path: Path) -> None:
    whole = encode(tmp_path / "whole.mkv", list(range(32)), Fraction(1, 16))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert 4 < probe(cut).frames < 28


def test_a_truncated_mp4_without_its_index_is_refused(tmp_path: Path) -> None:
    whole = encode(tmp_path / "whole.mp4", list(range(32)), Fraction(1, 16))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(UnreadableClip, match=r"cut\.mp4: cannot be decoded"):
        probe(cut)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.mp4", b"", "is empty"),
        ("empty.png", b"", "is empty"),
        ("text.mp4", b"this is a letter, not a film\n" * 40, "cannot be decoded"),
        ("text.png", b"this is a letter, not a picture\n" * 40, "cannot be decoded: "),
        ("notes.txt", b"words", "cannot be decoded: "),
        ("drawing.svg", b"<svg/>", "cannot be decoded: no video and no image is recognised"),
        ("half.png", b"\x89PNG\r\n\x1a\n and no more", "cannot be decoded: "),
    ],
)
def test_what_is_no_clip_is_refused_in_words(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableClip, match=reason) as caught:
        probe(path)
    assert caught.value.path == path
    assert str(caught.value) == f"{name}: {caught.value.reason}"


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    for name in ("missing.mp4", "folder.mp4", "missing.png"):
        with pytest.raises(UnreadableClip, match="is not a file"):
            probe(tmp_path / name)


def test_sound_alone_is_no_clip(tmp_path: Path) -> None:
    with av.open(tmp_path / "song.mp4", mode="w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 8000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(UnreadableClip, match="holds no video stream"):
        probe(tmp_path / "song.mp4")


@pytest.mark.parametrize("name", ["list.mp4", "list.mkv", "list.avi"])
@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{other}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {other}\n",
    ],
)
def test_a_renamed_playlist_opens_no_other_file(tmp_path: Path, name: str, playlist: str) -> None:
    other = encode(tmp_path / "other.mp4", [0, 1, 2], Fraction(1, 16))
    (tmp_path / name).write_text(playlist.format(other=other))
    with pytest.raises(UnreadableClip):
        probe(tmp_path / name)


def test_a_playlist_is_refused_even_where_no_suffix_is_asked_about(tmp_path: Path) -> None:
    other = encode(tmp_path / "other.mp4", [0, 1, 2], Fraction(1, 16))
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{other}\n#EXT-X-ENDLIST\n")
    av.open(playlist).close()  # FFmpeg alone would follow it
    with pytest.raises(UnreadableClip, match="cannot be decoded"), open_video(playlist):
        pass


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "bmp"])
@pytest.mark.parametrize("name", ["picture.mp4", "picture.gif", "picture"])
def test_an_image_is_an_image_whatever_it_is_called(tmp_path: Path, kind: str, name: str) -> None:
    Image.new("RGB", (40, 20), "red").save(tmp_path / name, format=kind)
    assert probe(tmp_path / name) == Probe("image", 40, 20, 1, 0.0, 0.0, kind)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi"])
def test_a_video_is_a_video_whatever_it_is_called(tmp_path: Path, suffix: str) -> None:
    film = encode(tmp_path / f"film{suffix}", [0, 1, 2], Fraction(1, 16))
    disguised = film.rename(tmp_path / "film.png")
    assert (probe(disguised).kind, probe(disguised).frames) == ("video", 3)


def test_a_film_whose_first_part_is_as_long_as_bm_says_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "long.mp4").write_bytes(b"BM\x00\x18ftypisom" + bytes(100))
    assert not is_image(tmp_path / "long.mp4")


@pytest.mark.parametrize(("codec", "depth"), [("libx264", 10), ("libx265", 10), ("libx264", 8)])
def test_depth_does_not_matter(tmp_path: Path, codec: str, depth: int) -> None:
    if codec not in av.codec.codecs_available:
        pytest.skip(f"this PyAV has no {codec}")
    quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    with av.open(tmp_path / "deep.mp4", mode="w") as container:
        stream = container.add_stream(codec, rate=16, options=quiet)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuv420p10le" if depth == 10 else "yuv420p"
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 90, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    found = probe(tmp_path / "deep.mp4")
    assert (found.width, found.height, found.frames) == (64, 48, 5)


def test_a_title_in_an_older_encoding_does_no_harm(tmp_path: Path) -> None:
    with av.open(tmp_path / "title.mp4", mode="w") as container:
        container.metadata["title"] = "Gruesse"
        stream = container.add_stream("libx264", rate=16)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode())
    content = (tmp_path / "title.mp4").read_bytes()
    assert content.count(b"Gruesse") == 1
    (tmp_path / "title.mp4").write_bytes(content.replace(b"Gruesse", "Gr\xfc\xdfe..".encode("latin-1")))
    assert probe(tmp_path / "title.mp4").frames == 1


def test_nonsense_from_a_camera_is_passed_over_or_said_in_words(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112], turned[0x011A] = 6, 72.0
    Image.new("RGB", (40, 20)).save(tmp_path / "odd.jpg", exif=turned)
    content = (tmp_path / "odd.jpg").read_bytes()
    resolution = b"\x01\x1a\x00\x05\x00\x00\x00\x01"  # a fraction, which becomes a text
    assert content.count(resolution) == 1
    (tmp_path / "odd.jpg").write_bytes(content.replace(resolution, b"\x01\x1a\x00\x02\x00\x00\x00\x01"))
    try:  # which of the two depends on the version of Pillow; anything else would end a survey of thousands
        assert probe(tmp_path / "odd.jpg").kind == "image"
    except UnreadableClip as error:
        assert error.reason.startswith("cannot be decoded: ")  # noqa: PT017


def limit(monkeypatch: pytest.MonkeyPatch, pixels: int) -> None:
    monkeypatch.setattr("engine.clips.probe.MOST_PIXELS", pixels)
    monkeypatch.setattr("engine.clips.probe._SIZE_LIMIT", {"max_pixels": str(pixels)})


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".png"])
def test_a_picture_that_would_not_fit_into_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    path = tmp_path / f"wall{suffix}"
    if suffix == ".png":
        Image.new("RGB", (256, 128)).save(path)
    else:
        encode(path, [0, 1, 2], Fraction(1, 16), size=(256, 128))
    limit(monkeypatch, 256 * 128)
    assert probe(path).width == 256
    limit(monkeypatch, 256 * 128 - 1)
    with pytest.raises(UnreadableClip, match=r"has pictures of .* pixels"):
        probe(path)


def test_a_small_file_that_claims_a_wall_is_refused_before_memory_is_given_to_it(tmp_path: Path) -> None:
    Image.new("1", (8200, 8200)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 20_000
    with pytest.raises(UnreadableClip, match="has pictures of 8200x8200; more than 67,108,864 pixels"):
        probe(tmp_path / "bomb.png")


def test_a_film_that_grows_inside_its_stream_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with av.open(tmp_path / "liar.webm", mode="w") as container:
        stream = container.add_stream("libvpx-vp9", rate=16)
        stream.width, stream.height, stream.pix_fmt = 512, 256, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(512, 256, "yuv420p")))
        container.mux(stream.encode())
    content = (tmp_path / "liar.webm").read_bytes()
    for true, said in (
        (b"\xb0\x82\x02\x00", b"\xb0\x82\x00\x20"),
        (b"\xba\x82\x01\x00", b"\xba\x82\x00\x20"),
    ):
        assert content.count(true) == 1
        content = content.replace(true, said)  # the header says 32x32, the stream 512x256
    (tmp_path / "liar.webm").write_bytes(content)
    assert probe(tmp_path / "liar.webm").width == 512
    limit(monkeypatch, 100 * 100)
    with pytest.raises(UnreadableClip, match="of no known size, or of more than 10,000 pixels"):
        probe(tmp_path / "liar.webm")


def test_grey_of_16_bits_is_refused_before_it_turns_white(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 30000, np.uint16)).save(tmp_path / "depth.png")
    with pytest.raises(UnreadableClip, match="16-bit"):
        probe(tmp_path / "depth.png")
