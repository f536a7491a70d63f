"""The numbers that the checks live on: a few integers of every frame, a few measures of a small plane now and then.

A full plane is never looked at.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anpr_node import pictures
from anpr_node.records import Plane
from anpr_node.supervision.limits import GLARE_LEVEL

Grid = NDArray[np.float32]

HALF, GRID = 2, 16
SHARPEST = 100
"""The sharpest hundredth of the picture tells its sharpness: the edges, not the noise between them."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What every frame leaves behind. Both times are of the node's monotonic clock.

    `probe`: taken without the strobe only to compare; `illuminated`: the strobe was asked to fire.
    """

    sequence: int
    captured_ns: int
    arrived_ns: int
    illuminated: bool = True
    probe: bool = False
    stream: int = 0
    """How often the stream was restarted before: numbers begin anew with each."""
    period_ns: int | None = None
    """From pulse to pulse when it was taken; None where frames come from a recording."""


@dataclass(frozen=True, slots=True)
class Look:
    """One small plane in numbers. `half` and `grid` are the plane at lower resolutions, `fingerprint` its every bit."""

    mark: Mark
    mean: float
    glaring_share: float
    sharpness: float
    contrast: float
    grid: Grid
    half: Plane
    fingerprint: int

    @property
    def crispness(self) -> float:
        """Sharpness for this much contrast: the same by day and by night, less through a dirty lens."""
        return self.sharpness / max(self.contrast, 0.1)


def measure(mark: Mark, small: Plane) -> Look:
    """All numbers of one small plane."""
    image = pictures.as_image(small)
    grid = np.asarray(image.reduce(GRID), np.float32)
    steps = np.abs(np.diff(small.astype(np.int16), axis=1)).ravel()
    sharpest = max(1, steps.size // SHARPEST)
    return Look(
        mark=mark,
        mean=float(grid.mean()),
        glaring_share=float(np.count_nonzero(small >= GLARE_LEVEL)) / small.size,
        sharpness=float(np.partition(steps, -sharpest)[-sharpest:].mean()),
        contrast=float(grid.std()),
        grid=grid,
        half=np.asarray(image.reduce(HALF)),
        fingerprint=zlib.crc32(small.tobytes()),
    )


def likeness(one: Grid, other: Grid) -> float:
    """Correlation of two grids, 1 for the same picture in any light."""
    a, b = one - one.mean(), other - other.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / size if size else 0.0
