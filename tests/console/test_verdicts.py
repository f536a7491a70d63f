"""Each verdict at its thresholds, and hints with numbers that hold when they are followed."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from anpr_node.calibration.hints import LENSES_MM, Site, expected_blur_px, exposure_for, hint_for, lens_for
from anpr_node.calibration.verdicts import ORDER, judge, worst
from anpr_node.policy import calibration_limits

SITE = Site(18.0, 13.5, 5.0, 120.0, 300.0, 5217.0, 1456, 1088)
LIMITS = calibration_limits()


@pytest.mark.parametrize("name", list(LIMITS))
def test_each_verdict_is_right_at_its_thresholds(name: str) -> None:
    limits = LIMITS[name]
    step = 10.0**-limits.digits
    (ok_low, ok_high), (warn_low, warn_high) = limits.ok, limits.warn
    assert warn_low <= ok_low <= ok_high <= warn_high
    assert judge(name, ok_low) == judge(name, ok_high) == "OK"
    for inside, beyond, side in ((ok_low, warn_low, -1), (ok_high, warn_high, 1)):
        if beyond != inside:
            assert judge(name, inside + side * step) == "WARN"
            assert judge(name, beyond) == "WARN"
        assert judge(name, beyond + side * step) == "FAIL"


@pytest.mark.parametrize("name", list(LIMITS))
def test_what_is_shown_is_what_is_judged(name: str) -> None:
    limits = LIMITS[name]
    almost = limits.ok[0] - 0.4 * 10.0**-limits.digits
    assert judge(name, almost) == "OK"


def test_what_was_not_measured_is_no_success() -> None:
    assert judge("plate_width_px", None) == "WARN"
    assert worst([]) == "OK"
    assert worst(["OK", "FAIL", "WARN"]) == "FAIL"
    assert list(ORDER) == ["OK", "WARN", "FAIL"]


@pytest.mark.parametrize("name", list(LIMITS))
@pytest.mark.parametrize("side", [-1, 1])
def test_there_is_a_hint_for_everything_that_is_not_ok(name: str, side: int) -> None:
    limits = LIMITS[name]
    value = (limits.warn[1] if side > 0 else limits.warn[0]) + side * 1.01 * 10.0**-limits.digits
    hint = hint_for(name, {name: value}, SITE)
    assert len(hint) > 20
    assert "None" not in hint
    assert "nan" not in hint


@pytest.mark.parametrize("width_px", [60.0, 90.0, 131.0, 150.0, 330.0, 500.0])
def test_the_lens_in_the_hint_gives_a_good_width(width_px: float) -> None:
    lens = lens_for(width_px, SITE.lens_mm)
    assert lens in LENSES_MM
    assert judge("plate_width_px", width_px * lens / SITE.lens_mm) == "OK"
    assert f"set site.lens_mm {lens}" in hint_for("plate_width_px", {"plate_width_px": width_px}, SITE)


def test_the_hint_of_the_handbook() -> None:
    hint = hint_for("plate_width_px", {"plate_width_px": 131.0}, SITE)
    assert hint.startswith("plate 131 px wide: longer lens or nearer; 30 mm at 13.5 m gives 216")


@pytest.mark.parametrize(("blur_px", "exposure_us"), [(1.3, 300.0), (2.5, 300.0), (9.2, 2000.0)])
def test_the_exposure_in_the_hint_is_short_enough(blur_px: float, exposure_us: float) -> None:
    wanted_us = exposure_for(blur_px, exposure_us)
    assert judge("blur_px", blur_px * wanted_us / exposure_us) == "OK"
    hint = hint_for("blur_px", {"blur_px": blur_px}, replace(SITE, exposure_us=exposure_us))
    assert f"set camera.exposure_us {wanted_us}" in hint


def test_directions_are_those_of_somebody_behind_the_camera() -> None:
    assert "clockwise" in hint_for("roll_deg", {"roll_deg": 8.0}, SITE)
    assert "counter-clockwise" in hint_for("roll_deg", {"roll_deg": -8.0}, SITE)
    off = math.degrees(math.atan(0.4 * 1456 / 5217))
    assert f"turn the camera {off:.1f} deg to the right" in hint_for("centre_x", {"centre_x": 0.9}, SITE)
    assert "up" in hint_for("centre_y", {"centre_y": 0.1}, SITE)


def test_two_hints_do_not_contradict_each_other() -> None:
    values = {"blur_px": 14.3, "saturated_share": 0.85}
    assert "set camera.exposure_us" in hint_for("blur_px", values, SITE)
    assert "set camera.exposure_us" not in hint_for("saturated_share", values, SITE)
    assert "set camera.exposure_us" in hint_for("saturated_share", {"blur_px": 1.0, "saturated_share": 0.85}, SITE)


def test_a_burnt_plate_whose_blur_nobody_can_measure_gets_an_exposure_from_the_site() -> None:
    site = replace(SITE, exposure_us=2000.0)
    assert expected_blur_px(site) == pytest.approx(12.4, rel=0.02)
    hint = hint_for("saturated_share", {"saturated_share": 0.85}, site)
    assert f"set camera.exposure_us {exposure_for(expected_blur_px(site), 2000.0)}" in hint
