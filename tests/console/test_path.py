"""A vehicle's path from a few sightings of its plate, with what a fit to pixels gets wrong."""

from __future__ import annotations

import numpy as np
import pytest

from anpr_node.calibration.motion import measure_motions
from anpr_node.calibration.path import Optics
from anpr_node.calibration.plate import PlateMeasures
from anpr_node.drivers.simulated.geometry import Mounting, View

VIEW = View(Mounting())
OPTICS = Optics(VIEW.focal_px, *VIEW.size)
TILT_DEG = 18.9
"""Of a plate 0.55 m above the road, in the middle row of the picture."""


def sighting(y_m: float, second: float, noise_px: float, rng: np.random.Generator) -> PlateMeasures:
    """A plate across the road at a place, its ends off by some noise."""
    world = np.array([[x_m, y_m, z_m] for x_m, z_m in ((-0.96, 0.6), (-0.44, 0.6), (-0.44, 0.49), (-0.96, 0.49))])
    pixels = VIEW.project(world) + rng.normal(0, noise_px, (4, 2))
    corners = tuple((float(u), float(v)) for u, v in pixels)
    width_px = float(np.linalg.norm(pixels[1] - pixels[0]))
    return PlateMeasures(
        captured_ns=round(second * 1e9),
        corners=corners,
        width_px=width_px,
        height_px=width_px / 4.7,
        roll_deg=4.0,
        one_line=True,
        char_height_px=20.0,
        contrast=0.3,
        ground_level=150.0,
        saturated_share=0.0,
        edge_px=0.7,
    )


def drive(places_m: list[float], speed_mps: float, noise_px: float, seed: int) -> list[PlateMeasures]:
    rng = np.random.default_rng(seed)
    return [sighting(y_m, (places_m[0] - y_m) / speed_mps, noise_px, rng) for y_m in places_m]


@pytest.mark.parametrize("places_m", [[17.0, 16.0, 15.0], [16.0, 14.0, 12.0, 10.0], [10.5, 9.7, 8.9]])
def test_the_tilt_is_that_of_the_middle_row_wherever_the_plate_was_seen(places_m: list[float]) -> None:
    tilts = [
        motion.tilt_deg for seed in range(40) for motion in measure_motions([drive(places_m, 15.0, 0.5, seed)], OPTICS)
    ]
    assert len(tilts) >= 10
    assert np.median(tilts) == pytest.approx(TILT_DEG, abs=0.4)
    assert np.quantile(np.abs(np.array(tilts) - TILT_DEG), 0.9) < 2.0


def test_what_is_in_doubt_tells_nothing() -> None:
    assert not measure_motions([drive([17.0, 16.6, 16.2], 10.0, 0.5, 1)], OPTICS)  # too little road
    assert not measure_motions([drive([17.0, 15.0], 15.0, 0.1, 1)], OPTICS)
    assert not measure_motions([drive([17.0, 16.0, 15.0], 15.0, 6.0, 1)], OPTICS)


def test_two_vehicles_taken_for_one_tell_nothing() -> None:
    one = drive([17.0, 16.0, 15.0], 15.0, 0.2, 1)
    mixed = [*one, *(sighting(14.0 + n, 0.2 + 0.03 * n, 0.2, np.random.default_rng(n)) for n in range(3))]
    assert not measure_motions([mixed], OPTICS)
