"""Make a crop such as a camera and a detector would give from a plate's clean picture.

Wrong box, tilt, blur, few pixels, noise, JPEG, shadow, glare, headlights, rain, dirt and a simulated infra-red look.
Keeps track of where every character goes; never changes the text.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

Quad = np.ndarray  # 4 x 2 float32: top left, top right, bottom right, bottom left


@dataclass(frozen=True)
class Crop:
    """A degraded crop (uint8 grey) and its character boxes as fractions of its sides (n x 4), None if unknown."""

    pixels: np.ndarray
    char_boxes: np.ndarray | None


def degrade(
    pixels: np.ndarray,
    face: tuple[float, float, float, float],
    char_boxes: np.ndarray | None,
    two_line: bool,
    backgrounds: list[np.ndarray],
    rng: np.random.Generator,
    strength: float = 1.0,
) -> Crop:
    """Photograph one plate; `strength` 0..1 scales every harm (real crops carry harm already)."""
    x0, y0, x1, y1 = face
    aspect = (x1 - x0) / (y1 - y0)
    width = int(np.exp(rng.uniform(np.log(36 if two_line else 58), np.log(150 if two_line else 280))))
    quad, crop_aspect = _quad(aspect, rng, strength)
    size = (width, max(10, round(width / crop_aspect)))
    lit = _light(pixels.astype(np.float32), rng, strength)
    picture, matrix = _warp(lit, face, quad, size, backgrounds, rng)
    picture = _camera(picture, rng, strength)
    boxes = None if char_boxes is None else _move_boxes(char_boxes, matrix, size)
    return Crop(picture, boxes)


def _quad(aspect: float, rng: np.random.Generator, strength: float) -> tuple[Quad, float]:
    """Return where the plate's corners lie in the crop (fractions of its sides) and the crop's aspect."""
    corners = np.array([[0, 0], [aspect, 0], [aspect, 1], [0, 1]], np.float64)
    if rng.random() < 0.45:  # rectified by four corners, each a little off
        quad = corners / [aspect, 1] + rng.normal(0, 1, (4, 2)) * [0.012, 0.035] * strength
        crop_aspect = aspect
    else:  # the upright box around a tilted plate
        angle = np.clip(rng.normal(0, 0.075), -0.2, 0.2) * strength
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shear = np.array([[1, np.clip(rng.normal(0, 0.12), -0.35, 0.35) * strength], [0, 1]])
        foreshorten = np.diag([1 - strength * rng.uniform(0, 0.4) * (rng.random() < 0.4), 1])
        corners = (corners - [aspect / 2, 0.5]) @ (turn @ shear @ foreshorten).T
        near = 1 + corners[:, 0] / aspect * rng.normal(0, 0.08) * strength  # one side nearer to the camera
        corners *= near[:, None]
        low, high = corners.min(0), corners.max(0)
        quad = (corners - low) / (high - low)
        crop_aspect = float((high[0] - low[0]) / (high[1] - low[1]))
    return _wrong_box(quad, rng, strength).astype(np.float32), crop_aspect


def _wrong_box(quad: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Crop with a box that is off by some per cent, or far too loose."""
    left, right = np.clip(rng.normal(0.005, 0.03, 2) * strength, -0.05, 0.1)
    top, bottom = np.clip(rng.normal(0.01, 0.06, 2) * strength, -0.09, 0.2)
    if rng.random() < 0.22:
        left, right = left + rng.uniform(0, 0.14), right + rng.uniform(0, 0.14)
        top, bottom = top + rng.uniform(0, 0.2), bottom + rng.uniform(0, 0.2)
    return (quad + np.array([left, top])) / [1 + left + right, 1 + top + bottom]


