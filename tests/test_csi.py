"""What a CSI camera is told, how it is watched, which sensor is refused. The camera itself: tests/libcamera."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from anpr_node.config import CameraSection, SensorSection
from anpr_node.drivers import csi_controls
from anpr_node.drivers.clock import boottime_lead_ns
from anpr_node.drivers.csi_camera import check_trigger_mode
from anpr_node.errors import WiringError

GLOBAL_SHUTTER: dict[str, tuple[Any, ...]] = {
    "AeEnable": (False, True, True),
    "AwbEnable": (False, True, None),
    "AnalogueGain": (1.0, 15.9, 1.0),
    "ColourGains": (0.0, 32.0, None),
    "ExposureTime": (29, 15_534_385, 20_000),
    "FrameDurationLimits": (16_562, 15_534_444, 33_333),
    "NoiseReductionMode": (0, 4, 0),
    "Saturation": (0.0, 32.0, 1.0),
    "ScalerCrop": ((0, 0, 64, 64), (0, 0, 1456, 1088), (0, 0, 1456, 1088)),
}


def test_everything_that_could_change_by_itself_is_pinned() -> None:
    values = csi_controls.plan(CameraSection(fps=60, exposure_us=250), SensorSection(gain=8.0), GLOBAL_SHUTTER).values
    assert values["AeEnable"] is False
    assert values["AwbEnable"] is False
    assert (values["ExposureTime"], values["AnalogueGain"]) == (250, 8.0)
    assert values["FrameDurationLimits"] == (16_667, 16_667)


def test_a_control_that_the_camera_lacks_is_named_and_skipped() -> None:
    sensor = SensorSection(lens_dioptres=0.1)
    plan = csi_controls.plan(CameraSection(), sensor, GLOBAL_SHUTTER)
    assert not {"AfMode", "LensPosition", "HdrMode"} & plan.values.keys()
    assert plan.remarks == ("the camera has no AfMode, HdrMode, LensPosition: left out",)


def test_a_value_beyond_the_camera_is_named_and_limited() -> None:
    plan = csi_controls.plan(CameraSection(exposure_us=20), SensorSection(gain=64.0), GLOBAL_SHUTTER)
    assert (plan.values["ExposureTime"], plan.values["AnalogueGain"]) == (29, 15.9)
    assert any("ExposureTime 20 is beyond the camera: 29 instead" in remark for remark in plan.remarks)


@pytest.mark.parametrize(
    ("metadata", "word"),
    [
        ({"ExposureTime": 296, "AnalogueGain": 4.0}, None),
        ({"SensorTimestamp": 1}, None),
        ({"ExposureTime": 9_000, "AnalogueGain": 4.0}, "ExposureTime is 9000, 300 was set"),
        ({"ExposureTime": 300, "AnalogueGain": 1.0}, "AnalogueGain is 1, 4 was set"),
    ],
)
def test_the_metadata_shows_whether_the_camera_obeys(metadata: dict[str, Any], word: str | None) -> None:
    found = csi_controls.disobeyed(metadata, {"ExposureTime": 300, "AnalogueGain": 4.0})
    assert found is None if word is None else word in str(found)


def test_a_region_becomes_even_sensor_pixels() -> None:
    assert csi_controls.crop((0.0, 0.25, 1.0, 0.75), (8, 4, 1456, 1088)) == (8, 276, 1456, 544)
    assert all(value % 2 == 0 for value in csi_controls.crop((0.101, 0.2, 0.777, 0.9), (0, 0, 1456, 1088)))


@pytest.mark.parametrize(("external", "mode", "fine"), [(True, "1", True), (True, "0", False), (False, "1", False)])
def test_a_sensor_in_the_other_mode_is_refused(tmp_path: Path, external: bool, mode: str, fine: bool) -> None:
    parameter = tmp_path / "trigger_mode"
    parameter.write_text(mode + "\n")
    if fine:
        check_trigger_mode(external, parameter)
    else:
        with pytest.raises(WiringError, match="trigger"):
            check_trigger_mode(external, parameter)


def test_a_trigger_needs_a_sensor_that_has_one(tmp_path: Path) -> None:
    with pytest.raises(WiringError, match=r"absent.*modprobe"):
        check_trigger_mode(True, tmp_path / "absent")
    check_trigger_mode(False, tmp_path / "absent")


def test_the_kernels_time_stamps_are_on_our_clock() -> None:
    """Between two looks at our clock, whatever kept this process waiting meanwhile."""
    lead_ns = max(boottime_lead_ns() for _ in range(20))
    before_ns = time.monotonic_ns()
    stamp_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    after_ns = time.monotonic_ns()
    assert before_ns - 1_000_000 < stamp_ns - lead_ns < after_ns + 1_000_000
