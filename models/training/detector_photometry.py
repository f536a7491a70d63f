"""Light and camera: exposure, infra-red look, blur, noise, JPEG, for finished grey pictures.

Infra-red is simulated here from daylight pictures; nothing in this file has seen a real 850 nm frame.
"""

from __future__ import annotations

import cv2
import numpy as np


def infrared(rng: np.random.Generator, canvas: np.ndarray, quads: list[np.ndarray]) -> np.ndarray:
    """A dark scene in which the plates (retro-reflective) shine, with bloom and the lamp's fall-off."""
    dark = 255 * (canvas.astype(np.float32) / 255) ** rng.uniform(1.0, 2.2) * rng.uniform(0.03, 0.45)
    lit = np.zeros(canvas.shape, np.uint8)
    for quad in quads:
        cv2.fillConvexPoly(lit, np.round(quad).astype(np.int32), 255, cv2.LINE_AA)
    share = lit.astype(np.float32) / 255
    plate = canvas.astype(np.float32) * rng.uniform(0.8, 1.9)
    out = dark * (1 - share) + plate * share
    if rng.random() < 0.6 and quads:
        widest = max(float(np.ptp(quad[:, 0])) for quad in quads)
        small = cv2.resize(np.clip(out - 150, 0, 120) * share, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        glow = cv2.GaussianBlur(small, (0, 0), max(0.6, widest / 60 * rng.uniform(0.3, 1.5)))
        out += cv2.resize(glow, canvas.shape[::-1]) * rng.uniform(0.2, 1.2)
    return np.clip(vignette(rng, out), 0, 255).astype(np.uint8)


def vignette(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Light that falls off from a spot: an illuminator's beam or a cheap lens."""
    height, width = picture.shape
    x0, y0 = rng.uniform(0.2, 0.8) * width, rng.uniform(0.2, 0.8) * height
    reach = rng.uniform(0.4, 1.2) * width
    x = (np.arange(width, dtype=np.float32) - x0) ** 2
    y = (np.arange(height, dtype=np.float32) - y0) ** 2
    return picture * np.exp(-(x[None] + y[:, None]) / (2 * reach**2))


def exposure(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Gain, gamma and black level through one 256-entry table."""
    level = np.arange(256, dtype=np.float32) / 255
    level = level ** np.exp(rng.normal(0, 0.35)) * np.exp(rng.normal(0, 0.35))
    contrast = np.exp(rng.normal(0, 0.25))
    level = (level - 0.45) * contrast + 0.45 + rng.normal(0, 0.06)
    return cv2.LUT(picture, np.clip(level * 255, 0, 255).astype(np.uint8))


def dusk(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Far too little light: a few grey levels above black, or in haze."""
    level = np.arange(256, dtype=np.float32) * rng.uniform(0.07, 0.4) + rng.uniform(0, 60) * (rng.random() < 0.4)
    return cv2.LUT(picture, level.astype(np.uint8))


def blur(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Out of focus, or smeared by motion."""
    if rng.random() < 0.6:
        return cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.4))
    length = int(rng.integers(2, 7))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.normal(0, 0.5)
    middle = (length - 1) / 2
    for step in np.linspace(-middle, middle, 4 * length):
        kernel[round(middle + step * np.sin(angle)), round(middle + step * np.cos(angle))] = 1
    return cv2.filter2D(picture, -1, kernel / kernel.sum())


def noise(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Sensor noise, more of it in bright places, as photons make it."""
    sigma = np.exp(rng.uniform(np.log(1), np.log(14)))
    grain = rng.standard_normal(picture.shape, dtype=np.float32)
    if rng.random() < 0.3:
        grain = cv2.GaussianBlur(grain, (0, 0), 0.7) * 1.8
    level = picture.astype(np.float32)
    return np.clip(level + grain * sigma * (0.5 + level / 255), 0, 255).astype(np.uint8)


def compressed(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Through JPEG and back."""
    quality = int(rng.integers(25, 90))
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)


def camera(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """The finished picture as some camera might have taken it; one in six stays as it is."""
    if rng.random() < 0.16:
        return picture
    if rng.random() < 0.7:
        picture = exposure(rng, picture)
    if rng.random() < 0.12:
        picture = dusk(rng, picture)
    if rng.random() < 0.1:
        picture = np.clip(vignette(rng, picture.astype(np.float32)), 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        picture = blur(rng, picture)
    if rng.random() < 0.5:
        picture = noise(rng, picture)
    if rng.random() < 0.25:
        picture = compressed(rng, picture)
    return picture
