"""Things that look like plates and are not: lettering, signs, grilles, lamps, blank panels.

Draws on grey uint8 canvases in place; nothing it draws is ever a plate to be found.
"""

from __future__ import annotations

import cv2
import numpy as np

_LETTERS = list("ABCDEFGHIKLMNOPRSTUVWZabcdefghiklmnoprstuvwz0123456789.-/ ")
_FACES = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_PLAIN,
)


def _place(rng: np.random.Generator, canvas: np.ndarray) -> tuple[int, int]:
    return int(rng.integers(0, canvas.shape[1])), int(rng.integers(0, canvas.shape[0]))


def _words(rng: np.random.Generator, most: int) -> str:
    return "".join(rng.choice(_LETTERS, int(rng.integers(2, most))))


def lettering(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """Words straight on the scene: vehicle lettering, watermarks, shop fronts."""
    face = _FACES[int(rng.integers(len(_FACES)))]
    size = float(np.exp(rng.uniform(np.log(0.4), np.log(3.0))))
    grey = int(rng.choice([rng.integers(0, 80), rng.integers(160, 256)]))
    thick = int(rng.integers(1, 2 + int(size * 2)))
    x, y = _place(rng, canvas)
    for line in range(int(rng.integers(1, 4))):
        cv2.putText(canvas, _words(rng, 20), (x - 60, y + int(line * 30 * size)), face, size, grey, thick, cv2.LINE_AA)


def sign(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """A panel with small print or a symbol in it: sticker, road sign, adverts; aspect often unlike a plate's."""
    width = int(np.exp(rng.uniform(np.log(24), np.log(300))))
    height = max(8, int(width / rng.choice([0.6, 1.0, 1.5, 7.0, 10.0])))
    x, y = _place(rng, canvas)
    ground = int(rng.integers(0, 256))
    ink = (ground + int(rng.integers(90, 166))) % 256
    panel = np.full((height, width), ground, np.uint8)
    if rng.random() < 0.5:
        middle, radius = (width // 2, height // 2), max(2, min(width, height) // 3)
        cv2.circle(panel, middle, radius, ink, max(1, height // 10), cv2.LINE_AA)
    rows = int(rng.integers(1, 6))
    for row in range(rows if rng.random() < 0.7 else 0):
        base = int(height * (row + 0.8) / rows)
        face, size = _FACES[int(rng.integers(2))], height / rows / 34
        cv2.putText(panel, _words(rng, 24), (2, base), face, size, ink, 1, cv2.LINE_AA)
    _put(rng, canvas, panel, x, y)


def blank(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """A plain bright or dark panel in the shape of a plate: lamps, reflectors, empty holders."""
    width = int(np.exp(rng.uniform(np.log(24), np.log(300))))
    height = max(6, int(width / rng.uniform(1.3, 5.5)))
    x, y = _place(rng, canvas)
    panel = np.full((height, width), int(rng.integers(0, 256)), np.uint8)
    if rng.random() < 0.6:
        ramp = np.linspace(0.6, 1.3, width if rng.random() < 0.5 else height)
        panel = np.clip(panel * (ramp if len(ramp) == width else ramp[:, None]), 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        cv2.rectangle(panel, (0, 0), (width - 1, height - 1), int(rng.integers(0, 256)), max(1, height // 12))
    _put(rng, canvas, panel, x, y)


def grille(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """Regular bars, upright or level: grilles, vents, fences, zebra crossings."""
    width = int(np.exp(rng.uniform(np.log(40), np.log(360))))
    height = max(10, int(width / rng.uniform(1.2, 6)))
    pitch = int(rng.integers(3, max(4, height // 2)))
    dark, light = sorted(int(v) for v in rng.integers(0, 256, 2))
    row = np.where((np.arange(width if rng.random() < 0.6 else height) // max(1, pitch // 2)) % 2, dark, light)
    panel = np.broadcast_to(row if len(row) == width else row[:, None], (height, width)).astype(np.uint8)
    _put(rng, canvas, np.ascontiguousarray(panel), *_place(rng, canvas))


def lamps(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """Headlight pairs with their glow, added as light."""
    light = np.zeros(canvas.shape, np.uint8)
    x, y = _place(rng, canvas)
    apart, radius = int(rng.integers(30, 300)), int(np.exp(rng.uniform(np.log(3), np.log(30))))
    for side in (0, apart):
        axes = (radius, max(2, int(radius * rng.uniform(0.4, 1.0))))
        cv2.ellipse(light, (x + side, y + int(rng.integers(-4, 5))), axes, 0, 0, 360, 255, -1, cv2.LINE_AA)
    quarter = cv2.resize(light, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    glow = cv2.resize(cv2.GaussianBlur(quarter, (0, 0), max(1.0, radius / 4 * rng.uniform(0.5, 2))), light.shape[::-1])
    canvas[:] = cv2.add(canvas, cv2.add(light, glow))


def _put(rng: np.random.Generator, canvas: np.ndarray, panel: np.ndarray, x: int, y: int) -> None:
    height, width = panel.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.normal(0, 5)), 1.0)
    matrix[:, 2] += [x - width / 2, y - height / 2]
    size = canvas.shape[::-1]
    alpha = cv2.warpAffine(np.full(panel.shape, 255, np.uint8), matrix, size).astype(np.float32) / 255
    alpha *= rng.uniform(0.7, 1.0)
    canvas[:] = (cv2.warpAffine(panel, matrix, size) * alpha + canvas * (1 - alpha)).astype(np.uint8)


DRAWERS = (lettering, sign, blank, grille, lamps)


def scatter(rng: np.random.Generator, canvas: np.ndarray, most: int) -> None:
    """Draw a few distractors at random places."""
    for _ in range(int(rng.integers(1, most + 1))):
        DRAWERS[int(rng.choice(len(DRAWERS), p=[0.35, 0.2, 0.15, 0.2, 0.1]))](rng, canvas)
