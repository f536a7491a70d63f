"""From the detector's three grids to plate boxes, in numpy: the one decoder of node, training and evaluation.

It works in pixels of the network's input only; where that lies in a frame is the caller's business.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anpr_node.records import PlateBox

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Index = NDArray[np.intp]

_VOTE_REACH = 0.35  # cells this near the centre, in plate widths and heights, have a say in the corners
_VOTE_REACH_CELLS = 4.5  # ... and never farther: beyond, the network was not trained
_VOTE_FALL = 5.0  # a corner is best seen from near: votes fall off by exp(-5) over a plate's width
_AGREE_IOU = 0.5  # cells that mean another box have no vote
_CELLS_MAX = 200  # a washed-out picture must not cost time: only the surest cells are looked at
_LOG_SIZE_MAX = 4.5  # exp() of more is wider than any picture


def decode(  # noqa: PLR0913, PLR0917
    heat: Float32, box: Float32, corners: Float32, threshold: float, stride: int = 8, nms_iou: float = 0.4
) -> list[PlateBox]:
    """Plates scored `threshold` or more, surest first, in pixels of the network's input.

    Args:
        heat: [rows, columns, 1] logits.
        box: [rows, columns, 4]: centre offset x, y from the cell's centre in cells, log width, log height in cells.
        corners: [rows, columns, 8]: x, y of top left, top right, bottom right, bottom left as the plate is read,
            from the box's centre in box widths and heights.
        threshold: lowest score, 0..1.
        stride: pixels per cell.
        nms_iou: boxes that overlap a surer one by more than this are dropped.

    """
    logits = heat[..., 0]
    rows, columns = np.nonzero(logits >= np.log(threshold / (1 - threshold)))
    if not rows.size:
        return []
    order = np.argsort(-logits[rows, columns], kind="stable")[:_CELLS_MAX]
    rows, columns = rows[order], columns[order]
    quads = _quads(rows, columns, box, corners)
    found = []
    for index in _suppress(_bounds(quads), nms_iou):
        quad = _voted(quads[index], box, corners) * stride
        score = 1 / (1 + np.exp(-float(logits[rows[index], columns[index]])))
        found.append(PlateBox(tuple((float(x), float(y)) for x, y in quad), score))
    return found


def without_repeats(found: Sequence[PlateBox], overlap_max: float) -> list[PlateBox]:
    """The boxes, surest first, without those that overlap a surer one by more than `overlap_max`."""
    kept: list[PlateBox] = []
    for box in sorted(found, key=lambda b: -b.score):
        if all(box.overlap(other) <= overlap_max for other in kept):
            kept.append(box)
    return kept


def _quads(rows: Index, columns: Index, box: Float32, corners: Float32) -> Float64:
    """Corners [n, 4, 2] in cells, as the cells at rows, columns [n] see them."""
    centre = np.stack([columns, rows], axis=1).astype(np.float64) + 0.5 + box[rows, columns, :2]
    size = np.exp(np.minimum(box[rows, columns, 2:], _LOG_SIZE_MAX))
    quads: Float64 = centre[:, None] + corners[rows, columns].reshape(-1, 4, 2) * size[:, None]
    return quads


def _bounds(quads: Float64) -> Float64:
    """Upright boxes [n, 4] around corners [n, 4, 2]."""
    return np.concatenate([quads.min(axis=1), quads.max(axis=1)], axis=1)


def _suppress(boxes: Float64, nms_iou: float) -> list[int]:
    """Which of boxes [n, 4], surest first, are not repeats of a surer one."""
    left, kept = np.arange(len(boxes)), []
    while left.size:
        kept.append(int(left[0]))
        left = left[1:][iou(boxes[left[0]], boxes[left[1:]]) <= nms_iou]
    return kept


def _voted(quad: Float64, box: Float32, corners: Float32) -> Float64:
    """The corners [4, 2] as all the plate's inner cells see them together, each corner mostly from its own side."""
    low, high = quad.min(axis=0), quad.max(axis=0)
    middle, size = (low + high) / 2, high - low
    reach = np.minimum(_VOTE_REACH * size, _VOTE_REACH_CELLS)
    first = np.maximum(np.ceil(middle - reach - 0.5), 0).astype(int)
    last = np.minimum(np.floor(middle + reach - 0.5), [box.shape[1] - 1, box.shape[0] - 1]).astype(int)
    if (last < first).any():
        return quad
    rows, columns = (grid.ravel() for grid in np.mgrid[first[1] : last[1] + 1, first[0] : last[0] + 1])
    quads = _quads(rows, columns, box, corners)
    agree = iou(np.concatenate([low, high]), _bounds(quads)) > _AGREE_IOU
    if not agree.any():
        return quad
    quads, columns = quads[agree], columns[agree]
    away = np.abs(columns[:, None] + 0.5 - quad[:, 0]) / max(size[0], 1e-6)
    weight = np.exp(-_VOTE_FALL * away)[..., None]
    voted: Float64 = (quads * weight).sum(axis=0) / weight.sum(axis=0)
    return voted


def iou(one: Float64, many: Float64) -> Float64:
    """Intersection over union of a box [4] with boxes [n, 4], as x1 y1 x2 y2."""
    side = np.minimum(one[2:], many[:, 2:]) - np.maximum(one[:2], many[:, :2])
    shared = np.prod(np.maximum(side, 0), axis=1)
    areas = np.prod(many[:, 2:] - many[:, :2], axis=1)
    union = np.prod(one[2:] - one[:2]) + areas - shared
    overlap: Float64 = shared / np.maximum(union, 1e-9)
    return overlap
