"""The cast of the cartoons: who they are, how they are drawn, and how they move.

A figure is drawn standing at the origin, about one unit tall, looking to the right, at a time
in seconds. Its path says where the origin is during a clip, so drawing knows nothing of
places. `FIGURES` is the cast; to add to it, draw one more and give it a line there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np

from engine.stages.fetch_data.pen import CHALK, INK, SHADE, Pen, Point, arc

TURN = 2 * pi
FUR = SHADE + 36

Draw = Callable[[Pen, float], None]
Path = Callable[[float], Point]
"""Maps the part of the clip that is over, 0 to 1, to ``x`` from -1 to 1 and a height above ground."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One of the cast; ``looks`` and ``does`` go into its captions."""

    name: str
    looks: str
    does: str
    draw: Draw
    path: Path
    size: float
    places: tuple[str, ...]
    travels: bool = True
    """Whether it goes from one side to the other; if not, it stays and never faces left."""


def _cat(pen: Pen, time: float) -> None:
    beat = TURN * 1.5 * time
    body = pen.moved(0, -0.04 * abs(sin(beat)))
    wag = 0.08 * sin(beat)
    tail = [(-0.12, -0.34), (-0.34, -0.28), (-0.44, -0.5 + wag), (-0.36, -0.7 + wag), (-0.46, -0.8 + wag)]
    body.hose(tail, 0.06)
    _arm(body, (-0.02, -0.5), beat + pi)
    _legs(pen, beat, 0.17)
    body.oval(0, -0.4, 0.19, 0.2, INK)
    body.oval(0.06, -0.37, 0.11, 0.13, CHALK, edge=None)
    _arm(body, (0, -0.5), beat)
    head = body.moved(0.05, -0.73, turn=0.08 * sin(beat))
    for x, tip in ((-0.14, -0.2), (0.12, 0.19)):
        head.shape([(x - 0.1, -0.1), (tip, -0.36), (x + 0.1, -0.14)], INK)
        head.shape([(x - 0.04, -0.16), (tip, -0.29), (x + 0.05, -0.17)], SHADE + 50, edge=None)
    head.oval(0, 0, 0.27, 0.23, INK)
    head.oval(0.07, 0.1, 0.18, 0.115, CHALK, edge=None)
    head.eye(-0.01, -0.04, 0.115)
    head.eye(0.15, -0.04, 0.115)
    head.oval(0.11, 0.06, 0.045, 0.03, INK)
    head.moved(0.1, 0.12, wide=0.6, tall=0.6).smile(0, 0, 0.22, 0.11)


def _mouse(pen: Pen, time: float) -> None:
    beat = TURN * 1.5 * time
    hop, sway = 0.06 * abs(sin(beat)), 0.06 * sin(beat)
    body = pen.moved(sway, -hop, turn=0.08 * sin(beat))
    body.hose([(-0.1, -0.28), (-0.3, -0.16), (-0.45, -0.3 - sway), (-0.58, -0.22)], 0.035)
    for side in (-1, 1):
        foot = (side * (0.13 + 0.07 * max(0, side * sin(beat))), -0.03 - 0.16 * max(0, side * sin(beat)))
        pen.hose([(sway + side * 0.07, -0.28 - hop), (side * 0.17, -0.17), foot], 0.05)
        pen.oval(foot[0] + side * 0.04, foot[1], 0.1, 0.055, CHALK)
    body.shape([(-0.1, -0.5), (0.1, -0.5), (0.21, -0.24), (-0.21, -0.24)], CHALK)
    for x, y in ((-0.07, -0.31), (0.05, -0.38), (0.1, -0.29)):
        body.oval(x, y, 0.025, 0.025, INK, edge=None)
    for side in (-1, 1):
        lift = 0.17 * sin(beat + (pi if side > 0 else 0))
        hand = (side * 0.36, -0.5 - lift)
        body.hose([(side * 0.08, -0.47), (side * 0.25, -0.4 + 0.3 * lift), hand], 0.045)
        body.oval(*hand, 0.065, 0.065, CHALK)
    head = body.moved(0, -0.67, turn=-0.12 * sin(beat))
    for x in (-0.23, 0.23):
        head.oval(x, -0.16, 0.18, 0.18, FUR)
        head.oval(x, -0.15, 0.11, 0.11, CHALK - 30, edge=None)
    brow = arc((0, 0), (0.23, 0.2), 0.92 * pi, 2.08 * pi)
    head.shape([*brow, (0.12, 0.2), (0.02, 0.24), (-0.08, 0.2)], FUR)
    for side in (-1, 1):
        for drop in (0.1, 0.15):
            head.hose([(0.02 + side * 0.07, 0.13), (0.02 + side * 0.3, drop)], 0.012)
    head.eye(-0.075, -0.03, 0.1)
    head.eye(0.085, -0.03, 0.1)
    head.moved(0.02, 0.13, wide=0.5, tall=0.5).smile(0, 0, 0.2, 0.13)
    head.oval(0.02, 0.1, 0.05, 0.035, INK)


