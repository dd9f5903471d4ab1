"""A pen for old cartoons: ink lines, round shapes and noodle limbs, in any stretched space.

Coordinates are unit squares with y pointing down. A pen remembers where the origin lies and
how space is turned and stretched, so a figure is drawn once, in its own coordinates, and
squash and stretch come for free. Tones are greys from 0 (black) to 255 (white).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sin, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import ImageDraw

INK, SHADE, CHALK = 22, 128, 246
LINE = 0.022
"""Width of an outline, in units of the figure."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Pen:
    """Draws on one grey image; ``matrix`` is the ``(2, 3)`` affine map to its pixels."""

    draw: ImageDraw.ImageDraw
    matrix: NDArray[np.float64]

    def moved(self, x: float, y: float, *, wide: float = 1, tall: float = 1, turn: float = 0) -> "Pen":
        """Return a pen whose origin is at ``(x, y)``, stretched and turned by ``turn`` radians."""
        c, s = cos(turn), sin(turn)
        local = np.array([[c * wide, -s * tall, x], [s * wide, c * tall, y], [0, 0, 1]])
        return Pen(self.draw, self.matrix @ local)

    def shape(self, points: ArrayLike, fill: int, edge: int | None = INK, line: float = LINE) -> None:
        """Fill a polygon and go round it with ink."""
        corners = self._pixels(points)
        self.draw.polygon(corners, fill=fill)
        if edge is not None:
            self.draw.line([*corners, *corners[:2]], fill=edge, width=self._width(line), joint="curve")

    def oval(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        fill: int,
        *,
        edge: int | None = INK,
        line: float = LINE,
    ) -> None:
        """Draw a filled ellipse with centre ``(x, y)``."""
        self.shape(arc((x, y), (rx, ry), 0, 2 * pi), fill, edge, line)

    def hose(self, points: Sequence[Point], width: float, ink: int = INK) -> None:
        """Draw a limb without bones: a smooth tube through all ``points``, with round ends."""
        path = self._pixels(smooth(points))
        thick = self._width(width)
        self.draw.line(path, fill=ink, width=thick, joint="curve")
        for x, y in (path[0], path[-1]):
            r = thick / 2 - 0.5
            self.draw.ellipse((x - r, y - r, x + r, y + r), fill=ink)

    def eye(self, x: float, y: float, size: float, look: float = 0.25) -> None:
        """Draw a tall white eye whose black pupil has a slice cut out, like a pie."""
        self.oval(x, y, size * 0.62, size, CHALK, line=LINE * 0.7)
        centre = (x + size * look * 0.6, y + size * 0.25)
        self.shape([centre, *arc(centre, (size * 0.38, size * 0.6), -0.05 * pi, 1.6 * pi)], INK, edge=None)

    def smile(self, x: float, y: float, width: float, depth: float) -> None:
        """Draw an open, laughing mouth hanging from the line ``y``."""
        mouth = arc((x, y), (width / 2, depth), 0, pi)
        self.shape(mouth, INK, line=LINE * 0.7)
        corner = (width * 0.62, y - depth * 0.2)
        self.hose([(x - corner[0], corner[1]), (x, y), (x + corner[0], corner[1])], LINE)

    def _pixels(self, points: ArrayLike) -> list[Point]:
        turned = np.asarray(points, np.float64) @ self.matrix[:, :2].T + self.matrix[:, 2]
        return [(float(x), float(y)) for x, y in turned]

    def _width(self, width: float) -> int:
        return max(1, round(width * sqrt(abs(float(np.linalg.det(self.matrix[:, :2]))))))


def arc(centre: Point, radii: Point, start: float, stop: float, steps: int = 36) -> NDArray[np.float64]:
    """Return ``(steps, 2)`` points of an ellipse, from angle ``start`` to ``stop`` in radians."""
    angle = np.linspace(start, stop, steps)
    return np.stack([centre[0] + radii[0] * np.cos(angle), centre[1] + radii[1] * np.sin(angle)], axis=1)


def smooth(points: Sequence[Point], steps: int = 8) -> NDArray[np.float64]:
    """Return a smooth curve through all points: a Catmull-Rom spline."""
    p = np.asarray([points[0], *points, points[-1]], np.float64)
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False)
    ]
    return np.concatenate([*pieces, p[-1:]])
