"""The circuit's own rules: no pulse no frame, no light no plate, no relay for ever, no pulse beyond the duty limit."""

from __future__ import annotations

import pytest
from roadside import PERIOD_US, PINS, Roadside, make_roadside, plate_pixels

from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.pacing import WallPacer
from anpr_node.drivers.simulated.circuit import NS_PER_US, RELAY_LIMIT_S, Circuit
from anpr_node.errors import CameraClosed, FrameTimeout, WiringError


@pytest.fixture(scope="module")
def dark() -> Roadside:
    return make_roadside(lit=False)


def test_a_dark_illuminator_means_a_dark_plate_at_night() -> None:
    lit, dark = make_roadside(), make_roadside(lit=False)
    frame, plate = lit.first_plate()
    while (unlit := dark.camera.capture()).sequence < frame.sequence:
        pass
    assert plate_pixels(frame, plate).mean() > 100
    assert plate_pixels(unlit, plate).mean() < 40
    assert not unlit.illuminated
    assert not any(truth.visible for truth in dark.camera.plates_in(unlit))


def test_daylight_shows_plates_without_the_illuminator() -> None:
    frame, plate = make_roadside("day", lit=False).first_plate()
    assert plate_pixels(frame, plate).mean() > 60


def test_the_illuminator_is_the_pin_and_falls_dark_when_given_back(dark: Roadside) -> None:
    assert not dark.circuit.illuminator_on
    dark.outputs.illuminator.on()
    assert dark.circuit.illuminator_on
    dark.outputs.close()
    assert not dark.circuit.illuminator_on


def test_without_pulses_the_camera_times_out_and_time_goes_on() -> None:
    roadside = make_roadside()
    roadside.camera.capture()
    roadside.circuit.trigger.stop()
    roadside.circuit.trigger.stop()
    before_ns = roadside.clock.monotonic_ns()
    with pytest.raises(FrameTimeout):
        roadside.camera.capture()
    assert roadside.clock.monotonic_ns() > before_ns


def test_frames_come_at_the_period_and_are_numbered() -> None:
    roadside = make_roadside()
    first, second = roadside.camera.capture(), roadside.camera.capture()
    assert second.captured_ns - first.captured_ns == PERIOD_US * NS_PER_US
    assert (first.sequence, second.sequence) == (0, 1)


def test_sequence_goes_on_over_a_restart() -> None:
    roadside = make_roadside()
    roadside.camera.capture()
    roadside.circuit.trigger.stop()
    roadside.circuit.trigger.start(20_000, 200)
    frame = roadside.camera.capture()
    assert (frame.sequence, frame.exposure_us) == (1, 200)


def test_pulses_beyond_the_duty_limit_are_refused() -> None:
    with pytest.raises(ValueError, match="exposure"):
        make_roadside(exposure_us=PERIOD_US // 10 + 1)


def test_a_relay_held_too_long_is_an_error() -> None:
    circuit = Circuit(SimulatedClock(), PINS)
    relay = circuit.factory.pin(PINS.relay)
    relay.function = "output"
    relay.state = True
    circuit.check()
    circuit.clock.advance_to(int(RELAY_LIMIT_S * 1e9))
    circuit.check()
    circuit.clock.advance_to(int(RELAY_LIMIT_S * 1e9) + 1)
    with pytest.raises(WiringError, match="relay"):
        circuit.check()


def test_a_relay_released_in_time_starts_again() -> None:
    roadside = make_roadside()
    for second in range(0, 40, 8):
        roadside.clock.advance_to(second * 1_000_000_000)
        roadside.outputs.relay.pulse(3.0)
        roadside.circuit.check()
        roadside.clock.advance_to((second + 4) * 1_000_000_000)
        roadside.outputs.tick()
        roadside.circuit.check()


def test_a_closed_camera_says_so() -> None:
    roadside = make_roadside()
    roadside.camera.close()
    roadside.camera.close()
    with pytest.raises(CameraClosed):
        roadside.camera.capture()


class LateWall:
    """A wall clock that is always past what is waited for: the reader is too slow."""

    def __init__(self) -> None:
        self.now_ns = 5_000

    def wait_until(self, due_ns: int) -> int:
        self.now_ns = max(due_ns, self.now_ns)
        return self.now_ns


def test_a_late_caller_gets_the_latest_pulse_and_the_gap_shows() -> None:
    wall = LateWall()
    circuit = Circuit(SimulatedClock(), PINS, wall)
    circuit.trigger.start(10_000, 300)
    first = circuit.trigger.wait()
    wall.now_ns += 35_000_000
    second = circuit.trigger.wait()
    assert first is not None
    assert second is not None
    assert second.sequence - first.sequence == 3
    assert circuit.clock.monotonic_ns() - second.opened_ns < 10_000_000


def test_the_wall_pacer_does_not_wait_for_what_is_past() -> None:
    wall = SimulatedClock()
    pacer = WallPacer(wall)
    wall.advance_to(7_000)
    assert pacer.wait_until(2_000) == 2_000  # the first one sets the beginning
    wall.advance_to(9_000)
    assert pacer.wait_until(3_000) == 4_000
