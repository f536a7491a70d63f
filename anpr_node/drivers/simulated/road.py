"""The empty road under one exposure, rendered once and kept: asphalt, markings, verge, beam of the illuminator."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from anpr_node.drivers.simulated.geometry import Points, View
from anpr_node.drivers.simulated.light import (
    FALLOFF_POWER,
    LEVEL_MAX,
    LEVEL_MIN,
    PEDESTAL,
    REFERENCE_DISTANCE_M,
    Exposure,
)
from anpr_node.records import Plane

Field = NDArray[np.float32]

ASPHALT_ALBEDO = 0.27
MARKING_ALBEDO, MARKING_RETRO = 0.55, 0.14
VERGE_ALBEDO = 0.34
DIVIDER_X_M, EDGE_X_M, VERGE_X_M = -1.55, 1.70, 1.95
DASH_M, DASH_PITCH_M = 1.5, 4.0


class Road:
    """Reflectances of the ground as seen by one view, ready to be lit."""

    def __init__(self, view: View, seed: int) -> None:
        rng = np.random.default_rng((seed, 11))
        x, y, self._distance = _ground(view)
        self._albedo = _asphalt(rng, x, y)
        marking = _markings(x, y) * (0.75 + 0.25 * _cloud(rng, x.shape, 60))
        self._albedo += marking * (MARKING_ALBEDO - self._albedo)
        self._retro = marking * np.float32(MARKING_RETRO)
        self._beam = _beam(view.size)

    def lit(self, exposure: Exposure) -> Plane:
        """Grey values, noise still missing."""
        strobe = self._beam * (REFERENCE_DISTANCE_M / self._distance) ** np.float32(FALLOFF_POWER)
        level = PEDESTAL + self._albedo * (exposure.ambient + exposure.strobe_diffuse * strobe)
        level += self._retro * strobe * exposure.strobe_retro
        return np.clip(level, LEVEL_MIN, LEVEL_MAX).astype(np.uint8)


def _ground(view: View) -> tuple[Field, Field, Field]:
    """Road coordinates and distance of every pixel."""
    width, height = view.size
    right, down, forward = view.mounting.axes().astype(np.float32)
    u = (np.arange(width, dtype=np.float32) - width / 2) / np.float32(view.focal_px)
    v = (np.arange(height, dtype=np.float32)[:, None] - height / 2) / np.float32(view.focal_px)
    ray_x, ray_y, ray_z = (right[axis] * u + down[axis] * v + forward[axis] for axis in range(3))
    reach = np.float32(view.mounting.height_m) / np.maximum(-ray_z, np.float32(0.02))
    distance = reach * np.sqrt(ray_x**2 + ray_y**2 + ray_z**2)
    return view.mounting.offset_m + reach * ray_x, reach * ray_y, distance


def _asphalt(rng: Generator, x: Field, y: Field) -> Field:
    """Grain, patches and two darker wheel tracks; grass beyond the edge."""
    grain = rng.normal(1.0, 0.13, x.shape).astype(np.float32)
    albedo = ASPHALT_ALBEDO * grain * (0.92 + 0.16 * _cloud(rng, x.shape, 40))
    tracks = np.exp(-(((np.abs(x) - 0.75) / 0.25) ** 2)).astype(np.float32)
    albedo *= 1 - 0.18 * tracks
    repair = (np.abs(x - 0.5) < 0.6) & (y > 13.2) & (y < 15.0)
    albedo[repair] *= 0.72
    verge = x > VERGE_X_M
    tufts = VERGE_ALBEDO * (0.4 + 1.2 * _cloud(rng, x.shape, 14)) * grain
    ground: Field = np.where(verge, tufts, albedo).astype(np.float32)
    return ground


def _markings(x: Field, y: Field) -> Field:
    """Cover of paint, 0 or 1: dashes between the lanes, a line at the edge."""
    dashed = (np.abs(x - DIVIDER_X_M) < 0.06) & (np.mod(y, DASH_PITCH_M) < DASH_M)
    edge = np.abs(x - EDGE_X_M) < 0.07
    painted: Field = (dashed | edge).astype(np.float32)
    return painted


def _beam(size: tuple[int, int]) -> Field:
    """The illuminator's spot: full in the middle, two thirds in the corners."""
    width, height = size
    u = (np.arange(width, dtype=np.float32) / width - 0.5) * 2
    v = (np.arange(height, dtype=np.float32)[:, None] / height - 0.5) * 2
    spot: Field = np.exp(-0.22 * (u**2 + v**2)).astype(np.float32)
    return spot


def _cloud(rng: Generator, shape: tuple[int, ...], cell_px: int) -> Field:
    coarse = rng.random((shape[0] // cell_px + 3, shape[1] // cell_px + 3)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((shape[1], shape[0]), Image.Resampling.BICUBIC), np.float32)


def shadow_quad(width_m: float, length_m: float, height_m: float) -> Points:
    """The sun's shadow of a box on the ground, towards the verge, in the vehicle's own axes."""
    half, far = width_m / 2, width_m / 2 + 0.55 * height_m
    corners = [[-half, 0.1], [half, -0.1], [far, 0.5], [far, length_m + 0.4], [-half, length_m]]
    return np.column_stack([np.array(corners), np.zeros(len(corners))])
