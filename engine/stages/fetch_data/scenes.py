"""The backdrops of the cartoons: a place below and a sky above.

A part is drawn with the pen of the whole picture, the unit square, at a time in seconds; what
moves in it moves slowly, for the figure is the star. Every part says itself in words, which
the caption uses. Tones stay in the middle, so that ink and chalk stand out against all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi, sin

import numpy as np

from engine.stages.fetch_data.pen import CHALK, INK, SHADE, Pen, arc

GROUND = 0.84
"""Height of the line on which figures stand."""

Paint = Callable[[Pen, float], None]


@dataclass(frozen=True, slots=True)
class Sky:
    """The upper part: ``top`` and ``bottom`` are the tones between which the air fades."""

    words: str
    top: int
    bottom: int
    paint: Paint


@dataclass(frozen=True, slots=True)
class Place:
    """The lower part, what of it covers the figure's feet, and the skies that go with it."""

    words: str
    paint: Paint
    skies: tuple[str, ...] = ("moon", "sun", "clouds")
    front: Paint | None = None


def _moon(pen: Pen, time: float) -> None:
    outer = arc((0.8, 0.17), (0.1, 0.1), 0.42 * pi, 1.75 * pi)
    inner = arc((0.835, 0.145), (0.083, 0.083), 1.72 * pi, 0.45 * pi)
    pen.shape(np.concatenate([outer, inner]), CHALK, line=0.008)
    stars = ((0.1, 0.1), (0.28, 0.2), (0.46, 0.07), (0.62, 0.19), (0.15, 0.33), (0.93, 0.35))
    for n, (x, y) in enumerate(stars):
        _star(pen.moved(x, y), 0.022 + 0.009 * sin(5 * time + 2 * n))


def _star(pen: Pen, size: float) -> None:
    angle = np.arange(8) * pi / 4
    radius = np.where(np.arange(8) % 2, size * 0.32, size)
    pen.shape(np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1), CHALK, edge=None)


def _sun(pen: Pen, time: float) -> None:
    at = pen.moved(0.18, 0.18)
    for n in range(12):
        ray = at.moved(0, 0, turn=n * pi / 6 + 0.5 * time)
        tip = (0.165 + 0.012 * sin(6 * time + n * pi), 0)
        ray.shape([(0.125, -0.014), tip, (0.125, 0.014)], CHALK, line=0.006)
    at.oval(0, 0, 0.105, 0.105, CHALK, line=0.01)
    at.eye(-0.034, -0.018, 0.034)
    at.eye(0.036, -0.018, 0.034)
    at.moved(0, 0.035, wide=0.4, tall=0.4).smile(0, 0, 0.14, 0.08)


def _clouds(pen: Pen, time: float) -> None:
    for x, y, size in ((0.16, 0.17, 1.0), (0.6, 0.11, 0.75), (0.92, 0.25, 0.9)):
        at = pen.moved(x + 0.015 * time, y, wide=size, tall=size)
        puffs = ((-0.09, 0.02, 0.06), (0.0, -0.02, 0.085), (0.09, 0.02, 0.06))
        for ink, more in ((INK, 0.009), (CHALK, 0.0)):
            for px, py, r in puffs:
                at.oval(px, py, r + more, r * 0.8 + more, ink, edge=None)


def _spotlight(pen: Pen, time: float) -> None:
    sway = 0.03 * sin(2 * time)
    foot = GROUND + 0.04
    pen.shape([(0.46, -0.02), (0.54, -0.02), (0.86 + sway, foot), (0.14 + sway, foot)], 196, edge=None)


def _earth(pen: Pen, tone: int, swell: float, height: float, phase: float) -> None:
    """Draw one ridge of hills from edge to edge."""
    x = np.linspace(-0.05, 1.05, 40)
    ridge = np.stack([x, height - swell * np.sin(2 * pi * x * 1.1 + phase)], axis=1)
    pen.shape(np.concatenate([ridge, [(1.05, 1.05), (-0.05, 1.05)]]), tone, line=0.01)


def _floor(pen: Pen, tone: int = 176) -> None:
    top = GROUND - 0.03
    pen.shape([(-0.05, top), (1.05, top), (1.05, 1.05), (-0.05, 1.05)], tone, line=0.01)


