"""The straight path of one vehicle in space, from where its plate was seen and when: the one that fits the picture.

It is fitted in the picture, where errors are of one size. A distance told by a plate's width is off by decimetres, and
always along the line of sight: a line through such places leans towards the camera, and tells too small a tilt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from anpr_node.calibration.plate import PlateMeasures

Float = NDArray[np.float64]

PLATE_WIDTH_M = 0.52
TRAVEL_MIN_M = 1.5
"""A passage seen over less of the road than this tells no direction."""
BESIDE_MAX_M = 0.05
"""How far the plate may be from where the path has it: a passage put together from two vehicles is far off."""
ROUNDS_MAX = 15
STEP_MIN = 1e-6
NOISE_MIN_PX = 0.2
DEPTH_MIN_M = 1.0
NUDGE = 1e-5


@dataclass(frozen=True, slots=True)
class Optics:
    """What turns pixels into angles: focal length and size of the picture, both in its own pixels."""

    focal_px: float
    columns: int
    rows: int

    def ray(self, u: float, v: float) -> Float:
        """Direction of a pixel: right, down, forward."""
        return np.array([(u - self.columns / 2) / self.focal_px, (v - self.rows / 2) / self.focal_px, 1.0])

    def project(self, points: Float) -> Float:
        """Pixels of points in space."""
        depth = np.maximum(points[..., 2:], 0.1)
        pixels: Float = points[..., :2] / depth * self.focal_px + np.array([self.columns / 2, self.rows / 2])
        return pixels


@dataclass(frozen=True, slots=True)
class Path:
    """How the plate moved, in metres right, down and forward of the camera, and where it crossed the middle row.

    `doubt_deg` is the standard error of the tilt there: great for a place far from all sightings.
    """

    place: Float
    direction: Float
    across: Float
    speed_mps: float
    doubt_deg: float = 0.0

    @property
    def angles_deg(self) -> tuple[float, float]:
        """How far the camera looks down on the plate in the middle row, and how far from beside."""
        up = np.cross(self.across, self.direction)
        up = up if up[1] < 0 else -up  # down is positive in the picture
        sight = self.place / np.linalg.norm(self.place)
        return _degrees(float(-sight @ up)), _degrees(float(sight @ self.across))


def fit_path(seen: Sequence[PlateMeasures], optics: Optics) -> Path | None:
    """The path; None where the sightings lie on none, or over too little road."""
    ends = np.array([_ends(m) for m in seen])
    times_s = np.array([(m.captured_ns - seen[0].captured_ns) / 1e9 for m in seen])
    times_s -= times_s.mean()
    guess = _guess(ends, times_s, optics)

    def off(values: Float) -> Float:
        misses: Float = (optics.project(_ends_of(values, times_s)) - ends).ravel()
        return misses

    values, slopes = _solved(guess, off)
    path = _path_of(values)
    error_px = float(np.sqrt((off(values) ** 2).mean()))
    distance_m = float(np.linalg.norm(values[:3]))
    travel_m = path.speed_mps * float(np.ptp(times_s))
    beside_m = error_px * distance_m / optics.focal_px
    if travel_m < TRAVEL_MIN_M or beside_m > BESIDE_MAX_M or path.place[2] < DEPTH_MIN_M:
        return None
    return replace(path, doubt_deg=_doubt_deg(values, slopes, max(error_px, NOISE_MIN_PX)))


def _ends(seen: PlateMeasures) -> tuple[tuple[float, float], tuple[float, float]]:
    """Middles of the left and of the right side."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = seen.corners
    return ((ax + dx) / 2, (ay + dy) / 2), ((bx + cx) / 2, (by + cy) / 2)


def _guess(ends: Float, times_s: Float, optics: Optics) -> Float:
    """Place at the middle time, velocity and roll, from how wide the plate looks."""
    width_px = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
    rays = np.array([optics.ray(*middle) for middle in ends.mean(axis=1)])
    places = rays * (PLATE_WIDTH_M * optics.focal_px / width_px)[:, None]
    velocity, place = np.polyfit(times_s, places, 1)
    slope = (ends[:, 1] - ends[:, 0]).mean(axis=0)
    return np.array([*place, *velocity, math.atan2(slope[1], slope[0])])


def _across(velocity: Float, roll: float) -> Float:
    """Direction of the plate's long side: at right angles to the road, turned by `roll` in the picture."""
    ahead = velocity / max(float(np.linalg.norm(velocity)), 1e-9)
    right = np.array([1.0, 0.0, 0.0])
    level = right - (right @ ahead) * ahead
    level /= max(float(np.linalg.norm(level)), 1e-9)
    down = np.cross(ahead, level)
    down = down if down[1] > 0 else -down
    across: Float = math.cos(roll) * level + math.sin(roll) * down
    return across


def _ends_of(values: Float, times_s: Float) -> Float:
    """Both ends of the plate in space, for each moment."""
    half = _across(values[3:6], values[6]) * PLATE_WIDTH_M / 2
    middles = values[:3] + times_s[:, None] * values[3:6]
    ends: Float = np.stack([middles - half, middles + half], axis=1)
    return ends


def _path_of(values: Float) -> Path:
    place, velocity = values[:3], values[3:6]
    speed_mps = float(np.linalg.norm(velocity))
    direction = velocity / max(speed_mps, 1e-9)
    direction = direction if direction[2] > 0 else -direction
    falling = velocity[1] if abs(velocity[1]) > 1e-6 else 1e-6
    return Path(place - velocity * place[1] / falling, direction, _across(velocity, values[6]), speed_mps)


def _solved(values: Float, off: Callable[[Float], Float]) -> tuple[Float, Float]:
    """Least squares by Gauss and Newton with a damping that gives way; also the slopes at the end."""
    damping, errors = 1e-3, off(values)
    for _ in range(ROUNDS_MAX):
        slopes = _slopes(values, off, errors)
        square = slopes.T @ slopes
        step = np.linalg.solve(square + damping * np.diag(np.diag(square) + 1e-9), -slopes.T @ errors)
        tried = off(values + step)
        if tried @ tried > errors @ errors:
            damping *= 10
            continue
        values, errors, damping = values + step, tried, damping / 10
        if float(np.abs(step).max()) < STEP_MIN:
            break
    return values, _slopes(values, off, errors)


def _slopes(values: Float, off: Callable[[Float], Float], errors: Float) -> Float:
    columns = [(off(values + nudge) - errors) / NUDGE for nudge in np.eye(len(values)) * NUDGE]
    slopes: Float = np.stack(columns, axis=1)
    return slopes


def _doubt_deg(values: Float, slopes: Float, noise_px: float) -> float:
    here = _path_of(values).angles_deg[0]
    nudges = np.eye(len(values)) * NUDGE
    steps = np.array([(_path_of(values + nudge).angles_deg[0] - here) / NUDGE for nudge in nudges])
    spread = np.linalg.pinv(slopes.T @ slopes) * noise_px**2
    return float(np.sqrt(max(steps @ spread @ steps, 0.0)))


def _degrees(sine: float) -> float:
    return math.degrees(math.asin(float(np.clip(sine, -1, 1))))
