"""A grey picture in characters, for any terminal. Sends nothing; pictures for terminals that can more: graphics.py."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anpr_node import pictures
from anpr_node.records import Plane, PlateBox

RAMP = " .:-=+*#%@"
CELL_ASPECT = 2.0
"""A character is twice as high as wide."""


def in_characters(plane: Plane, boxes: Sequence[PlateBox], scale: float, columns_max: int, rows_max: int) -> list[str]:
    """Lines of characters, dark to light, with a frame around each box; `scale`: boxes' pixels to the plane's."""
    height, width = plane.shape
    columns = min(columns_max, max(1, int(rows_max * CELL_ASPECT * width / height)))
    rows = max(1, round(columns * height / width / CELL_ASPECT))
    small = pictures.resize(plane, columns, rows).astype(np.float64)
    low, high = np.percentile(small, [1, 99.5])
    levels = np.clip((small - low) / max(high - low, 1.0), 0, 1) ** 0.7 * (len(RAMP) - 1)
    cells = [[RAMP[int(level)] for level in row] for row in np.rint(levels)]
    for box in boxes:
        _frame(cells, box, scale * columns / width, scale * rows / height)
    return ["".join(row).rstrip() for row in cells]


def _frame(cells: list[list[str]], box: PlateBox, scale_x: float, scale_y: float) -> None:
    x1, y1, x2, y2 = box.bounds
    left, right = int(x1 * scale_x) - 1, int(x2 * scale_x) + 1
    top, bottom = int(y1 * scale_y) - 1, int(y2 * scale_y) + 1
    for x in range(left, right + 1):
        for y in range(top, bottom + 1):
            on_x, on_y = x in {left, right}, y in {top, bottom}
            if (on_x or on_y) and 0 <= y < len(cells) and 0 <= x < len(cells[0]):
                cells[y][x] = "+" if on_x and on_y else "|" if on_x else "-"