def _arm(pen: Pen, shoulder: Point, beat: float) -> None:
    swing = sin(beat)
    hand = (shoulder[0] + 0.22 * swing, shoulder[1] + 0.22 - 0.06 * abs(swing))
    pen.hose([shoulder, (shoulder[0] + 0.1 * swing - 0.07, shoulder[1] + 0.14), hand], 0.05)
    pen.oval(*hand, 0.06, 0.06, CHALK)


def _legs(ground: Pen, beat: float, stride: float) -> None:
    """Walk: feet slide back on the ground and swing forward in the air, half a beat apart."""
    for phase in (pi, 0.0):
        x, lift = stride * cos(beat + phase), 0.1 * max(0.0, -sin(beat + phase))
        ground.hose([(0, -0.28), (0.06 + x * 0.6, -0.17 - lift), (x, -0.06 - lift)], 0.055)
        ground.moved(x + 0.05, -0.05 - lift, turn=-2.5 * lift).oval(0, 0, 0.115, 0.06, CHALK)


def _ball(pen: Pen, time: float) -> None:
    flight = (1.5 * time) % 1
    landing = max(0.0, 1 - 8 * min(flight, 1 - flight))
    rush = 0.1 * abs(cos(pi * flight)) * (1 - landing)
    at = pen.moved(0, 0, wide=1 + 0.22 * landing - rush, tall=1 - 0.26 * landing + rush)
    at.oval(0, -0.36, 0.36, 0.36, CHALK, line=0.03)
    at.shape(np.concatenate([arc((0, -0.36), (0.35, 0.35), 0.22 * pi, 0.78 * pi), [(0, -0.18)]]), SHADE + 20)
    for side in (-1, 1):
        at.eye(0.05 + side * 0.12, -0.47, 0.13)
        at.oval(0.05 + side * 0.23, -0.29, 0.055, 0.03, SHADE + 60, edge=None)
    at.smile(0.05, -0.28, 0.26, 0.15)


def _boat(pen: Pen, time: float) -> None:
    at = pen.moved(0, -0.05 + 0.05 * sin(TURN * time), turn=0.14 * sin(TURN * time + 1))
    puff = 0.05 * sin(TURN * 1.5 * time)
    at.hose([(0, -0.1), (0, -0.98)], 0.04)
    at.shape([(0.03, -0.9), *arc((0.03, -0.56), (0.36 + puff, 0.34), -0.4 * pi, 0.5 * pi)], CHALK)
    at.shape([(-0.04, -0.8), *arc((-0.04, -0.5), (0.25 - puff, 0.28), 1.35 * pi, 0.5 * pi)], CHALK - 40)
    wave = 0.03 * sin(TURN * 3 * time)
    at.shape([(0, -1), (-0.2, -0.96 + wave), (0, -0.9)], INK)
    at.shape([(-0.46, -0.2), (0.52, -0.2), *arc((0, -0.2), (0.44, 0.28), 0.08 * pi, 0.95 * pi)], INK)
    at.shape([(-0.46, -0.2), (0.52, -0.2), (0.5, -0.13), (-0.44, -0.13)], CHALK)
    at.eye(0.2, -0.06, 0.07)
    at.eye(0.31, -0.06, 0.07)


