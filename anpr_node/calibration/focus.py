"""How soft the strokes of one plate are: the less a known blur on top flattens them, the softer they were.

Everything is measured in strokes, so that a plate far away and one near by are judged by the same curve. It never reads
the text.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from anpr_node.records import Corners, Plane

Float = NDArray[np.float64]

TEXT_LEFT, TEXT_RIGHT = 0.13, 0.955
TEXT_TOP, TEXT_BOTTOM = 0.22, 0.78
"""Where upright strokes stand, as shares of the plate: without its rim, which is an edge of another kind."""
REBLUR_STROKES = 0.6
ROWS_MEAN, ROWS_MEAN_SLANTED, SLANT_MAX = 5, 2, 0.1
STRONG_SHARE = 0.1
"""Sharpness is judged by the steepest tenth."""
RATIOS = (
    (1.417, 0.681),
    (1.525, 0.555),
    (1.608, 0.482),
    (1.684, 0.430),
    (1.755, 0.377),
    (1.816, 0.343),
    (1.865, 0.320),
    (1.915, 0.297),
    (1.965, 0.278),
    (2.016, 0.266),
    (2.073, 0.245),
    (2.141, 0.225),
    (2.218, 0.211),
    (2.351, 0.197),
)
"""How much the known blur flattens the strokes of a plate whose own blur, in strokes, is the second number. Fitted once
to rendered plates; `scripts/test -k "plate_measures or test_calibration"` shows how well it holds.
"""
SAMPLING_PX = 0.4
"""What sampling by pixels adds to the lens's blur."""
SPREAD_MIN_PX, SPREAD_MAX_PX = 0.1, 6.0


def edge_spread_px(pixels: Plane, corners: Corners, stroke_px: float) -> float:
    """Blur across upright strokes, as its standard deviation, without what the sampling adds."""
    blur = blur_in_strokes(pixels, corners, stroke_px)
    if blur is None:
        return SPREAD_MAX_PX
    return math.sqrt(max((blur * stroke_px) ** 2 - SAMPLING_PX**2, SPREAD_MIN_PX**2))


def in_strokes(edge_px: float, stroke_px: float) -> float:
    """The whole blur of the picture there, sampling included, over the width of a stroke."""
    return math.hypot(edge_px, SAMPLING_PX) / stroke_px


def blur_in_strokes(pixels: Plane, corners: Corners, stroke_px: float) -> float | None:
    """The whole blur over the width of a stroke; None where there is too little to see."""
    part, origin = _characters(pixels, corners)
    if min(part.shape) < 8:
        return None
    count = ROWS_MEAN if _slant(corners) < SLANT_MAX else ROWS_MEAN_SLANTED
    part = _mean_of_rows(part, count)
    inside = _inside(corners, (origin[0] + 1, origin[1] + (count - 1) / 2), (part.shape[0], part.shape[1] - 2))
    steep, flatter = _slopes(part)[inside], _slopes(_blurred(part, REBLUR_STROKES * stroke_px))[inside]
    if flatter.size < 16:
        return None
    strong = np.abs(flatter) >= np.quantile(np.abs(flatter), 1 - STRONG_SHARE)
    kept = float((flatter[strong] ** 2).mean())
    ratio = math.sqrt(float((steep[strong] ** 2).mean()) / kept) if kept > 0 else 1.0
    ratios, blurs = zip(*RATIOS, strict=True)
    slope = (blurs[0] - blurs[1]) / (ratios[1] - ratios[0])
    beyond: float = max(0.0, ratios[0] - ratio) * slope  # softer than anything measured: on along the last stretch
    return float(np.interp(ratio, ratios, blurs)) + beyond


def _characters(pixels: Plane, corners: Corners) -> tuple[Float, tuple[int, int]]:
    """The part of the full plane with the middles of the characters in it, and the place of its first pixel."""
    xs, ys = zip(*corners, strict=True)
    height = max(ys) - min(ys)
    top, bottom = max(int(min(ys) + 0.2 * height), 0), int(max(ys) - 0.2 * height) + 1
    left, right = max(int(min(xs)), 0), int(max(xs)) + 1
    return pixels[top:bottom, left:right].astype(np.float64), (left, top)


def _inside(corners: Corners, origin: tuple[float, float], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Which places of a part lie among the characters; the plate is taken for a parallelogram."""
    a, b, c, d = (np.array(corner) for corner in corners)
    axes = np.linalg.inv(np.stack([(b + c - a - d) / 2, (c + d - a - b) / 2], axis=1))
    middle = (a + b + c + d) / 4
    x = origin[0] + np.arange(shape[1])[None] - middle[0]
    y = origin[1] + np.arange(shape[0])[:, None] - middle[1]
    across = axes[0, 0] * x + axes[0, 1] * y + 0.5
    down = axes[1, 0] * x + axes[1, 1] * y + 0.5
    inside: NDArray[np.bool_] = (across > TEXT_LEFT) & (across < TEXT_RIGHT) & (down > TEXT_TOP) & (down < TEXT_BOTTOM)
    return inside


def _slant(corners: Corners) -> float:
    """How far upright strokes lean, in pixels a row."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners
    return abs((dx - ax + cx - bx) / max(dy - ay + cy - by, 1.0))


def _mean_of_rows(part: Float, count: int) -> Float:
    """Less noise, the same upright strokes."""
    sums = np.cumsum(np.vstack([np.zeros(part.shape[1]), part]), axis=0)
    mean: Float = (sums[count:] - sums[:-count]) / count
    return mean


def _slopes(part: Float) -> Float:
    slopes: Float = (part[:, 2:] - part[:, :-2]) / 2
    return slopes


def _blurred(part: Float, sigma: float) -> Float:
    reach = math.ceil(3 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(part, ((0, 0), (reach, reach)), mode="edge")
    blurred: Float = np.apply_along_axis(np.convolve, 1, padded, kernel, "valid")
    return blurred
