"""The cartoon set: always the same, grey, moving, and said in words."""

from pathlib import Path

import numpy as np
import pytest

from engine.clips.decode import read_frames
from engine.clips.files import frames_at
from engine.clips.probe import probe
from engine.clips.sizes import Bucket, Cut
from engine.stages.fetch_data.cartoon import draw_cartoons

CLIPS = 9

WHOLE = Cut(0, 33, (128, 128), (0, 0), Bucket(128, 128, 33))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cartoons") / "set"
    draw_cartoons(folder, CLIPS, seed=3)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_seed_gives_the_same_bytes(drawn: Path, tmp_path: Path) -> None:
    draw_cartoons(tmp_path, 2, seed=3)
    again = contents(tmp_path)
    assert len(again) == 4
    assert again == {name: content for name, content in contents(drawn).items() if name in again}


def test_another_seed_gives_another_set(drawn: Path, tmp_path: Path) -> None:
    draw_cartoons(tmp_path, 1, seed=4)
    assert contents(tmp_path)["000-cat.mp4"] != contents(drawn)["000-cat.mp4"]


def test_every_clip_is_33_frames_at_16_a_second_with_a_caption_beside_it(drawn: Path) -> None:
    clips = sorted(drawn.glob("*.mp4"))
    assert len(clips) == CLIPS
    assert {clip.stem for clip in clips} == {text.stem for text in drawn.glob("*.txt")}
    for clip in clips:
        found = probe(clip)
        assert (found.width, found.height, found.frames, frames_at(found, 16)) == (128, 128, 33, 33)


def test_captions_name_the_figure_and_differ(drawn: Path) -> None:
    captions = {path.stem: path.read_text() for path in drawn.glob("*.txt")}
    assert len(set(captions.values())) == CLIPS
    for stem, caption in captions.items():
        assert stem.split("-")[1] in caption
        assert caption.startswith("A ")
        assert caption.endswith("an old black-and-white cartoon.\n")


def test_at_least_six_figures_take_turns(drawn: Path) -> None:
    assert len({path.stem.split("-")[1] for path in drawn.glob("*.mp4")}) >= 6


def test_every_clip_is_grey_and_moves(drawn: Path) -> None:
    for clip in drawn.glob("*.mp4"):
        frames_FHWC = read_frames(clip, WHOLE, 16).astype(np.int64)
        assert np.ptp(frames_FHWC, axis=-1).max() <= 2
        # means of 8x8 blocks, in which no grain is left
        soft_FHW = frames_FHWC[..., 0].reshape(33, 16, 8, 16, 8).mean(axis=(2, 4))
        assert np.abs(np.diff(soft_FHW, axis=0)).max(axis=(1, 2)).mean() > 8
        assert frames_FHWC.std() > 25


def test_no_clips_are_an_empty_folder(tmp_path: Path) -> None:
    draw_cartoons(tmp_path / "none", 0, seed=1)
    assert list((tmp_path / "none").iterdir()) == []
