"""What the frames show: the truth, in the light and for the time that the circuit gave."""

from __future__ import annotations

import numpy as np
import pytest
from roadside import VIEW, make_roadside, plate_pixels

from anpr_node.drivers.simulated.light import Exposure, Light, LightName
from anpr_node.drivers.simulated.scene import Scene
from anpr_node.drivers.simulated.traffic import Traffic, TrafficPlan
from anpr_node.records import PlateBox

NO_DISTURBANCE = TrafficPlan(neighbour_lane=False, dirty_share=0.0, speed_kmh=(120.0, 130.0))


@pytest.mark.parametrize("light", ["night", "day"])
def test_the_same_seed_gives_the_same_pictures(light: LightName) -> None:
    one, _ = make_roadside(light, seed=5).first_plate()
    same, _ = make_roadside(light, seed=5).first_plate()
    assert one.captured_ns == same.captured_ns
    assert np.array_equal(one.pixels, same.pixels)
    assert np.array_equal(one.small, same.small)


@pytest.mark.parametrize("light", ["night", "day"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_true_corners_lie_on_a_plate_brighter_than_its_surroundings(light: LightName, seed: int) -> None:
    frame, plate = make_roadside(light, seed=seed, plan=NO_DISTURBANCE).first_plate()
    xs, ys = zip(*plate.corners, strict=True)
    left, right, top, bottom = round(min(xs)), round(max(xs)), round(min(ys)), round(max(ys))
    around = frame.pixels[top - 8 : bottom + 8, left - 8 : right + 8]
    inside = plate_pixels(frame, plate)
    assert np.percentile(inside, 90) - np.percentile(inside, 5) > 40
    if light == "night":  # by day a white car is as bright
        assert inside.mean() > 1.15 * around.mean()


def test_plates_are_as_wide_as_the_optics_make_them() -> None:
    roadside = make_roadside(plan=NO_DISTURBANCE)
    _, plate = roadside.first_plate()
    width_px = PlateBox(plate.corners, 1.0).width_px
    assert 60 < width_px < 140  # half of what a full-size picture shows


def test_a_longer_exposure_is_brighter() -> None:
    short, plate = make_roadside(exposure_us=100, plan=NO_DISTURBANCE).first_plate()
    long, same = make_roadside(exposure_us=400, plan=NO_DISTURBANCE).first_plate()
    assert plate_pixels(long, same).mean() > 1.5 * plate_pixels(short, plate).mean()


def test_a_longer_exposure_smears_what_moves() -> None:
    traffic = Traffic(NO_DISTURBANCE, seed=1, view=VIEW)
    first = traffic.passages(60_000_000_000)[0]
    middle_ns = (first.enters_ns + first.leaves_ns) // 2
    traffic = Traffic(NO_DISTURBANCE, seed=1, view=VIEW)
    vehicles = [vehicle for vehicle in traffic.vehicles_at(middle_ns) if vehicle.passage == first]
    (left, top), (right, bottom) = (f(VIEW.project(vehicles[0].plate_world(middle_ns)), 0) for f in (np.min, np.max))

    def steepness(exposure_us: int) -> float:
        # As bright with the short as with the long exposure, so that only the movement differs.
        light = Light("day", ambient=60_000 / exposure_us, gain=1.0, lamps=0.0, noise_sigma=0.0)
        picture = Scene(VIEW, 1).draw(vehicles, middle_ns, Exposure(light, False, exposure_us))
        face = np.asarray(picture, float)[round(top) : round(bottom), round(left) : round(right)]
        return float(np.abs(np.diff(face, axis=0)).mean())

    assert steepness(1500) < 0.75 * steepness(150)


def test_planes_are_read_only_and_of_one_shape() -> None:
    frame = make_roadside().camera.capture()
    assert frame.small.shape == (239, 320)
    for plane in (frame.pixels, frame.small):
        assert plane.dtype == np.uint8
        assert not plane.flags.writeable


def test_noise_never_wraps() -> None:
    roadside = make_roadside("night", exposure_us=2000)
    frame, _ = roadside.first_plate()
    dark_spots = int((frame.pixels == 0).sum())
    assert dark_spots < 20
    assert frame.pixels.max() > 230


def test_a_hidden_plate_is_not_called_visible() -> None:
    roadside = make_roadside(seed=1)
    hidden = 0
    for _ in range(160):
        frame = roadside.camera.capture()
        for plate in roadside.camera.plates_in(frame):
            (x1, y1), _, (x3, y3), _ = plate.corners
            centre_x, centre_y = (x1 + x3) / 2, (y1 + y3) / 2
            if not plate.visible and 10 < centre_x < 718 and 10 < centre_y < 534:
                hidden += 1
            if plate.visible:
                assert plate_pixels(frame, plate).mean() > 45
    assert hidden > 0
