"""One plate of one frame in numbers: size, roll, character height, contrast, brightness, saturation, sharpness.

Lengths are pixels of the full plane, levels are grey values 0 to 255. It never reads the text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anpr_node import pictures
from anpr_node.calibration.edges import corners_of, sides_of
from anpr_node.records import Corners, Plane, PlateBox

Float = NDArray[np.float64]

TEXT_LEFT, TEXT_RIGHT = 0.13, 0.97
"""Where the characters of a European plate stand, as shares of its width: the band at the left has letters of its
own.
"""
SQUARE_FACTOR = 520 / 340
TEXT_TOP, TEXT_BOTTOM = 0.10, 0.90
SATURATED_LEVEL = 240
SCALE = 2
ONE_LINE_ASPECT = 3.0
REBLUR_PX = 2.0
ROWS_MEAN, ROWS_MEAN_SLANTED, SLANT_MAX = 5, 2, 0.1
STRONG_SHARE = 0.1
"""Sharpness is judged by the steepest tenth."""
REBLUR_RATIOS = (
    (1.05, 6.0),
    (1.12, 4.5),
    (1.23, 3.1),
    (1.34, 2.12),
    (1.41, 1.67),
    (1.55, 1.23),
    (1.69, 0.87),
    (1.79, 0.72),
    (2.0, 0.4),
)
"""How much a blur of REBLUR_PX flattens the strokes of a plate whose own blur is the second number; measured on
rendered plates 110 to 270 px wide, see docs/calibration.md.
"""
SPREAD_MAX_PX = 6.0
STROKE_SHARE = 10 / 520
"""Width of a stroke as a share of the plate's: 10 mm of 520."""
CONTRAST_LEFT = ((0.0, 1.0), (0.14, 0.99), (0.21, 0.90), (0.35, 0.75), (0.61, 0.49), (0.88, 0.33), (1.5, 0.2))
"""What a blur leaves of a stroke's contrast, by blur over stroke width; measured in the same way."""


@dataclass(frozen=True, slots=True)
class PlateMeasures:
    """What one sighting shows.

    `contrast` is (ground - ink) / (ground + ink) as sharp strokes would have it; `edge_px` the blur's standard
    deviation.
    """

    captured_ns: int
    corners: Corners
    width_px: float
    height_px: float
    roll_deg: float
    one_line: bool
    char_height_px: float | None
    contrast: float
    ground_level: float
    ink_level: float
    saturated_share: float
    edge_px: float

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of the corners."""
        xs, ys = zip(*self.corners, strict=True)
        return sum(xs) / 4, sum(ys) / 4


def measure_plate(pixels: Plane, box: PlateBox, captured_ns: int = 0) -> PlateMeasures:
    """All numbers of the plate in a detector's box."""
    corners = corners_of(sides_of(pixels, box.corners), box.corners)
    if PlateBox(corners, box.score).overlap(box) < 0.6:
        corners = box.corners  # the lines ran off along something else
    plate = PlateBox(corners, box.score)
    one_line = plate.width_px > ONE_LINE_ASPECT * plate.height_px
    upright = _upright(pixels, plate)
    text = _text_part(upright)
    ground, ink = _levels(text)
    char_share = _char_height_share(upright) if one_line else None
    edge_px = edge_spread_px(pixels, corners)
    left = _contrast_left(edge_px, plate.width_px if one_line else plate.width_px * SQUARE_FACTOR)
    return PlateMeasures(
        captured_ns=captured_ns,
        corners=corners,
        width_px=plate.width_px,
        height_px=plate.height_px,
        roll_deg=_roll_deg(corners),
        one_line=one_line,
        char_height_px=None if char_share is None else char_share * plate.height_px,
        contrast=min(1.0, max(0.0, ground - ink) / max(ground + ink, 1.0) / left),
        ground_level=ground,
        ink_level=ink,
        saturated_share=float(np.count_nonzero(text >= SATURATED_LEVEL)) / text.size,
        edge_px=edge_px,
    )


def _contrast_left(edge_px: float, width_px: float) -> float:
    """Share of the paint's own contrast that the blur leaves: bad focus must not look like a bad plate."""
    blurs, shares = zip(*CONTRAST_LEFT, strict=True)
    return float(np.interp(edge_px / max(width_px * STROKE_SHARE, 1.0), blurs, shares))


