"""How plates move past the camera, from a few sightings of one passage: tilt, side angle, distance, blur at speed.

A plate of known width is as far away as it looks small, and it drives straight on at one speed for the moment that it
is seen; the path that looks in the picture as the plate did tells how the camera hangs. One pinhole, no distortion.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anpr_node.calibration.path import Optics, Path, fit_path
from anpr_node.calibration.plate import PlateMeasures

Float = NDArray[np.float64]

SIGHTINGS_MIN = 3
TILT_DOUBT_MAX_DEG = 1.0
GAP_NS_MAX = 400_000_000
JUMP_WIDTHS_MAX = 1.8
KMH_PER_MPS = 3.6


@dataclass(frozen=True, slots=True)
class MotionMeasures:
    """One passage, as the plate crosses the middle row of the picture, wherever on its way it was seen.

    `tilt_deg` is how far the camera looks down on the plate, `side_deg` how far from beside.
    """

    tilt_deg: float
    side_deg: float
    distance_m: float
    blur_px_per_mps_s: float
    """Pixels of smear per metre that the plate moves while the shutter is open."""
    seen: tuple[PlateMeasures, ...]
    """The sightings that tell so."""

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
    """The numbers of each passage that was seen for long enough, and along a line."""
    measured = (_measure(passage, optics) for passage in found)
    return [motion for motion in measured if motion is not None]


def _measure(passage: Sequence[PlateMeasures], optics: Optics) -> MotionMeasures | None:
    seen = [m for m in passage if m.one_line]
    if len(seen) < SIGHTINGS_MIN:
        return None
    path = fit_path(seen, optics)
    if path is None or path.doubt_deg > TILT_DOUBT_MAX_DEG:
        return None
    return _as_measures(seen, path, optics)


def _as_measures(seen: Sequence[PlateMeasures], path: Path, optics: Optics) -> MotionMeasures:
    tilt_deg, side_deg = path.angles_deg
    return MotionMeasures(
        tilt_deg=tilt_deg,
        side_deg=side_deg,
        distance_m=float(np.linalg.norm(path.place)),
        blur_px_per_mps_s=_smear(path.place, path.direction, optics),
        seen=tuple(seen),
    )


def _smear(place: Float, direction: Float, optics: Optics) -> float:
    """Pixels that a point there moves per metre along the road."""
    x, y, z = place
    dx, dy, dz = direction
    along_u, along_v = (dx * z - x * dz) / z**2, (dy * z - y * dz) / z**2
    return optics.focal_px * math.hypot(along_u, along_v)