def _light(plate: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Shadow edge, gradient, glare, dirt, bloom: what happens on the plate before the lens."""
    h, w = plate.shape
    if rng.random() < 0.35:
        plate = plate * np.linspace(*rng.uniform(0.6, 1.15, 2), w, dtype=np.float32)
    if rng.random() < 0.25:
        plate = plate * np.linspace(*rng.uniform(0.6, 1.15, 2), h, dtype=np.float32)[:, None]
    if rng.random() < 0.18 * strength:
        plate = _cast_shadow(plate, rng)
    if rng.random() < 0.15 * strength:
        plate = plate + _spot(w, h, rng) * rng.uniform(40, 170)
    if rng.random() < 0.15 * strength:
        plate = _dirt(plate, rng)
    if rng.random() < 0.1 * strength:  # retro-reflection under a lamp at the camera: the ground blooms over the strokes
        glow = cv2.GaussianBlur(plate, (0, 0), h * rng.uniform(0.03, 0.1))
        plate = np.maximum(plate, glow * rng.uniform(0.8, 1.1)) * rng.uniform(1.0, 1.35)
    if rng.random() < 0.02:
        plate = 255 - plate
    return plate


def _cast_shadow(plate: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    h, w = plate.shape
    a, b = rng.uniform(-0.2 * w, 1.2 * w, 2)
    side = np.array([[a, 0], [b, h], [w * 3, h], [w * 3, 0]], np.int32)
    shade = np.zeros((h, w), np.float32)
    cv2.fillPoly(shade, [side], 1.0)
    if rng.random() < 0.5:
        shade = 1 - shade
    if rng.random() < 0.35:  # the bumper's shadow lies over the upper part
        shade[:] = 0
        shade[: int(h * rng.uniform(0.15, 0.8))] = 1
    return plate * (1 - shade * rng.uniform(0.25, 0.65))


def _spot(w: int, h: int, rng: np.random.Generator) -> np.ndarray:
    x = np.exp(-(((np.arange(w, dtype=np.float32) - rng.uniform(0, w)) / (w * rng.uniform(0.06, 0.4))) ** 2))
    y = np.exp(-(((np.arange(h, dtype=np.float32) - rng.uniform(0, h)) / (h * rng.uniform(0.2, 0.9))) ** 2))
    return y[:, None] * x


def _dirt(plate: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    h, w = plate.shape
    coarse = rng.random((int(rng.integers(3, 14)), int(rng.integers(6, 50)))).astype(np.float32)
    cloud = cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC)
    mud = np.clip((cloud - rng.uniform(0.45, 0.85)) * 4, 0, 1) * rng.uniform(0.3, 0.85)
    return plate + mud * (rng.uniform(30, 170) - plate)


def _warp(
    lit: np.ndarray,
    face: tuple,
    quad: Quad,
    size: tuple[int, int],
    backgrounds: list[np.ndarray],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Put the plate on some surroundings; return the crop (float32) and the matrix from plate pixels to crop pixels."""
    x0, y0, x1, y1 = face
    scale = min(1.0, 1.4 * size[0] / (x1 - x0))  # shrink by averaging first, so that the warp does not alias
    small = lit if scale > 0.85 else cv2.resize(lit, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    fx, fy = small.shape[1] / lit.shape[1], small.shape[0] / lit.shape[0]
    source = np.array([[x0 * fx, y0 * fy], [x1 * fx, y0 * fy], [x1 * fx, y1 * fy], [x0 * fx, y1 * fy]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, quad * np.array(size, np.float32))
    picture = _surroundings(size, backgrounds, rng)
    cv2.warpPerspective(small, matrix, size, dst=picture, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT)
    return picture, matrix @ np.diag([fx, fy, 1.0])


def _surroundings(size: tuple[int, int], backgrounds: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Car body: a piece of a real scene, or a plain ramp with a few edges."""
    if backgrounds and rng.random() < 0.6:
        piece = backgrounds[int(rng.integers(len(backgrounds)))]
        return cv2.resize(piece, size, interpolation=cv2.INTER_LINEAR).astype(np.float32) * np.float32(
            rng.uniform(0.4, 1.2)
        )
    w, h = size
    picture = (
        np.full((h, w), rng.uniform(10, 220), np.float32)
        + np.linspace(0, rng.normal(0, 30), h, dtype=np.float32)[:, None]
    )
    for _ in range(int(rng.integers(0, 4))):
        a, b = (tuple(int(v) for v in rng.uniform(-0.2, 1.2, 2) * size) for _ in range(2))
        cv2.line(picture, a, b, float(rng.uniform(0, 255)), int(rng.integers(1, max(2, h // 5))))
    return picture


def _camera(picture: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Lens blur, motion, exposure, noise, sharpening and JPEG, in crop pixels."""
    h, w = picture.shape
    if rng.random() < 0.6:
        # A fifth of a stroke's width to a whole one: characters are about a tenth of the crop wide.
        sigma = abs(rng.normal(0, 0.011)) * (w if w > 1.9 * h else 2 * w) * strength
        if sigma > 0.25:
            picture = cv2.GaussianBlur(picture, (0, 0), min(sigma, 4.0))
    if rng.random() < 0.2 * strength:
        picture = _motion(picture, rng)
    if rng.random() < 0.06 * strength:
        picture = _headlight(picture, rng)
    if rng.random() < 0.05 * strength:
        picture = _rain(picture, rng)
    picture = _exposed(picture, rng, strength)
    if rng.random() < 0.2:
        picture = picture + (picture - cv2.GaussianBlur(picture, (0, 0), 1.2)) * rng.uniform(0.3, 1.5)
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    if rng.random() < 0.4 * strength:
        _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(22, 92))])
        picture = cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE)
    return picture


