"""A contact sheet: one picture that shows, prompt by prompt, what clips look like.

Four rules, and no others:

1. Each row is a label on the left and film strips on the right, one below the other, so that
   frames of the same moment stand in one column and are easily compared.
2. A strip shows at most five frames, evenly spread from the first to the last.
3. All frames have about the same area on paper, whatever their size and aspect.
4. Text is wrapped to its column, and the sheet grows with it: nothing is cut or overlaps.

Everything is a small picture on the same paper; the sheet is those pictures put side by side
and stacked.

Dimensions: F frames, H height, W width, C colour channels.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from unicodedata import combining, normalize

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_PAPER, _TEXT, _QUIET, _RULE = "#faf7f1", "#2e2a25", "#8a8177", "#ddd5c8"
_FILM, _HOLE = "#26231f", "#e9e3d8"
_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "Arial Unicode.ttf",
    "DejaVuSans.ttf",
    "LiberationSans-Regular.ttf",
    "Arial.ttf",
)
_TILE, _TILES, _GAP, _BAND = 164, 5, 6, 18
_MARGIN, _LABEL, _GUTTER = 56, 260, 36


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the sheet: a label, and ``(caption, frames_FHWC)`` for each strip; uint8 RGB."""

    label: str
    groups: tuple[tuple[str, NDArray[np.uint8]], ...]


def contact_sheet(path: Path, title: str, rows: Sequence[Row], note: str = "") -> None:
    """Draw the sheet and write it as a PNG.

    Args:
        path: where to write.
        title: the heading.
        rows: at least one; each strip is ``(F, H, W, 3)`` uint8 with at least one frame, and
            strips may differ in size and length.
        note: small print below, such as the recipe and the step.

    Raises:
        ValueError: if there is nothing to show.
    """
    if not rows or not all(frames_FHWC.size for row in rows for _, frames_FHWC in row.groups):
        raise ValueError("a contact sheet needs at least one row, and frames in every strip")
    drawn = [_row(row) for row in rows]
    width = max(picture.width for picture in drawn)
    rule = Image.new("RGB", (width, 1), _RULE)
    parts = [_text(title, 32, _TEXT, width)]
    for picture in drawn:
        parts += [rule, picture]
    if note:
        parts += [rule, _text(note, 15, _QUIET, width)]
    body = _stack(parts, gap=26)
    sheet = Image.new("RGB", (body.width + 2 * _MARGIN, body.height + 2 * _MARGIN), _PAPER)
    sheet.paste(body, (_MARGIN, _MARGIN))
    sheet.save(path, format="PNG")


def _row(row: Row) -> Image.Image:
    """Put the label beside its strips."""
    strips = [
        _stack([_text(caption, 15, _QUIET, _strip_width(frames_FHWC)), _strip(frames_FHWC)], gap=6)
        for caption, frames_FHWC in row.groups
    ]
    label = _text(row.label, 19, _TEXT, _LABEL)
    right = _stack(strips, gap=16)
    page = Image.new("RGB", (_LABEL + _GUTTER + right.width, max(label.height, right.height)), _PAPER)
    page.paste(label, (0, 0))
    page.paste(right, (_LABEL + _GUTTER, 0))
    return page


def _strip(frames_FHWC: NDArray[np.uint8]) -> Image.Image:
    """Lay frames on a piece of film, perforated along both edges."""
    width, height = _tile_size(frames_FHWC)
    film = Image.new("RGB", (_strip_width(frames_FHWC), height + 2 * _BAND), _PAPER)
    draw = ImageDraw.Draw(film)
    draw.rounded_rectangle((0, 0, film.width - 1, film.height - 1), radius=8, fill=_FILM)
    holes = (film.width - 16) // 19
    for n in range(holes):
        x = (film.width - 19 * holes) // 2 + 5 + 19 * n
        for y in (5, film.height - 13):
            draw.rounded_rectangle((x, y, x + 9, y + 7), radius=2, fill=_HOLE)
    for n, frame in enumerate(chosen(len(frames_FHWC))):
        tile = Image.fromarray(frames_FHWC[frame]).resize((width, height), Image.Resampling.LANCZOS)
        film.paste(tile, (_GAP + n * (width + _GAP), _BAND))
    return film


def chosen(frames: int) -> list[int]:
    """Return the indices of the frames that a strip shows of so many: at most five, from the first to the last."""
    return [round(index) for index in np.linspace(0, frames - 1, min(frames, _TILES))]


def _strip_width(frames_FHWC: NDArray[np.uint8]) -> int:
    """Return how wide a strip is with all its frames, in pixels."""
    return _GAP + len(chosen(len(frames_FHWC))) * (_tile_size(frames_FHWC)[0] + _GAP)


def _tile_size(frames_FHWC: NDArray[np.uint8]) -> tuple[int, int]:
    """Return the ``(width, height)`` on paper: always the same area, so portraits stay readable."""
    stretch = sqrt(frames_FHWC.shape[2] / frames_FHWC.shape[1])
    return max(1, round(_TILE * stretch)), max(1, round(_TILE / stretch))


def _stack(pictures: Sequence[Image.Image], gap: int) -> Image.Image:
    """Put pictures below each other, flush left, on paper."""
    height = sum(picture.height for picture in pictures) + gap * max(0, len(pictures) - 1)
    page = Image.new("RGB", (max((p.width for p in pictures), default=1), max(1, height)), _PAPER)
    top = 0
    for picture in pictures:
        page.paste(picture, (0, top))
        top += picture.height + gap
    return page


def _text(text: str, size: int, colour: str, width: int) -> Image.Image:
    """Draw text on paper, wrapped to ``width`` pixels, as tall as it needs."""
    text, font = _written(text, size)
    lines, line_height = _wrap(text, font, width), round(size * 1.38)
    page = Image.new("RGB", (width, line_height * len(lines)), _PAPER)
    draw = ImageDraw.Draw(page)
    for n, line in enumerate(lines):
        draw.text((0, n * line_height), line, font=font, fill=colour)
    return page


def _written(text: str, size: int) -> tuple[str, ImageFont.FreeTypeFont | ImageFont.ImageFont]:
    """Return a text and what it can be drawn with: the font that comes with Pillow has plain Latin letters only."""
    if not text.isascii():
        for name in _FONTS:
            with suppress(OSError):  # this machine does not have it
                return text, ImageFont.truetype(name, size)
        text = "".join(
            sign if sign.isascii() else "?" for sign in normalize("NFKD", text) if not combining(sign)
        )
    return text, ImageFont.load_default(size)


def _wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """Break text at spaces, and a word that is wider than the column anywhere."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines
