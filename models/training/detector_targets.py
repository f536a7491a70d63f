"""From plates in a picture to what every grid cell should answer.

A target is [rows, columns, 17]: see the constants; it says nothing about how the loss weighs it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from detector_grid import COLUMNS, ROWS, STRIDE_PX

HEAT, HEAT_WEIGHT, SHAPE_WEIGHT, HAS_CORNERS = 0, 1, 2, 3
BOX = slice(4, 8)  # x1 y1 x2 y2 in cells from the cell's centre
CORNERS = slice(8, 16)  # tl tr br bl, in cells from the cell's centre
SOFT = 16  # 1 where an unlabelled plate may hide, so that a confident answer is not punished
CHANNELS = 17

# Cells this near the plate's centre, in plate sizes and in cells, learn its box and corners: those that vote on it in
# anpr_node/vision/boxes.py, and a little more.
VOTE_REACH = 0.4
VOTE_REACH_CELLS = 5.0

SMALLEST_PX = 10.0  # narrower plates are neither asked for nor punished


@dataclass(frozen=True)
class Target:
    """One plate in network pixels; `quad` is None where only the box is known."""

    box: np.ndarray
    quad: np.ndarray | None
    ignore: bool = False


def blank_target(complete: bool) -> np.ndarray:
    """All background, with full weight."""
    cells = np.zeros((ROWS, COLUMNS, CHANNELS), np.float32)
    cells[..., HEAT_WEIGHT] = 1
    cells[..., SOFT] = 0 if complete else 1
    return cells


def _ignore(cells: np.ndarray, box: np.ndarray) -> None:
    x1, y1 = np.maximum(np.floor(box[:2] / STRIDE_PX - 0.5), 0).astype(int)
    x2, y2 = np.maximum(np.ceil(box[2:] / STRIDE_PX + 0.5), 0).astype(int)
    region = cells[y1:y2, x1:x2]
    region[..., HEAT_WEIGHT] = np.where(region[..., HEAT] == 1, 1, 0)


def _add(cells: np.ndarray, target: Target) -> None:
    x1, y1, x2, y2 = target.box / STRIDE_PX
    width, height, cx, cy = x2 - x1, y2 - y1, (x1 + x2) / 2, (y1 + y2) / 2
    column, row = int(np.clip(cx, 0, COLUMNS - 1)), int(np.clip(cy, 0, ROWS - 1))
    dx = np.arange(COLUMNS)[None, :] + 0.5 - cx
    dy = np.arange(ROWS)[:, None] + 0.5 - cy
    bump = np.exp(-0.5 * ((dx / max(0.55, 0.11 * width)) ** 2 + (dy / max(0.55, 0.13 * height)) ** 2))
    bump[row, column] = 1
    cells[..., HEAT] = np.maximum(cells[..., HEAT], np.where(bump > 0.02, bump, 0))
    reach_x, reach_y = (min(VOTE_REACH * side, VOTE_REACH_CELLS) for side in (width, height))
    near = (np.abs(dx) <= reach_x) & (np.abs(dy) <= reach_y)
    near[row, column] = True
    share = near / near.sum()
    mine = near & (share > cells[..., SHAPE_WEIGHT])
    x, y = np.arange(COLUMNS)[None, :] + 0.5, np.arange(ROWS)[:, None] + 0.5
    for channel, value in enumerate((x1 - x, y1 - y, x2 - x, y2 - y)):
        cells[..., BOX.start + channel] = np.where(mine, value, cells[..., BOX.start + channel])
    cells[..., SHAPE_WEIGHT] = np.where(mine, share, cells[..., SHAPE_WEIGHT])
    cells[..., HAS_CORNERS] = np.where(mine, target.quad is not None, cells[..., HAS_CORNERS])
    if target.quad is None:
        return
    for corner, (corner_x, corner_y) in enumerate(target.quad / STRIDE_PX):
        first = CORNERS.start + 2 * corner
        cells[..., first] = np.where(mine, corner_x - x, cells[..., first])
        cells[..., first + 1] = np.where(mine, corner_y - y, cells[..., first + 1])


def encode(targets: list[Target], complete: bool) -> np.ndarray:
    """Cells [30, 40, 17] for the plates of one picture; too small and cut-off ones are left out of the loss."""
    cells = blank_target(complete)
    for target in targets:
        if not target.ignore and target.box[2] - target.box[0] >= SMALLEST_PX:
            _add(cells, target)
    for target in targets:
        if target.ignore or target.box[2] - target.box[0] < SMALLEST_PX:
            _ignore(cells, target.box)
    return cells