def _exposed(picture: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Exposure, gamma, and the sensor's noise."""
    low, high = np.percentile(picture[::2, ::2], (2, 98))
    target_low, span = rng.uniform(0, 110) * strength, rng.uniform(40, 240)
    faint = rng.random() < 0.15 * strength  # dusk, or a strobe that hardly reaches: few grey levels, and noise on them
    if faint:
        target_low, span = target_low * rng.uniform(0, 0.5), rng.uniform(14, 50)
    if faint or rng.random() < 0.6:
        picture = (picture - low) / max(high - low, 8) * min(span, 250 - target_low) + target_low
    else:
        picture = picture * rng.uniform(0.5, 1.3)
    if rng.random() < 0.3:
        picture = 255 * (np.clip(picture, 0, 255) / 255) ** np.float32(np.exp(rng.normal(0, 0.35)))
    if rng.random() < 0.6:
        grain = np.float32((abs(rng.normal(0, 9)) * strength + 0.5) * min(1.0, span / 60))
        picture = picture + rng.standard_normal(picture.shape, np.float32) * grain
    return picture


def _headlight(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A lamp beside the plate: a saturated spot with a wide halo, and sometimes the streak a sensor makes of it."""
    h, w = picture.shape
    x0 = rng.uniform(-0.25, 0.02) * w if rng.random() < 0.5 else rng.uniform(0.98, 1.25) * w
    y0 = rng.uniform(-0.6, 0.9) * h
    x, y = np.arange(w, dtype=np.float32) - x0, np.arange(h, dtype=np.float32) - y0
    away = np.hypot(x[None], y[:, None]) / h
    glow = rng.uniform(150, 500) * np.exp(-away / rng.uniform(0.15, 0.7)) + rng.uniform(0, 60) / (1 + 4 * away)
    if rng.random() < 0.3:
        glow = glow + rng.uniform(20, 90) * np.exp(-((y / h / 0.06) ** 2))[:, None]
    return picture + glow.astype(np.float32)


def _rain(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bright streaks before the plate, and drops on the glass that smear what lies behind them."""
    h, w = picture.shape
    streaks, slant = np.zeros((h, w), np.float32), rng.normal(0, 0.2)
    for _ in range(int(rng.integers(3, 25))):
        x, y, length = rng.uniform(0, w), rng.uniform(-0.3, 1) * h, rng.uniform(0.2, 1.0) * h
        cv2.line(streaks, (int(x), int(y)), (int(x + slant * length), int(y + length)), 1.0, 1, cv2.LINE_AA)
    picture = picture + cv2.GaussianBlur(streaks, (0, 0), rng.uniform(0.4, 1.0)) * rng.uniform(20, 120)
    for _ in range(int(rng.integers(0, 4))):
        drop, radius = np.zeros((h, w), np.float32), rng.uniform(0.1, 0.3) * h
        cv2.circle(drop, (int(rng.uniform(0, w)), int(rng.uniform(0, h))), max(1, int(radius)), 1.0, -1, cv2.LINE_AA)
        smeared = cv2.GaussianBlur(picture, (0, 0), max(0.5, radius * rng.uniform(0.2, 0.6)))
        picture = picture * (1 - drop) + smeared * rng.uniform(0.9, 1.15) * drop
    return picture


def _motion(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    length = int(np.clip(picture.shape[1] * rng.uniform(0.01, 0.05), 2, 9)) | 1
    kernel = np.zeros((length, length), np.float32)
    angle = rng.normal(0, 0.5) if rng.random() < 0.8 else rng.uniform(0, np.pi)
    d = np.array([np.cos(angle), np.sin(angle)]) * (length - 1) / 2
    c = (length - 1) / 2
    cv2.line(kernel, (round(c - d[0]), round(c - d[1])), (round(c + d[0]), round(c + d[1])), 1.0)
    return cv2.filter2D(picture, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def _move_boxes(boxes: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Take the middle of each side of each box through the warp; return boxes as fractions of the crop."""
    cx, cy = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    points = np.stack(
        [
            np.stack([boxes[:, 0], cy], 1),
            np.stack([boxes[:, 2], cy], 1),
            np.stack([cx, boxes[:, 1]], 1),
            np.stack([cx, boxes[:, 3]], 1),
        ]
    )
    moved = cv2.perspectiveTransform(points.reshape(1, -1, 2).astype(np.float64), matrix).reshape(4, -1, 2) / size
    return np.stack([moved[0, :, 0], moved[2, :, 1], moved[1, :, 0], moved[3, :, 1]], 1)
