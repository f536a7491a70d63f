"""Where the camera hangs and where a point of the road appears in its picture: one pinhole, no lens distortion.

World axes in metres: x to the right across the road from the middle of the observed lane, y along it away from the
pole, z up. Nothing here draws.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""Rows of coordinates: x, y, z in metres or u, v in pixels."""

NEAREST_Y_M = 1.5
"""Points nearer to the pole are pulled out to here, so that a lorry passing below does not fold over."""

REFERENCE_WIDTH_PX = 1456


@dataclass(frozen=True, slots=True)
class Mounting:
    """A pole beside the observed lane. The default sees a 520 mm plate 140 to 250 px wide over 9 m of road."""

    height_m: float = 5.0
    offset_m: float = 2.8
    aim_x_m: float = -0.7
    aim_y_m: float = 12.5
    aim_z_m: float = 0.5
    focal_mm: float = 18.0
    pixel_um: float = 3.45
    roll_deg: float = 1.2

    @property
    def position(self) -> Points:
        """The pinhole in world coordinates."""
        return np.array([self.offset_m, 0.0, self.height_m])

    def axes(self) -> Points:
        """Three rows: right, down and forward of the camera in world coordinates."""
        forward = np.array([self.aim_x_m, self.aim_y_m, self.aim_z_m]) - self.position
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        down = np.cross(forward, right)
        angle = np.radians(self.roll_deg)
        return np.array(
            [np.cos(angle) * right + np.sin(angle) * down, np.cos(angle) * down - np.sin(angle) * right, forward]
        )


@dataclass(frozen=True, slots=True)
class View:
    """A mounting and a picture size: projects world points to pixels."""

    mounting: Mounting = field(default_factory=Mounting)
    size: tuple[int, int] = (REFERENCE_WIDTH_PX, 1088)
    _axes: Points = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_axes", self.mounting.axes())

    @property
    def focal_px(self) -> float:
        """Focal length in pixels; a smaller picture shows the same field."""
        return self.mounting.focal_mm * 1_000 / self.mounting.pixel_um * self.size[0] / REFERENCE_WIDTH_PX

    def project(self, points: Points) -> Points:
        """Pixels u, v of world points."""
        clamped = np.array(points, dtype=np.float64)
        clamped[:, 1] = np.maximum(clamped[:, 1], NEAREST_Y_M)
        x, y, depth = self._axes @ (clamped - self.mounting.position).T
        width, height = self.size
        scale = self.focal_px / depth
        return np.column_stack([width / 2 + scale * x, height / 2 + scale * y])

    def distance_m(self, point: Points) -> float:
        """Length of the line of sight."""
        return float(np.linalg.norm(point - self.mounting.position))

    def contains(self, pixels: Points, margin_px: float = 2.0) -> bool:
        """Whether all of the pixels are in the picture."""
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        width, height = self.size
        return bool((low >= margin_px).all() and high[0] < width - margin_px and high[1] < height - margin_px)


def perspective(quad: Points, size: tuple[int, int]) -> tuple[float, ...]:
    """Coefficients for `Image.transform` that lay a texture of `size` into `quad`, clockwise from the top left."""
    width, height = size
    corners = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    rows, values = [], []
    for (u, v), (x, y) in zip(quad, corners, strict=True):
        rows += [[u, v, 1, 0, 0, 0, -x * u, -x * v], [0, 0, 0, u, v, 1, -y * u, -y * v]]
        values += [x, y]
    return tuple(float(value) for value in np.linalg.solve(np.array(rows), np.array(values)))


def inside(polygon: Points, points: Points) -> NDArray[np.bool_]:
    """Which of the points lie in the polygon, by counting crossed edges."""
    starts, ends = polygon[None], np.roll(polygon, -1, axis=0)[None]
    x, y = points[:, None, 0], points[:, None, 1]
    spans = (starts[..., 1] > y) != (ends[..., 1] > y)
    rise = ends[..., 1] - starts[..., 1]
    at_x = starts[..., 0] + (y - starts[..., 1]) * (ends[..., 0] - starts[..., 0]) / np.where(rise == 0, 1.0, rise)
    crossed: NDArray[np.bool_] = (spans & (x < at_x)).sum(axis=1) % 2 == 1
    return crossed
