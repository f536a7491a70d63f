"""Which controls a CSI camera gets, and whether it obeyed: all automatics off, exposure and gain fixed.

Plain values in, plain values out: nothing here touches a camera or imports libcamera.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anpr_node.config import CameraSection, SensorSection
from anpr_node.units import US_PER_S

AF_MANUAL = NOISE_REDUCTION_OFF = HDR_OFF = 0  # libcamera's AfModeManual, NoiseReductionModeOff and HdrModeOff
EXPOSURE_TOLERANCE_US = 30  # two rows of the slowest sensor: exposures come in whole rows
TOLERANCE = 0.03

Rectangle = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class ControlPlan:
    """What is set before the stream starts; `remarks` names what this camera cannot do."""

    values: dict[str, Any]
    remarks: tuple[str, ...]


def plan(camera: CameraSection, sensor: SensorSection, ranges: Mapping[str, tuple[Any, ...]]) -> ControlPlan:
    """The wanted controls, without those the camera lacks, within its `ranges` (minimum, maximum, default)."""
    values: dict[str, Any] = {}
    remarks = []
    wanted = _wanted(camera, sensor)
    lacking = sorted(wanted.keys() - ranges.keys())
    if lacking:
        remarks.append(f"the camera has no {', '.join(lacking)}: left out")
    for name in wanted.keys() & ranges.keys():
        values[name] = (
            _within(wanted[name], *ranges[name][:2]) if name in {"ExposureTime", "AnalogueGain"} else wanted[name]
        )
        if values[name] != wanted[name]:
            remarks.append(f"{name} {wanted[name]:g} is beyond the camera: {values[name]:g} instead")
    return ControlPlan(values, tuple(remarks))


def _wanted(camera: CameraSection, sensor: SensorSection) -> dict[str, Any]:
    """Everything that could change by itself is pinned; colour is dropped, since only the Y plane is read."""
    period_us = round(US_PER_S / camera.fps)
    wanted: dict[str, Any] = {
        "AeEnable": False,
        "AwbEnable": False,
        "ExposureTime": camera.exposure_us,
        "AnalogueGain": sensor.gain,
        "ColourGains": (1.0, 1.0),  # all colours of the filter pass infra-red alike
        "Saturation": 0.0,
        "NoiseReductionMode": NOISE_REDUCTION_OFF,  # it mixes frames, and what moves is what is read
        "HdrMode": HDR_OFF,
        "FrameDurationLimits": (period_us, period_us),
    }
    if sensor.lens_dioptres is not None:
        wanted |= {"AfMode": AF_MANUAL, "LensPosition": sensor.lens_dioptres}
    return wanted


def _within(value: float, low: float, high: float) -> float:
    return type(value)(min(max(value, low), high))


def crop(region: tuple[float, float, float, float], field: Rectangle) -> Rectangle:
    """The part x1, y1, x2, y2 (0 to 1) of a sensor's field x, y, width, height, in its pixels, at even positions."""
    x, y, width, height = field
    x1, y1, x2, y2 = region
    left, top = _even(x1 * width), _even(y1 * height)
    return x + left, y + top, _even(x2 * width) - left, _even(y2 * height) - top


def _even(value: float) -> int:
    return round(value / 2) * 2


def disobeyed(metadata: Mapping[str, Any], values: Mapping[str, Any]) -> str | None:
    """What the camera did otherwise than it was told, as one line; None when all is well or it does not say."""
    for name, floor in (("ExposureTime", EXPOSURE_TOLERANCE_US), ("AnalogueGain", 0.0)):
        if name in values and name in metadata:
            allowed = max(floor, TOLERANCE * values[name])
            if abs(metadata[name] - values[name]) > allowed:
                return f"{name} is {metadata[name]:g}, {values[name]:g} was set: look for another program or automatic"
    return None
