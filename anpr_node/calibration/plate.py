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
from anpr_node.calibration.focus import edge_spread_px, in_strokes
from anpr_node.records import Corners, Plane, PlateBox

Float = NDArray[np.float64]

TEXT_LEFT, TEXT_RIGHT = 0.15, 0.91
"""Where the characters of a European plate stand, as shares of its width: bands at its ends have their own letters."""
SQUARE_FACTOR = 520 / 340
TEXT_TOP, TEXT_BOTTOM = 0.2, 0.8
GROUND_PERCENTILE, INK_PERCENTILE = 60, 15
SATURATED_LEVEL = 240
SCALE = 2
ONE_LINE_ASPECT = 3.0
STROKE_SHARE = 10 / 520
"""Width of a stroke as a share of the plate's: 10 mm of 520."""
CONTRAST_LEFT = (
    (0.0, 1.0),
    (0.20, 0.992),
    (0.22, 0.975),
    (0.25, 0.960),
    (0.27, 0.944),
    (0.30, 0.924),
    (0.33, 0.905),
    (0.37, 0.872),
    (0.44, 0.816),
    (0.52, 0.747),
    (0.66, 0.642),
    (1.50, 0.2),
)
"""What a blur leaves of the step from ground to ink, by blur over stroke width; fitted as the curve of `focus.py`."""


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
    stroke_px = max(1.0, STROKE_SHARE * plate.width_px * (1 if one_line else SQUARE_FACTOR))
    edge_px = edge_spread_px(pixels, corners, stroke_px)
    return PlateMeasures(
        captured_ns=captured_ns,
        corners=corners,
        width_px=plate.width_px,
        height_px=plate.height_px,
        roll_deg=_roll_deg(corners),
        one_line=one_line,
        char_height_px=None if char_share is None else char_share * plate.height_px,
        contrast=_contrast(ground, ink, in_strokes(edge_px, stroke_px)),
        ground_level=ground,
        saturated_share=float(np.count_nonzero(text >= SATURATED_LEVEL)) / text.size,
        edge_px=edge_px,
    )


def _contrast(ground: float, ink: float, blur_strokes: float) -> float:
    """As sharp strokes would have it: bad focus must not look like a bad plate."""
    blurs, shares = zip(*CONTRAST_LEFT, strict=True)
    step = min(max(0.0, ground - ink) / float(np.interp(blur_strokes, blurs, shares)), ground)
    return step / max(2 * ground - step, 1.0)


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
    return float(np.percentile(light, GROUND_PERCENTILE)), float(np.percentile(dark, INK_PERCENTILE))


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
