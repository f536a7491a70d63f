"""From the detector's three grids to plate boxes, in numpy: the one decoder of node, training and evaluation.

It works in pixels of the network's input only; where that lies in a frame is the caller's business.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anpr_node.records import PlateBox

Float32 = NDArray[np.float32]

_VOTE_SHARE = 0.5  # neighbours this sure, compared with the peak, have a say in the corners
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
    scores = 1 / (1 + np.exp(-logits[rows, columns].astype(np.float64)))
    quads = _quads(rows, columns, box[rows, columns], corners[rows, columns])
    return [
        PlateBox(tuple((float(x) * stride, float(y) * stride) for x, y in quad), score)
        for quad, score in _merge(quads, scores, nms_iou)
    ]


def _quads(rows: NDArray[np.intp], columns: NDArray[np.intp], box: Float32, corners: Float32) -> NDArray[np.float64]:
    """Corners [n, 4, 2] in cells."""
    cells = np.stack([columns, rows], axis=1).astype(np.float64)
    centre: NDArray[np.float64] = cells + 0.5 + box[:, :2].astype(np.float64)
    size: NDArray[np.float64] = np.exp(np.minimum(box[:, 2:], _LOG_SIZE_MAX).astype(np.float64))
    quads: NDArray[np.float64] = centre[:, None] + corners.reshape(-1, 4, 2) * size[:, None]
    return quads


def _merge(
    quads: NDArray[np.float64], scores: NDArray[np.float64], nms_iou: float
) -> list[tuple[NDArray[np.float64], float]]:
    """Drop repeats, surest first; the surest cells of one plate vote on its corners, which steadies them."""
    boxes = np.concatenate([quads.min(axis=1), quads.max(axis=1)], axis=1)
    left = np.arange(len(scores))
    kept = []
    while left.size:
        same = _iou(boxes[left[0]], boxes[left]) > nms_iou
        same[0] = True
        voters = left[same & (scores[left] >= _VOTE_SHARE * scores[left[0]])]
        kept.append((np.average(quads[voters], axis=0, weights=scores[voters]), float(scores[left[0]])))
        left = left[~same]
    return kept


def _iou(one: NDArray[np.float64], many: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of a box [4] with boxes [n, 4], as x1 y1 x2 y2."""
    side = np.minimum(one[2:], many[:, 2:]) - np.maximum(one[:2], many[:, :2])
    shared = np.prod(np.maximum(side, 0), axis=1)
    areas = np.prod(many[:, 2:] - many[:, :2], axis=1)
    union = np.prod(one[2:] - one[:2]) + areas - shared
    overlap: NDArray[np.float64] = shared / np.maximum(union, 1e-9)
    return overlap