def _roll_deg(corners: Corners) -> float:
    """Slope of the long sides; positive when the right end lies lower."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners
    return math.degrees(math.atan2(by - ay + cy - dy, bx - ax + cx - dx))


def _upright(pixels: Plane, plate: PlateBox) -> Plane:
    width, height = round(plate.width_px * SCALE), round(plate.height_px * SCALE)
    return pictures.rectify(pixels, plate.corners, max(width, 16), max(height, 8))


def _text_part(upright: Plane) -> Plane:
    rows, columns = upright.shape
    return upright[
        round(rows * TEXT_TOP) : round(rows * TEXT_BOTTOM), round(columns * TEXT_LEFT) : round(columns * TEXT_RIGHT)
    ]


def _levels(text: Plane) -> tuple[float, float]:
    """Grey of the ground and of the middle of the strokes, by Otsu's threshold; blur hides the rest of a stroke."""
    threshold = _otsu(text)
    light, dark = text[text > threshold], text[text <= threshold]
    if not light.size or not dark.size:
        return float(text.mean()), float(text.mean())
    return float(np.percentile(light, 60)), float(np.percentile(dark, 25))


def _otsu(plane: Plane) -> int:
    counts = np.bincount(plane.ravel(), minlength=256).astype(np.float64)
    below = np.cumsum(counts)
    weighted = np.cumsum(counts * np.arange(256))
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (weighted[-1] * below / below[-1] - weighted) ** 2 / (below * above)
    return int(np.nanargmax(np.where(np.isfinite(between), between, -1.0)))


def _char_height_share(upright: Plane) -> float | None:
    """Height of the characters as a share of the plate's: rows that vary much have characters in them."""
    columns = upright.shape[1]
    text = upright[:, round(columns * TEXT_LEFT) : round(columns * TEXT_RIGHT)].astype(np.float64)
    varied = np.abs(np.diff(text, axis=1)).mean(axis=1)
    rows = len(varied)
    within = varied[round(rows * 0.3) : round(rows * 0.7)]
    plain = min(float(varied[round(rows * 0.05) : round(rows * 0.3)].min()),
                float(varied[round(rows * 0.7) : round(rows * 0.95)].min()))  # fmt: skip
    half = (float(np.median(within)) + plain) / 2
    if float(np.median(within)) < 1.3 * plain:
        return None
    top = _crossing(varied[: rows // 2][::-1], half)
    bottom = _crossing(varied[rows // 2 :], half)
    return None if top is None or bottom is None else (top + bottom) / rows


def _crossing(outwards: Float, level: float) -> float | None:
    """Where the values, going outwards, first fall below a level."""
    low = np.flatnonzero(outwards < level)
    if not low.size or low[0] == 0:
        return None
    at = int(low[0])
    return at - 0.5 + float((outwards[at - 1] - level) / max(outwards[at - 1] - outwards[at], 1e-6)) + 0.5


def edge_spread_px(pixels: Plane, corners: Corners) -> float:
    """Blur across upright strokes, as its standard deviation: the less a known blur on top flattens, the softer."""
    part = _characters(pixels, corners)
    if min(part.shape) < 8:
        return SPREAD_MAX_PX
    part = _mean_of_rows(part, ROWS_MEAN if _slant(corners) < SLANT_MAX else ROWS_MEAN_SLANTED)
    steep, flatter = _slopes(part), _slopes(_blurred(part, REBLUR_PX))
    strong = np.abs(flatter) >= np.quantile(np.abs(flatter), 1 - STRONG_SHARE)
    kept = float((flatter[strong] ** 2).mean())
    ratio = math.sqrt(float((steep[strong] ** 2).mean()) / kept) if kept > 0 else 1.0
    ratios, spreads = zip(*REBLUR_RATIOS, strict=True)
    return float(np.interp(ratio, ratios, spreads))


def _characters(pixels: Plane, corners: Corners) -> Float:
    """The part of the full plane with the middles of the characters in it."""
    xs, ys = zip(*corners, strict=True)
    width, height = max(xs) - min(xs), max(ys) - min(ys)
    top, bottom = max(int(min(ys) + 0.2 * height), 0), int(max(ys) - 0.2 * height) + 1
    left, right = max(int(min(xs) + TEXT_LEFT * width) - 2, 0), int(max(xs)) + 3
    return pixels[top:bottom, left:right].astype(np.float64)


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