def _train(pen: Pen, time: float) -> None:
    for n in range(4):
        age = (1.5 * time + n / 4) % 1
        r = 0.05 + 0.1 * age
        pen.oval(0.27 - 0.75 * age, -0.86 - 0.22 * age, r, r, CHALK, line=0.02 * (1 - age) + 0.004)
    chug = 0.03 * abs(sin(TURN * 3 * time))
    at = pen.moved(0, 0, tall=1 + chug, wide=1 - chug / 2)
    at.shape([(-0.45, -0.72), (-0.1, -0.72), (-0.1, -0.16), (-0.45, -0.16)], INK)
    at.shape([(-0.38, -0.63), (-0.18, -0.63), (-0.18, -0.42), (-0.38, -0.42)], CHALK)
    at.shape([(-0.52, -0.78), (-0.03, -0.78), (-0.06, -0.7), (-0.49, -0.7)], SHADE)
    at.shape([(0.2, -0.5), (0.34, -0.5), (0.4, -0.8), (0.14, -0.8)], INK)
    at.oval(0.0, -0.54, 0.07, 0.09, SHADE)
    at.shape([(-0.1, -0.52), *arc((0.4, -0.36), (0.12, 0.16), -0.5 * pi, 0.5 * pi), (-0.1, -0.2)], INK)
    at.oval(0.42, -0.37, 0.12, 0.15, CHALK)
    at.eye(0.39, -0.42, 0.07)
    at.eye(0.48, -0.42, 0.07)
    at.moved(0.44, -0.33, wide=0.5, tall=0.5).smile(0, 0, 0.2, 0.1)
    at.shape([(0.36, -0.16), (0.48, -0.16), (0.62, 0), (0.36, 0)], SHADE)
    rods = []
    for x in (-0.34, -0.04, 0.22):
        wheel = pen.moved(x, -0.13, turn=TURN * 1.5 * time)
        wheel.oval(0, 0, 0.13, 0.13, CHALK, line=0.03)
        for spoke in range(3):
            wheel.moved(0, 0, turn=spoke * pi / 3).hose([(-0.1, 0), (0.1, 0)], 0.02)
        rods.append((x + 0.06 * cos(TURN * 1.5 * time), -0.13 + 0.06 * sin(TURN * 1.5 * time)))
    pen.hose(rods, 0.04, SHADE)


def _bird(pen: Pen, time: float) -> None:
    flap = sin(TURN * 2.5 * time + 0.8)
    at = pen.moved(0, -0.45 + 0.06 * flap, turn=-0.1)
    far = at.moved(0.02, -0.12, tall=flap, wide=0.85)
    far.shape(_wing(), SHADE)
    at.shape([(-0.26, 0.0), (-0.58, -0.14), (-0.52, 0.0), (-0.6, 0.1)], INK)
    at.oval(0, 0, 0.33, 0.24, INK)
    at.oval(0.06, 0.08, 0.22, 0.14, CHALK, edge=None)
    at.shape([(0.44, -0.18), (0.68, -0.08), (0.43, -0.04)], CHALK)
    at.oval(0.3, -0.17, 0.19, 0.18, INK)
    at.hose([(0.25, -0.33), (0.2, -0.44), (0.12, -0.45)], 0.03)
    at.eye(0.3, -0.2, 0.1)
    at.eye(0.42, -0.2, 0.09)
    at.moved(-0.04, -0.1, tall=flap).shape(_wing(), CHALK)


def _wing() -> list[Point]:
    """Return a wing held straight up, its tip trailing."""
    feathers = [(-0.4, -0.52), (-0.26, -0.44), (-0.2, -0.55), (-0.08, -0.43), (0.0, -0.48)]
    return [(-0.14, 0), (-0.36, -0.28), *feathers, (0.12, 0)]


