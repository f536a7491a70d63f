"""Put plates into a picture and take them out: true corners for training, and negatives.

Works on grey uint8 canvases in place; it never decides which plate goes where.
"""

from __future__ import annotations

import cv2
import numpy as np

MAX_YAW_DEG = 62.0


def random_quad(rng: np.random.Generator, aspect: float, box_width_px: float) -> np.ndarray:
    """Corners [4, 2] (tl, tr, br, bl) of a plate turned in space, centred on 0, its box that wide."""
    strength = rng.choice([0.25, 1.0, 1.7], p=[0.3, 0.5, 0.2])
    yaw, pitch, roll = np.radians(rng.normal(0, [20, 10, 5]) * strength)
    yaw = np.clip(yaw, -np.radians(MAX_YAW_DEG), np.radians(MAX_YAW_DEG))
    flat = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], float) * [0.5, 0.5 / aspect, 0]
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    turn_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    turn_p = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    turn_r = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    placed = flat @ (turn_r @ turn_p @ turn_y).T
    distance = np.exp(rng.uniform(np.log(2.5), np.log(15)))
    quad = placed[:, :2] / (1 + placed[:, 2:] / distance)
    quad *= box_width_px / np.ptp(quad[:, 0])
    return (quad - (quad.max(0) + quad.min(0)) / 2).astype(np.float32)


def bounding_box(quad: np.ndarray) -> np.ndarray:
    """x1 y1 x2 y2 of corners [4, 2]."""
    return np.concatenate([quad.min(0), quad.max(0)]).astype(np.float32)


def with_holder(rng: np.random.Generator, plate: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The plate, sometimes inside a holder; and the plate's own corners in that picture."""
    height, width = plate.shape
    sides = np.zeros(4, int)
    if rng.random() < 0.5:
        sides[:] = rng.integers(1, 1 + max(2, int(height * rng.choice([0.08, 0.2]))))
        sides[1] += rng.integers(0, 1 + int(height * 0.2))  # the dealer's line is below the plate
    top, bottom, left, right = (int(side) for side in sides)
    grey = int(rng.choice([rng.integers(0, 70), rng.integers(100, 240)], p=[0.75, 0.25]))
    framed = cv2.copyMakeBorder(plate, top, bottom, left, right, cv2.BORDER_CONSTANT, value=grey)
    if bottom > 9:
        _dealer_line(rng, framed, bottom, 255 - grey)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    corners += np.array([left, top], np.float32)
    return framed, corners


def _dealer_line(rng: np.random.Generator, framed: np.ndarray, room_px: int, grey: int) -> None:
    letters = "".join(rng.choice(list("abcdefghilmnorstuvw .-"), int(rng.integers(5, 16))))
    size = room_px / 34
    start = (int(rng.integers(2, max(3, framed.shape[1] // 3))), framed.shape[0] - max(1, room_px // 4))
    cv2.putText(framed, letters, start, cv2.FONT_HERSHEY_SIMPLEX, size, grey, 1, cv2.LINE_AA)


def paste(canvas: np.ndarray, picture: np.ndarray, corners: np.ndarray, quad: np.ndarray, blur_px: float) -> None:
    """Warp `picture` into the canvas so that its `corners` land on `quad`; edges are anti-aliased."""
    step = max(1.0, (corners[1, 0] - corners[0, 0]) / max(4.0, np.hypot(*(quad[1] - quad[0]))))
    small = cv2.resize(
        picture,
        (max(4, round(picture.shape[1] / step)), max(3, round(picture.shape[0] / step))),
        interpolation=cv2.INTER_AREA,
    )
    shrink = np.array([small.shape[1] / picture.shape[1], small.shape[0] / picture.shape[0]], np.float32)
    matrix = cv2.getPerspectiveTransform((corners * shrink).astype(np.float32), quad.astype(np.float32))
    outline = np.array([[0, 0], [small.shape[1], 0], [small.shape[1], small.shape[0]], [0, small.shape[0]]], np.float32)
    reach = cv2.perspectiveTransform(outline[None], matrix)[0]
    x1, y1 = np.maximum(np.floor(reach.min(0)).astype(int) - 3, 0)
    x2, y2 = np.minimum(np.ceil(reach.max(0)).astype(int) + 3, canvas.shape[::-1])
    if x2 - x1 < 4 or y2 - y1 < 4:
        return
    move = np.array([[1, 0, -x1], [0, 1, -y1], [0, 0, 1]], float) @ matrix
    # warpPerspective puts pixel centres on whole numbers, corners here lie on pixel edges
    half = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    move = half @ move @ np.linalg.inv(half)
    size = (int(x2 - x1), int(y2 - y1))
    warped = cv2.warpPerspective(small, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpPerspective(np.full(small.shape, 255, np.uint8), move, size, flags=cv2.INTER_LINEAR)
    if blur_px > 0.3:
        warped = cv2.GaussianBlur(warped, (0, 0), blur_px)
        alpha = cv2.GaussianBlur(alpha, (0, 0), blur_px)
    share = alpha.astype(np.float32) / 255
    region = canvas[y1:y2, x1:x2]
    region[:] = (warped * share + region * (1 - share)).astype(np.uint8)


def erase(rng: np.random.Generator, canvas: np.ndarray, box: np.ndarray) -> None:
    """Fill a box (and a rim around it) from its surroundings, so that the plate is gone."""
    width, height = box[2] - box[0], box[3] - box[1]
    rim = np.array([width * 0.06 + 2, height * 0.15 + 2])
    inner = np.concatenate([box[:2] - rim, box[2:] + rim])
    around = 0.35 * height + 6
    x1, y1 = np.maximum((inner[:2] - around).astype(int), 0)
    x2, y2 = np.minimum((inner[2:] + around).astype(int), canvas.shape[::-1])
    if x2 - x1 < 6 or y2 - y1 < 6:
        return
    region = canvas[y1:y2, x1:x2]
    shrink = max(1.0, region.shape[1] / 64)
    small = cv2.resize(
        region,
        (max(4, int(region.shape[1] / shrink)), max(4, int(region.shape[0] / shrink))),
        interpolation=cv2.INTER_AREA,
    )
    mask = np.zeros(small.shape, np.uint8)
    hole = ((inner - [x1, y1, x1, y1]) / shrink).round().astype(int)
    mask[max(0, hole[1]) : hole[3] + 1, max(0, hole[0]) : hole[2] + 1] = 255
    filled = cv2.resize(cv2.inpaint(small, mask, 3, cv2.INPAINT_TELEA), region.shape[::-1])
    soft = cv2.GaussianBlur(cv2.resize(mask, region.shape[::-1]), (0, 0), 1.5).astype(np.float32) / 255
    grain = rng.normal(0, rng.uniform(0, 6), region.shape)
    region[:] = np.clip(filled * soft + region * (1 - soft) + grain * soft, 0, 255).astype(np.uint8)
