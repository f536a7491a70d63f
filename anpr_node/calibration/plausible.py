"""Tells a vehicle's plate from what only looks like one: badges, stickers, the dealer's name on the holder.

It judges by proportions and never reads a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from anpr_node.calibration.plate import PlateMeasures
from anpr_node.records import PlateBox

CHAR_SHARE = (0.115, 0.18)
"""Height of characters over the width of a one-line plate: 75 mm of 520, less when looked down upon."""
CONTRAST_MIN = 0.04
SQUARE_ASPECT = (1.2, 2.2)
LETTERING_WIDTHS, LETTERING_HEIGHTS = 0.8, 2.5
"""A narrower box so near to a wider one is the dealer's name below the plate."""


def is_plausible(measured: PlateMeasures) -> bool:
    """Whether it has characters as a plate has: badges and stickers that look like one tell nothing about the mount."""
    char_px = measured.char_height_px
    if measured.contrast < CONTRAST_MIN:
        return False
    if not measured.one_line:
        return SQUARE_ASPECT[0] < measured.width_px / max(measured.height_px, 1.0) < SQUARE_ASPECT[1]
    return char_px is not None and CHAR_SHARE[0] < char_px / measured.width_px < CHAR_SHARE[1]


def without_lettering(found: Sequence[PlateBox]) -> Iterator[PlateBox]:
    """The boxes without a dealer's name on the holder of a wider plate."""
    for box in found:
        x, y = _centre(box)
        wider = (other for other in found if other.width_px > 1.3 * box.width_px)
        if not any(
            abs(_centre(w)[0] - x) < LETTERING_WIDTHS * w.width_px
            and abs(_centre(w)[1] - y) < LETTERING_HEIGHTS * w.height_px
            for w in wider
        ):
            yield box


def _centre(box: PlateBox) -> tuple[float, float]:
    x1, y1, x2, y2 = box.bounds
    return (x1 + x2) / 2, (y1 + y2) / 2
