"""Draw seals, coats of arms, stickers and other small marks in great variety, so that none is read as a letter.

Never draws an A-Z or 0-9 shape at the size of the plate's own characters.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

SIZE_PX = 48


@dataclass(frozen=True)
class Emblem:
    """A grey picture and its opacity (both uint8, SIZE_PX high), and how wide it is for its height."""

    grey: np.ndarray
    alpha: np.ndarray
    aspect: float


def _outline(rng: np.random.Generator) -> np.ndarray:
    """Return the closed contour of a shield, disc, hexagon, star, box or diamond, in a SIZE_PX square."""
    c, r = SIZE_PX / 2, SIZE_PX / 2 - 2
    kind = rng.integers(8)
    if kind <= 1:
        t = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        return np.stack([c + r * np.cos(t), c + r * np.sin(t)], 1).astype(np.int32)
    if kind == 2:  # shield with a pointed or rounded foot
        foot = np.linspace(0, np.pi, 9)
        power = rng.uniform(0.5, 1.2)
        curve = np.stack([c + r * np.cos(foot), c + r * np.sin(foot) ** power], 1)
        return np.vstack([[[c - r, 3], [c + r, 3]], curve]).astype(np.int32)
    n = int(rng.choice([4, 5, 6, 8]))
    t = np.linspace(0, 2 * np.pi, 2 * n if kind == 3 else n, endpoint=False) + rng.choice([0, np.pi / n])
    radius = np.where(np.arange(len(t)) % 2, r * rng.uniform(0.4, 0.7), r) if kind == 3 else r
    if kind == 7:  # a beast or a crown: any jagged shape
        t = np.linspace(0, 2 * np.pi, int(rng.integers(7, 16)), endpoint=False)
        radius = r * rng.uniform(0.35, 1.0, len(t))
        return np.stack([c + radius * np.cos(t), c + radius * np.sin(t)], 1).astype(np.int32)
    if kind == 6:
        return np.array([[3, 3], [SIZE_PX - 4, 3], [SIZE_PX - 4, SIZE_PX - 4], [3, SIZE_PX - 4]], np.int32)
    return np.stack([c + radius * np.cos(t), c + radius * np.sin(t)], 1).astype(np.int32)


def _inside(grey: np.ndarray, rng: np.random.Generator) -> None:
    """Scribble something heraldic: stripes, chequers, a cross, a beast of random strokes, dots, tiny print."""
    s, kind, ink = SIZE_PX, rng.integers(8), int(rng.integers(256))
    if kind == 0:
        step = int(rng.integers(5, 14))
        tiles = np.indices((s, s)) // step
        grey[(tiles.sum(0) % 2) == 0] = ink
    elif kind == 1:
        grey[:, (np.arange(s) // int(rng.integers(5, 16))) % 2 == 0] = ink
    elif kind == 2:
        grey[(np.arange(s) // int(rng.integers(6, 16))) % 2 == 0, :] = ink
    elif kind == 3:
        w, x = int(rng.integers(4, 12)), int(rng.integers(16, 32))
        grey[:, x - w // 2 : x + w // 2] = ink
        grey[x - w // 2 : x + w // 2, :] = ink
    elif kind == 4:
        for a in np.linspace(0, 2 * np.pi, 12, endpoint=False):
            cv2.circle(grey, (int(24 + 14 * np.cos(a)), int(24 + 14 * np.sin(a))), 2, ink, -1)
    elif kind == 5:
        cv2.circle(grey, (24, 24), int(rng.integers(6, 18)), ink, int(rng.choice([-1, 2, 4])))
    if kind >= 4:
        points = rng.normal(24, 9, (int(rng.integers(3, 9)), 2)).astype(np.int32)
        cv2.polylines(grey, [points], bool(rng.integers(2)), int(rng.integers(256)), int(rng.integers(1, 6)))
        if rng.random() < 0.4:
            cv2.fillPoly(grey, [points], int(rng.integers(256)))


def _single(rng: np.random.Generator) -> Emblem:
    contour = [_outline(rng)]
    grey = np.full((SIZE_PX, SIZE_PX), int(rng.integers(256)), np.uint8)
    alpha = np.zeros_like(grey)
    _inside(grey, rng)
    cv2.fillPoly(alpha, contour, int(rng.integers(120, 256)))
    if rng.random() < 0.7:
        cv2.polylines(grey, contour, True, int(rng.integers(256)), int(rng.integers(1, 5)))
    if rng.random() < 0.15:  # only the outline, as of an embossed seal
        alpha[:] = 0
        cv2.polylines(alpha, contour, True, 200, int(rng.integers(2, 6)))
    return Emblem(cv2.GaussianBlur(grey, (3, 3), 0), cv2.GaussianBlur(alpha, (3, 3), 0), float(rng.uniform(0.65, 1.15)))


def _stack(rng: np.random.Generator) -> Emblem:
    """Two seals one above the other, as on German plates."""
    a, b = _single(rng), _single(rng)
    half = SIZE_PX // 2
    small = [cv2.resize(x, (SIZE_PX, half), interpolation=cv2.INTER_AREA) for x in (a.grey, b.grey, a.alpha, b.alpha)]
    return Emblem(np.vstack(small[:2]), np.vstack(small[2:]), float(rng.uniform(0.42, 0.6)))


def make_emblems(count: int, rng: np.random.Generator) -> tuple[list[Emblem], list[Emblem]]:
    """Return `count` single emblems and half as many stacked pairs."""
    return [_single(rng) for _ in range(count)], [_stack(rng) for _ in range(count // 2)]
