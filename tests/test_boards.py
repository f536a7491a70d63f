"""Boards: one for every name in the settings, the right PWM whatever its number, pipelines as they are written."""

from __future__ import annotations

from typing import get_args

import pytest
from conftest import ROOT

from anpr_node.config import CameraSection, NodeSection, SensorSection, parse
from anpr_node.drivers.boards import BOARDS
from anpr_node.drivers.wiring import pwm_device_of
from anpr_node.errors import ConfigError, WiringError

CAMERA, SENSOR = CameraSection(fps=60, exposure_us=300), SensorSection(gain=4.0)


def test_every_board_of_the_settings_exists() -> None:
    assert set(get_args(NodeSection.model_fields["board"].annotation)) == set(BOARDS)


def test_every_board_is_in_the_table_of_what_was_tried() -> None:
    table = (ROOT / "docs" / "boards.md").read_text()
    assert not [name for name in BOARDS if f"| `{name}` |" not in table]


def test_every_board_with_a_header_has_a_pwm_of_its_own() -> None:
    devices = [board.pwm_device for board in BOARDS.values() if board.gpio_label is not None]
    assert None not in devices
    assert len(set(devices)) == len(devices)


def test_the_settings_can_name_another_pwm() -> None:
    settings = parse({"node": {"board": "raspberry-pi-4"}}, "test")
    assert pwm_device_of(settings) == "fe20c000.pwm"
    settings = parse({"node": {"board": "raspberry-pi-4"}, "trigger": {"pwm_device": "3f20c000.pwm"}}, "test")
    assert pwm_device_of(settings) == "3f20c000.pwm"


def test_a_computer_without_pwm_says_what_to_set() -> None:
    with pytest.raises(WiringError, match=r"pc has no PWM.*node\.board, or trigger\.pwm_device"):
        pwm_device_of(parse({}, "test"))


def test_the_jetson_pins_exposure_and_gain() -> None:
    text = BOARDS["jetson-orin"].pipeline(CAMERA, SENSOR)
    assert 'exposuretimerange="300000 300000"' in text
    assert 'gainrange="4 4"' in text
    assert "framerate=60/1" in text


def test_a_v4l2_camera_is_given_its_size_rate_and_exposure() -> None:
    text = BOARDS["pc"].pipeline(CameraSection(fps=29.97, exposure_us=300), SensorSection(number=2))
    assert text.startswith("v4l2src device=/dev/video2 ")
    assert "exposure_time_absolute=3," in text
    assert "width=1456,height=1088,framerate=29" in text


def test_a_source_of_ones_own_comes_before_the_boards() -> None:
    text = BOARDS["jetson-orin"].pipeline(CAMERA, SensorSection(source="videotestsrc"))
    assert text.startswith("videotestsrc ! tee")


@pytest.mark.parametrize("region", [[0, 0, 1], [0.5, 0, 0.5, 1], [0, 0, 1.1, 1], [0.2, 0.9, 1, 0.1]])
def test_a_region_outside_the_sensor_is_refused(region: list[float]) -> None:
    with pytest.raises(ConfigError, match="region"):
        parse({"sensor": {"region": region}}, "node.toml")
