"""The detector's loss in backend-neutral Keras operations.

Box and corners are compared where they land in the picture, not as raw outputs: that is what the reader gets.
"""

from __future__ import annotations

from detector_targets import BOX, CORNERS, HAS_CORNERS, HEAT, HEAT_WEIGHT, SHAPE_WEIGHT, SOFT
from keras import ops

SURE = 0.25  # on half-labelled pictures a background cell scored above this is left alone
IDLE_WEIGHT = 0.02


def heat_loss(target, logits):
    """CenterNet's focal loss: sharp at plate centres, forgiving around them."""
    truth, weight = target[..., HEAT], target[..., HEAT_WEIGHT]
    logits = ops.cast(logits, "float32")[..., 0]
    score = ops.sigmoid(logits)
    at_centre = ops.cast(truth > 0.999, "float32")
    log_yes, log_no = -ops.softplus(-logits), -ops.softplus(logits)
    unsure = 1 - target[..., SOFT] * ops.cast(ops.stop_gradient(score) > SURE, "float32")
    centre = at_centre * (1 - score) ** 2 * log_yes
    rest = (1 - at_centre) * (1 - truth) ** 4 * score**2 * log_no * unsure
    plates = ops.maximum(1.0, ops.sum(at_centre))
    return -ops.sum((centre + rest) * weight) / plates


def boxes_of(output):
    """x1 y1 x2 y2 in cells from the cell's centre, from the raw box output [.., 4]."""
    half = ops.exp(ops.clip(output[..., 2:4], -3.0, 4.5)) / 2
    return ops.concatenate([output[..., 0:2] - half, output[..., 0:2] + half], axis=-1)


def corners_of(box_output, corner_output):
    """Four corners [.., 8] in cells from the cell's centre."""
    size = ops.exp(ops.clip(box_output[..., 2:4], -3.0, 4.5))
    return ops.tile(box_output[..., 0:2], (1, 1, 1, 4)) + corner_output * ops.tile(size, (1, 1, 1, 4))


def _overlap_loss(truth, guess):
    """1 - GIoU."""
    low, high = ops.maximum(truth[..., :2], guess[..., :2]), ops.minimum(truth[..., 2:], guess[..., 2:])
    inner = ops.prod(ops.maximum(high - low, 0.0), axis=-1)
    union = _area(truth) + _area(guess) - inner
    hull = ops.prod(ops.maximum(truth[..., 2:], guess[..., 2:]) - ops.minimum(truth[..., :2], guess[..., :2]), axis=-1)
    return 1 - inner / (union + 1e-6) + (hull - union) / (hull + 1e-6)


def _area(box):
    return ops.prod(box[..., 2:] - box[..., :2], axis=-1)


def _huber(error, knee: float):
    size = ops.abs(error)
    return ops.where(size < knee, 0.5 * size * size / knee, size - 0.5 * knee)


def _corner_box(corners):
    """The box around four corners, written without sorting: tl, tr, br, bl stay themselves on readable plates."""
    pick = [corners[..., i] for i in range(8)]
    return ops.stack(
        [
            ops.minimum(pick[0], pick[6]),
            ops.minimum(pick[1], pick[3]),
            ops.maximum(pick[2], pick[4]),
            ops.maximum(pick[5], pick[7]),
        ],
        axis=-1,
    )


def detector_loss(target, output):
    """Packed target [n, 30, 40, 17] against the outputs by name: heat [.., 1], box [.., 4], corners [.., 8]."""
    heat, raw_box, raw_corners = output["heat"], output["box"], output["corners"]
    weight = target[..., SHAPE_WEIGHT]
    known = weight * target[..., HAS_CORNERS]
    height = ops.maximum(target[..., 7:8] - target[..., 5:6], 0.3)
    box = boxes_of(raw_box)
    edges = ops.mean(_huber((box - target[..., BOX]) / height, 0.05), axis=-1)
    corners = corners_of(raw_box, raw_corners)
    corner_error = ops.mean(_huber((corners - target[..., CORNERS]) / height, 0.05), axis=-1)
    # real plates have a box only: the box around the guessed corners must still be that box
    hull_error = ops.mean(_huber((_corner_box(corners) - target[..., BOX]) / height, 0.05), axis=-1)
    shape = _overlap_loss(target[..., BOX], box) + edges
    plates = ops.maximum(1.0, ops.sum(weight))
    # cells without a plate answer anything; kept small, they don't stretch the int8 range of those that count
    idle = ops.cast(weight == 0, "float32")
    wild = ops.mean(raw_box**2, axis=-1) + 4 * ops.mean(raw_corners**2, axis=-1)
    total = ops.sum(weight * shape) + 4 * ops.sum(known * corner_error) + ops.sum((weight - known) * hull_error)
    return heat_loss(target, heat) + total / plates + IDLE_WEIGHT * ops.mean(idle * wild)