def _flower(pen: Pen, time: float) -> None:
    open_ = 0.5 - 0.5 * cos(pi * min(1.0, 0.12 + time / 1.5))
    sway = 0.1 * sin(TURN * time)
    top = (sway, -0.32 - 0.3 * open_)
    pen.hose([(0, 0), (-sway * 0.8, top[1] * 0.5), top], 0.055)
    for side in (-1, 1):
        leaf = pen.moved(-sway * 0.5, -0.16, wide=side, turn=0.25 * side * sin(TURN * time))
        leaf.shape([(0, 0), *arc((0.2, -0.08), (0.17, 0.085), 0.8 * pi, 2.6 * pi)], SHADE)
    head = pen.moved(*top, turn=1.6 * sway)
    for n in range(10):
        petal = head.moved(0, 0, turn=n * TURN / 10 * (0.25 + 0.75 * open_) - 0.9 * pi * (1 - open_) * 0.28)
        petal.oval(0, -0.12 - 0.13 * open_, 0.045 + 0.05 * open_, 0.12 + 0.03 * open_, CHALK)
    r = 0.12 + 0.08 * open_
    head.oval(0, 0, r, r, SHADE + 50)
    head.eye(-0.07, -0.03, 0.05 + 0.03 * open_)
    head.eye(0.07, -0.03, 0.05 + 0.03 * open_)
    head.moved(0, 0.07, wide=0.7, tall=0.3 + 0.4 * open_).smile(0, 0, 0.2, 0.12)


def _hat(pen: Pen, time: float) -> None:
    tip = TURN * 0.75 * time
    at = pen.moved(0, -0.4, turn=tip).moved(0, 0.4, tall=1 + 0.06 * sin(2 * tip))
    at.shape([(-0.26, -0.16), (-0.31, -0.74), (0.31, -0.74), (0.26, -0.16)], INK)
    at.oval(0, -0.74, 0.31, 0.07, SHADE)
    at.shape([(-0.265, -0.3), (0.265, -0.3), (0.25, -0.15), (-0.25, -0.15)], CHALK)
    at.oval(0, -0.13, 0.48, 0.09, INK)
    at.eye(-0.07, -0.5, 0.1)
    at.eye(0.1, -0.5, 0.1)
    at.hose([(-0.12, -0.37), (0.015, -0.325), (0.15, -0.37)], 0.03, CHALK)


def _across(part: float) -> Point:
    return 1.5 * part - 0.75, 0.0


def _bounces(part: float) -> Point:
    flight = (3 * part) % 1  # in step with `_ball`: three in the two seconds of a clip
    return 1.5 * part - 0.75, 4.4 * flight * (1 - flight)


def _sails(part: float) -> Point:
    return 1.5 * part - 0.75, 0.13


def _flies(part: float) -> Point:
    return 1.5 * part - 0.75, 0.5 + 0.12 * sin(TURN * part)


def _stays(_part: float) -> Point:
    return 0.0, 0.0


_LAND = ("hills", "town", "fence", "stage")
_TRACK = ("hills", "town", "fence")
_AIR = ("hills", "town", "fence", "sea")

CAT = Figure("cat", "a round black cat with a long tail", "walks", _cat, _across, 0.52, _LAND)
TRAIN = Figure("train", "a little steam train with a face", "puffs along", _train, _across, 0.5, _TRACK)
BOAT = Figure("boat", "a small sailing boat with two eyes", "rocks and sails", _boat, _sails, 0.56, ("sea",))
BALL = Figure("ball", "a white ball with a laughing face", "bounces", _ball, _bounces, 0.4, _LAND)
HAT = Figure("hat", "a black top hat with a face", "tumbles", _hat, _across, 0.42, _LAND)
BIRD = Figure(
    "bird", "a plump black bird with a white belly", "flaps its wings and flies", _bird, _flies, 0.42, _AIR
)
MOUSE = Figure(
    "mouse", "a grey mouse in a spotted skirt", "dances and waves", _mouse, _stays, 0.58, _LAND, travels=False
)
FLOWER = Figure(
    "flower", "a flower with a happy face", "opens its petals", _flower, _stays, 0.72, _LAND, travels=False
)

FIGURES = (CAT, TRAIN, MOUSE, BOAT, BALL, FLOWER, BIRD, HAT)
"""In the order in which they take turns."""
