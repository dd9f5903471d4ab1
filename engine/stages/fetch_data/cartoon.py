"""Draw a small set of black-and-white cartoons with captions, as if found in an old film can.

Three rules, and no others:

1. The set depends on the number of clips and the seed alone, to the byte.
2. Every clip is one figure doing one thing in one scene, and its caption says which.
3. Pictures are drawn four times too large and shrunk, so that ink has smooth edges; only
   then are they aged.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from engine.clips.write import write_video
from engine.stages.fetch_data.figures import FIGURES, Figure
from engine.stages.fetch_data.pen import Pen
from engine.stages.fetch_data.scenes import GROUND, PLACES, SKIES

EDGE, FPS, FRAMES = 128, 16, 33
_FINE = 4
_SCRATCHES, _SPECKS = 0.12, 0.2  # chance of each in a frame


@dataclass(frozen=True, slots=True)
class Shot:
    """What one clip shows.

    ``facing`` is 1 to the right and -1 to the left; ``start`` is the time of day, in seconds,
    at which the scene is met, so that clouds and waves differ from clip to clip.
    """

    figure: Figure
    place: str
    sky: str
    facing: int
    start: float

    @property
    def caption(self) -> str:
        """Say the shot in one sentence."""
        way = f" to the {'right' if self.facing > 0 else 'left'}" if self.figure.travels else ""
        scene = f"{PLACES[self.place].words} {SKIES[self.sky].words}"
        line = f"{self.figure.looks} {self.figure.does}{way} {scene}, an old black-and-white cartoon."
        return line[0].upper() + line[1:]


def draw_cartoons(folder: Path, clips: int, seed: int, go_on: Callable[[], None] = lambda: None) -> None:
    """Write ``clips`` cartoons to ``folder``: ``000-cat.mp4`` with ``000-cat.txt`` beside it.

    Each is 128x128 pixels, 33 frames at 16 per second, all grey. The figures take turns.

    Args:
        folder: made if it is not there.
        clips: how many, at least 0.
        seed: another seed gives other scenes, directions and scratches.
        go_on: called before each; what it raises ends the drawing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(clips):
        go_on()
        shot = _choose(index, seed)
        wear = np.random.default_rng((seed, index))
        stem = folder / f"{index:03d}-{shot.figure.name}"
        write_video(stem.with_suffix(".mp4"), _age(_film(shot), wear), FPS)
        stem.with_suffix(".txt").write_text(shot.caption + "\n", encoding="utf-8")


def _choose(index: int, seed: int) -> Shot:
    """Let the figures take turns; each works through its scenes in an order of its own, then again."""
    turn, who = divmod(index, len(FIGURES))
    figure = FIGURES[who]
    ways = (1, -1) if figure.travels else (1,)
    scenes = [(place, sky, way) for place in figure.places for sky in PLACES[place].skies for way in ways]
    order = np.random.default_rng((seed, who)).permutation(len(scenes))
    place, sky, facing = scenes[order[turn % len(scenes)]]
    return Shot(figure, place, sky, facing, start=0.37 * index % 3)


def _film(shot: Shot) -> NDArray[np.float32]:
    """Draw all frames as ``(F, H, W)`` float32, 0 black to 255 white, still clean."""
    sky = SKIES[shot.sky]
    fade = np.linspace(sky.top, sky.bottom, EDGE * _FINE).astype(np.uint8)
    air = Image.fromarray(np.repeat(fade[:, None], EDGE * _FINE, axis=1))
    return np.stack([_picture(shot, air, frame) for frame in range(FRAMES)])


def _picture(shot: Shot, air: Image.Image, frame: int) -> NDArray[np.float32]:
    """Draw one frame from back to front: sky, place, shadow, figure, and what hides its feet."""
    canvas, side = air.copy(), float(EDGE * _FINE)
    pen = Pen(ImageDraw.Draw(canvas), np.array([[side, 0, 0], [0, side, 0]]))
    figure, place, time = shot.figure, PLACES[shot.place], frame / FPS
    SKIES[shot.sky].paint(pen, shot.start + time)
    place.paint(pen, shot.start + time)
    x, height = figure.path(frame / (FRAMES - 1))
    feet = pen.moved(0.5 + 0.36 * shot.facing * x, GROUND + 0.085)
    if place.front is None:  # water shows no shadow
        feet.oval(0, 0, 0.3 * figure.size / (1 + height), 0.018, 118, edge=None)
    figure.draw(feet.moved(0, -height * figure.size, wide=figure.size * shot.facing, tall=figure.size), time)
    if place.front is not None:
        place.front(pen, shot.start + time)
    return np.asarray(canvas.reduce(_FINE), np.float32)


def _age(film_FHW: NDArray[np.float32], wear: np.random.Generator) -> NDArray[np.uint8]:
    """Give clean frames the look of a worn print; returns ``(F, H, W, 3)`` uint8, all grey."""
    aged_FHW = 24 + film_FHW * (218 / 255)  # old film has no true black and no true white
    aged_FHW *= _vignette()
    aged_FHW *= wear.normal(1, 0.018, (FRAMES, 1, 1))
    aged_FHW += wear.normal(0, 3.5, film_FHW.shape)
    for frame_HW in aged_FHW:
        if wear.random() < _SCRATCHES:
            frame_HW[:, wear.integers(EDGE)] += wear.choice((-50, 60))
        if wear.random() < _SPECKS:
            y, x = wear.integers(0, EDGE - 2, 2)
            frame_HW[y : y + 2, x : x + 2] += 70
    grey_FHW = np.clip(np.round(aged_FHW), 0, 255).astype(np.uint8)
    return np.repeat(grey_FHW[..., None], 3, axis=-1)


def _vignette() -> NDArray[np.float32]:
    """Return ``(H, W)`` factors: 1 in the middle, darker towards the corners."""
    along = np.linspace(-1, 1, EDGE, dtype=np.float32)
    far = along[:, None] ** 2 + along[None, :] ** 2
    return np.asarray(1 - 0.34 * np.clip(far - 0.55, 0, None) ** 1.3, np.float32)