def _hills(pen: Pen, time: float) -> None:
    _earth(pen, 150, 0.07, 0.6, 0.4)
    for x, y in ((0.12, 0.66), (0.9, 0.6)):
        tree = pen.moved(x, y, turn=0.04 * sin(3 * time + 9 * x))
        tree.hose([(0, 0.1), (0, -0.04)], 0.022)
        tree.oval(0, -0.09, 0.06, 0.075, SHADE, line=0.009)
    _earth(pen, 186, 0.02, GROUND - 0.05, 2.2)


def _town(pen: Pen, time: float) -> None:
    for n, (x, width, top) in enumerate(((0.15, 0.13, 0.45), (0.5, 0.11, 0.54), (0.84, 0.14, 0.42))):
        lean = 0.02 * sin(2.4 * time + n)
        house = [
            (x - width, GROUND),
            (x - width + lean, top),
            (x + lean, top - 0.13),
            (x + width + lean, top),
        ]
        pen.shape([*house, (x + width, GROUND)], (150, 168, 140)[n], line=0.01)
        for wx in (-0.5, 0.5):
            at = (x + wx * width * 0.9 + lean * 0.6, top + 0.1)
            pen.oval(at[0], at[1], 0.026, 0.04, 96, line=0.009)
    _floor(pen)


def _fence(pen: Pen, _time: float) -> None:
    _earth(pen, 158, 0.04, 0.62, 4.0)
    for y in (0.66, 0.75):
        pen.shape([(-0.02, y), (1.02, y), (1.02, y + 0.025), (-0.02, y + 0.025)], CHALK - 20, line=0.007)
    for x in np.arange(0.03, 1.0, 0.118):
        pale = [(x - 0.027, GROUND), (x - 0.027, 0.63), (x, 0.585), (x + 0.027, 0.63), (x + 0.027, GROUND)]
        pen.shape(pale, CHALK - 20, line=0.008)
    _floor(pen, 182)


def _sea(pen: Pen, time: float) -> None:
    _wave(pen, 150, 0.7, 0.15 * time, 3 * time)
    _wave(pen, 128, 0.78, 0.6 - 0.2 * time, 3 * time + 2)


def _surf(pen: Pen, time: float) -> None:
    _wave(pen, 104, 0.9, 0.25 * time, 3 * time + 4)


def _wave(pen: Pen, tone: int, height: float, shift: float, heave: float) -> None:
    """Draw scalloped water from edge to edge, moved to the right by ``shift``."""
    x = np.linspace(-0.05, 1.05, 60)
    crest = height - 0.03 * np.abs(np.sin(3 * pi * (x - shift))) + 0.012 * sin(heave)
    water = np.concatenate([np.stack([x, crest], axis=1), [(1.05, 1.05), (-0.05, 1.05)]])
    pen.shape(water, tone, CHALK, 0.011)


def _stage(pen: Pen, time: float) -> None:
    _floor(pen, 196)
    for x in np.arange(0.05, 1.0, 0.15):
        pen.hose([(x, GROUND - 0.02), (x + (x - 0.5) * 0.35, 1.02)], 0.006, SHADE)
    for side in (-1, 1):
        half = pen.moved(0.5, 0, wide=side)
        for n, tone in enumerate((96, 72, 96, 72)):
            out = 0.53 - 0.055 * n
            sway = 0.012 * sin(2.5 * time + n)
            hem = out - 0.06 + sway
            fold = [(out, -0.02), (out - 0.075, -0.02), (hem, 0.5), (hem - 0.01, 0.93), (out, 0.93)]
            half.shape(fold, tone, line=0.009)
    for n in range(6):
        pen.oval(n / 5, -0.02, 0.115, 0.11, 72, line=0.01)


SKIES = {
    "moon": Sky("under a crescent moon and twinkling stars", 84, 150, _moon),
    "sun": Sky("under a smiling sun", 186, 222, _sun),
    "clouds": Sky("under puffy white clouds", 170, 214, _clouds),
    "spotlight": Sky("in a bright spotlight", 112, 150, _spotlight),
}

PLACES = {
    "hills": Place("in front of round hills with two trees", _hills),
    "town": Place("in front of three crooked houses", _town),
    "fence": Place("in front of a white garden fence", _fence),
    "sea": Place("over the rolling waves of the sea", _sea, front=_surf),
    "stage": Place("on a stage between dark curtains", _stage, ("spotlight",)),
}
