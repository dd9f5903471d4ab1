"""Contact sheets: everything is shown, and nothing is cut."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from engine.report.sheet import Row, contact_sheet


def plain(frames: int, height: int = 64, width: int = 64) -> NDArray[np.uint8]:
    """Make frames of pure red, each a little brighter."""
    clip_FHWC = np.zeros((frames, height, width, 3), np.uint8)
    clip_FHWC[..., 0] = np.linspace(120, 250, frames)[:, None, None]
    return clip_FHWC


def reds(path: Path) -> set[int]:
    """Find the brightnesses of pure red on the sheet."""
    sheet_HWC = np.asarray(Image.open(path))
    red_NC = sheet_HWC[(sheet_HWC[..., 1] == 0) & (sheet_HWC[..., 2] == 0)]
    return {int(value) for value in red_NC[:, 0]}


def sheet_of(path: Path, rows: list[Row], title: str = "Title", note: str = "") -> tuple[int, int]:
    contact_sheet(path, title, rows, note)
    return Image.open(path).size


def border_is_paper(path: Path) -> bool:
    """Say whether the margin all round is empty."""
    sheet_HWC = np.asarray(Image.open(path)).astype(int)
    inner = np.zeros(sheet_HWC.shape[:2], bool)
    inner[50:-50, 50:-50] = True
    return bool((sheet_HWC[~inner] == sheet_HWC[0, 0]).all())


def test_five_frames_are_shown_from_the_first_to_the_last(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    sheet_of(path, [Row("a", (("before", plain(33)),))])
    shown = {int(plain(33)[n, 0, 0, 0]) for n in (0, 8, 16, 24, 32)}
    assert reds(path) == shown


@pytest.mark.parametrize("size", [(64, 64), (96, 54), (54, 96), (480, 832), (16, 400)])
@pytest.mark.parametrize("frames", [1, 2, 5, 81])
def test_any_clip_fits(tmp_path: Path, size: tuple[int, int], frames: int) -> None:
    path = tmp_path / "sheet.png"
    sheet_of(path, [Row("a", (("before", plain(frames, *size)), ("after", plain(1))))])
    assert border_is_paper(path)
    assert len(reds(path)) >= min(frames, 5)


def test_long_words_make_the_sheet_taller_and_never_wider(tmp_path: Path) -> None:
    short = sheet_of(tmp_path / "short.png", [Row("cat", (("now", plain(5)),))])
    words = "a cat that walks " * 30 + "w" * 400
    long = sheet_of(tmp_path / "long.png", [Row(words, (("now", plain(5)),))], title=words, note=words)
    assert long[0] == short[0]
    assert long[1] > short[1]
    assert border_is_paper(tmp_path / "long.png")


def test_a_label_and_a_caption_may_be_empty(tmp_path: Path) -> None:
    sheet_of(tmp_path / "sheet.png", [Row("", (("", plain(1)),)), Row("nothing yet", ())], title="")
    assert border_is_paper(tmp_path / "sheet.png")


def test_the_same_clips_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        sheet_of(tmp_path / name, [Row("a", (("before", plain(5)),))])
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_nothing_to_show_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one row"):
        contact_sheet(tmp_path / "sheet.png", "Title", [])
    with pytest.raises(ValueError, match="frames in every strip"):
        contact_sheet(tmp_path / "sheet.png", "Title", [Row("a", (("b", plain(0)),))])


def test_letters_that_no_font_of_this_machine_has_are_written_without_their_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.report.sheet._FONTS", ())
    for name, text in (("marks", "caf\u00e9 \u732b"), ("plain", "cafe ?")):
        sheet_of(tmp_path / f"{name}.png", [Row(text, (("", plain(1)),))])
    assert (tmp_path / "marks.png").read_bytes() == (tmp_path / "plain.png").read_bytes()
