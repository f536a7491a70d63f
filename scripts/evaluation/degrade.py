"""Makes a patch worse in one way at a time: blur, few pixels, noise, faint contrast, tilt, dirt, JPEG.

The same patch, level and seed give the same picture; patches themselves are never changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter

from anpr_node import pictures
from anpr_node.records import Plane

DIRT_GREY = 70
SIDE_MIN_PX = 8


@dataclass(frozen=True, slots=True)
class Damage:
    """One way to spoil a patch; the first level does nothing, each further one is worse."""

    name: str
    unit: str
    levels: tuple[float, ...]
    apply: Callable[[Plane, float, Generator], Plane]


def blur(patch: Plane, percent: float, _: Generator) -> Plane:
    """Out of focus: Gaussian of so many per cent of the plate's width."""
    return np.asarray(pictures.as_image(patch).filter(ImageFilter.GaussianBlur(patch.shape[1] * percent / 100)))


def smear(patch: Plane, percent: float, _: Generator) -> Plane:
    """Moved during the exposure, along the plate, by so many per cent of its width."""
    length = max(1.0, patch.shape[1] * percent / 100)
    reach = math.ceil((length - 1) / 2)
    kernel = np.clip((length + 1) / 2 - np.abs(np.arange(-reach, reach + 1)), 0, 1)
    wide = np.pad(patch.astype(np.float64), ((0, 0), (reach, reach)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(wide, 2 * reach + 1, axis=1)
    return _to_plane(windows @ (kernel / kernel.sum()))


def shrink(patch: Plane, width: float, _: Generator) -> Plane:
    """Far away: so many pixels wide. Patches that have no more anyway stay as they are."""
    rows, columns = patch.shape
    if columns <= width:
        return patch
    return pictures.resize(patch, round(width), max(4, round(rows * width / columns)))


def noise(patch: Plane, sigma: float, rng: Generator) -> Plane:
    """A grainy sensor: normal noise of so many grey levels in every pixel."""
    return _to_plane(patch + rng.normal(0, sigma, patch.shape))


def fade(patch: Plane, percent: float, _: Generator) -> Plane:
    """Fog or red ink under infra-red: so many per cent of the contrast are left, in whole grey levels."""
    middle = float(patch.mean())
    return _to_plane(middle + (patch - middle) * percent / 100)


def tilt(patch: Plane, degrees: float, _: Generator) -> Plane:
    """Turned about its middle and not pulled straight; the patch grows to hold it."""
    rows, columns = patch.shape
    margin = math.ceil(math.hypot(rows, columns) / 2)
    wide = pictures.as_image(np.pad(patch, margin, mode="edge")).rotate(degrees, Image.Resampling.BILINEAR)
    angle = math.radians(degrees)
    width = columns * math.cos(angle) + rows * math.sin(angle)
    height = rows * math.cos(angle) + columns * math.sin(angle)
    left, top = (wide.width - width) / 2, (wide.height - height) / 2
    return np.asarray(wide.crop((round(left), round(top), round(left + width), round(top + height))))


def dirt(patch: Plane, percent: float, rng: Generator) -> Plane:
    """A dark spot, as high as wide where there is room, on so many per cent of the area, anywhere."""
    rows, columns = patch.shape
    wanted = rows * columns * percent / 100
    height = min(rows, round(math.sqrt(wanted)))
    width = min(columns, round(wanted / max(1, height)))
    top, left = int(rng.integers(rows - height + 1)), int(rng.integers(columns - width + 1))
    spoilt = patch.copy()
    spoilt[top : top + height, left : left + width] = DIRT_GREY
    return spoilt


def jpeg(patch: Plane, quality: float, _: Generator) -> Plane:
    """Squeezed once more; a quality of 100 and above leaves the patch as it is."""
    return patch if quality >= 100 else pictures.decode_jpeg(pictures.encode_jpeg(patch, int(quality)))


def _to_plane(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Plane:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


DAMAGES = (
    Damage("width", "px", (400, 160, 120, 100, 80, 70, 60, 50, 40, 32, 24), shrink),
    Damage("blur", "% of the width (σ)", (0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5), blur),
    Damage("motion", "% of the width", (0, 1, 2, 3, 4, 5, 6, 8, 10), smear),
    Damage("noise", "grey levels (σ)", (0, 5, 10, 15, 20, 30, 40, 60, 80), noise),
    Damage("contrast", "% left", (100, 50, 30, 20, 10, 7, 5, 3, 2), fade),
    Damage("tilt", "degrees", (0, 1, 2, 3, 4, 6, 8, 10, 15), tilt),
    Damage("dirt", "% of the area", (0, 0.5, 1, 2, 3, 4, 6, 8), dirt),
    Damage("JPEG quality", "", (100, 80, 60, 40, 30, 20, 10, 5, 2), jpeg),
)
