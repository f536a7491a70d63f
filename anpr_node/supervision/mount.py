"""Whether the camera still looks where it did: registration of small planes by phase correlation.

Only shifts are found. Where the two pictures have too little in common there is no verdict, not a false one.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from anpr_node.records import Plane

Window = NDArray[np.float32]

PEAK_MIN = 9.0
"""Height of the peak in standard deviations of the whole surface; below it the two pictures are not matched."""
WHITENING_FLOOR = 0.02


def shift_px(plane: Plane, reference: Plane) -> tuple[float, float] | None:
    """How far, right and down, the plane's picture lies from that of the reference; None when they do not match."""
    if plane.shape != reference.shape:
        return None
    product = _spectrum(plane) * np.conj(_spectrum(reference))
    size = np.abs(product)
    surface = np.fft.irfft2(product / (size + WHITENING_FLOOR * size.mean() + 1e-9), plane.shape)
    row, column = np.unravel_index(int(np.argmax(surface)), surface.shape)
    spread = float(surface.std())
    if not spread or float(surface[row, column]) / spread < PEAK_MIN:
        return None
    rows, columns = surface.shape
    return _signed(int(column), columns), _signed(int(row), rows)


def _spectrum(plane: Plane) -> NDArray[np.complex128]:
    levels = plane.astype(np.float32)
    return np.fft.rfft2((levels - levels.mean()) * _window(plane.shape))


@cache
def _window(shape: tuple[int, int]) -> Window:
    """Fades the rim out, which would else correlate with itself at shift zero."""
    return np.outer(np.hanning(shape[0]), np.hanning(shape[1])).astype(np.float32)


def _signed(index: int, size: int) -> float:
    return float(index - size if index > size // 2 else index)
