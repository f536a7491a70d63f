"""How plates move past the camera, from a few sightings of one passage: tilt, side angle, distance, blur at speed.

A plate of known width is as far away as it looks small; its path over the road is a straight line in space, and the
picture of the road's direction tells how the camera hangs. One pinhole, no lens distortion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anpr_node.calibration.plate import PlateMeasures

Float = NDArray[np.float64]

PLATE_WIDTH_M = 0.52
SIGHTINGS_MIN = 3
TRAVEL_MIN_M = 1.5
BESIDE_MAX_M = 0.15
"""A passage seen over less of the road than this tells no direction."""
ROUNDS = 3
GAP_NS_MAX = 400_000_000
JUMP_WIDTHS_MAX = 1.8
KMH_PER_MPS = 3.6


@dataclass(frozen=True, slots=True)
class Optics:
    """What turns pixels into angles: focal length and size of the picture, both in its own pixels."""

    focal_px: float
    columns: int
    rows: int

    def ray(self, u: float, v: float) -> Float:
        """Direction of a pixel: right, down, forward."""
        return np.array([(u - self.columns / 2) / self.focal_px, (v - self.rows / 2) / self.focal_px, 1.0])


@dataclass(frozen=True, slots=True)
class MotionMeasures:
    """One passage. `tilt_deg` is how far the camera looks down on the plate, `side_deg` how far from beside."""

    tilt_deg: float
    side_deg: float
    distance_m: float
    px_per_m: float
    speed_kmh: float | None
    middle: PlateMeasures
    """The sighting that the angles are of."""
    blur_px_per_mps_s: float
    """Pixels of smear per metre that the plate moves while the shutter is open."""

    def blur_px(self, speed_kmh: float, exposure_us: float) -> float:
        """Smear at a speed and an exposure."""
        return self.blur_px_per_mps_s * speed_kmh / KMH_PER_MPS * exposure_us * 1e-6


def passages(measures: Sequence[PlateMeasures]) -> list[list[PlateMeasures]]:
    """Sightings put together by vehicle: near in time, near in the picture, alike in size."""
    open_now: list[list[PlateMeasures]] = []
    for seen in sorted(measures, key=lambda m: m.captured_ns):
        best = min((p for p in open_now if _follows(p[-1], seen)), key=lambda p: _away(p[-1], seen), default=None)
        if best is None:
            open_now.append([seen])
        else:
            best.append(seen)
    return open_now


def _follows(before: PlateMeasures, seen: PlateMeasures) -> bool:
    elapsed_ns = seen.captured_ns - before.captured_ns
    alike = 0.6 < seen.width_px / before.width_px < 1.67 and seen.one_line == before.one_line
    return 0 < elapsed_ns < GAP_NS_MAX and alike and _away(before, seen) < JUMP_WIDTHS_MAX * before.width_px


def _away(before: PlateMeasures, seen: PlateMeasures) -> float:
    (ax, ay), (bx, by) = before.centre, seen.centre
    return math.hypot(bx - ax, by - ay)


def measure_motions(found: Sequence[Sequence[PlateMeasures]], optics: Optics) -> list[MotionMeasures]:
    """The numbers of each passage that was seen for long enough. All drive along one road: its direction is theirs."""
    usable = [seen for seen in ([m for m in passage if m.one_line] for passage in found) if len(seen) >= SIGHTINGS_MIN]
    direction = np.array([0.0, 0.0, 1.0])
    for _ in range(ROUNDS):
        paths = [(seen, np.array([_place(m, optics, direction) for m in seen])) for seen in usable]
        paths = [(seen, places) for seen, places in paths if _is_a_drive(places)]
        if not paths:
            return []
        direction = _line_through([places for _, places in paths])
        usable = [seen for seen, _ in paths]
    return [_as_measures(seen, places, direction, optics) for seen, places in paths]


def _is_a_drive(places: Float) -> bool:
    """Whether the places lie along a line, far enough from each other to show its direction."""
    travel = float(np.linalg.norm(places[-1] - places[0]))
    own = _line_through([places])
    centred = places - places.mean(axis=0)
    beside = centred - np.outer(centred @ own, own)
    return travel >= TRAVEL_MIN_M and float(np.sqrt((beside**2).sum(axis=1).mean())) < BESIDE_MAX_M


def _place(seen: PlateMeasures, optics: Optics, direction: Float) -> Float:
    """Middle of the plate in space, in metres, with its long side at right angles to the road's direction."""
    left, right = _ends(seen, optics)
    across = _across(left, right, direction)
    # a * right - b * left = width * across: two distances along two rays, by least squares
    rays = np.stack([right, -left], axis=1)
    (a, b), *_ = np.linalg.lstsq(rays, PLATE_WIDTH_M * across, rcond=None)
    middle: Float = (a * right + b * left) / 2
    return middle


def _ends(seen: PlateMeasures, optics: Optics) -> tuple[Float, Float]:
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = seen.corners
    return optics.ray((ax + dx) / 2, (ay + dy) / 2), optics.ray((bx + cx) / 2, (by + cy) / 2)


def _across(left: Float, right: Float, direction: Float) -> Float:
    """Direction of the plate's long side: in the plane of its rays, at right angles to the road."""
    across = np.cross(np.cross(left, right), direction)
    across = across / max(float(np.linalg.norm(across)), 1e-9)
    unit: Float = across if float(across @ (right - left)) > 0 else -across
    return unit


def _line_through(paths: Sequence[Float]) -> Float:
    """Direction of the straight line along all paths, away from the camera; the longer a path, the more it says."""
    centred = np.concatenate([places - places.mean(axis=0) for places in paths])
    _, _, axes = np.linalg.svd(centred)
    axis: Float = axes[0] if axes[0][2] > 0 else -axes[0]
    return axis


def _as_measures(seen: Sequence[PlateMeasures], places: Float, direction: Float, optics: Optics) -> MotionMeasures:
    """At the sighting nearest to the middle of the stretch that was seen."""
    middle = int(np.argmin(np.abs(places[:, 2] - places[:, 2].mean())))
    left, right = _ends(seen[middle], optics)
    across = _across(left, right, direction)
    up = np.cross(across, direction)
    up = up if up[1] < 0 else -up  # down is positive in the picture
    place = places[middle]
    sight = place / np.linalg.norm(place)
    elapsed_s = (seen[-1].captured_ns - seen[0].captured_ns) / 1e9
    speed = float(np.linalg.norm(places[-1] - places[0])) / elapsed_s * KMH_PER_MPS if elapsed_s > 0 else None
    return MotionMeasures(
        tilt_deg=math.degrees(math.asin(float(np.clip(-sight @ up, -1, 1)))),
        side_deg=math.degrees(math.asin(float(np.clip(sight @ across, -1, 1)))),
        distance_m=float(np.linalg.norm(place)),
        px_per_m=seen[middle].width_px / PLATE_WIDTH_M,
        speed_kmh=speed,
        middle=seen[middle],
        blur_px_per_mps_s=_smear(place, direction, optics),
    )


def _smear(place: Float, direction: Float, optics: Optics) -> float:
    """Pixels that a point there moves per metre along the road."""
    x, y, z = place
    dx, dy, dz = direction
    along_u, along_v = (dx * z - x * dz) / z**2, (dy * z - y * dz) / z**2
    return optics.focal_px * math.hypot(along_u, along_v)
