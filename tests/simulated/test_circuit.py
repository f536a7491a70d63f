"""The circuit's own rules: no pulse no frame, no light no plate, no relay for ever, no pulse beyond the duty limit."""

from __future__ import annotations

from pathlib import Path

import pytest
from gpiozero import InputDevice
from roadside import PERIOD_US, PINS, Roadside, make_roadside, plate_pixels

from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.pacing import VirtualPacer, WallPacer
from anpr_node.drivers.pwm import PwmChannel
from anpr_node.drivers.pwm_trigger import PwmTrigger
from anpr_node.drivers.simulated.circuit import RELAY_LIMIT_S, Circuit
from anpr_node.drivers.simulated.pwm import PwmState, SimulatedPwmChip
from anpr_node.errors import CameraClosed, FrameTimeout, WiringError
from anpr_node.units import NS_PER_US


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


def test_bracketing_alternates_the_exposure_and_the_brightness() -> None:
    roadside = make_roadside("day")
    roadside.circuit.trigger.start(PERIOD_US, 100, 400)
    frames = []
    for _ in range(6):
        frame = roadside.camera.capture()
        frames.append((frame.exposure_us, float(frame.pixels.mean())))
    assert [exposure for exposure, _ in frames] == [100, 400, 100, 400, 100, 400]
    assert min(mean for exposure, mean in frames if exposure == 400) > 1.5 * max(
        mean for exposure, mean in frames if exposure == 100
    )


def test_the_real_trigger_on_the_simulated_kernel_tells_every_frame_its_pulse(tmp_path: Path) -> None:
    """What the driver says the pulse was, against what the circuit exposed."""
    roadside = make_roadside("day")
    circuit = roadside.circuit
    chip = SimulatedPwmChip(tmp_path, changed=circuit.trigger.follow)
    trigger = PwmTrigger(PwmChannel(tmp_path, write=chip.write, pacer=VirtualPacer()), circuit.clock)
    trigger.start(PERIOD_US, 100, 400)
    told, exposed = [], []
    for _ in range(8):
        frame = roadside.camera.capture()
        ended_ns = frame.captured_ns + frame.exposure_us * NS_PER_US // 2
        circuit.clock.advance_to(ended_ns + 8_000_000)  # read out and delivered
        told.append(trigger.taken(ended_ns))
        exposed.append(frame.exposure_us)
    assert told == exposed == [100, 400] * 4
    trigger.close()
    with pytest.raises(FrameTimeout):
        roadside.camera.capture()


def test_a_strobe_driven_beyond_its_share_is_an_error() -> None:
    circuit = Circuit(SimulatedClock(), PINS)
    with pytest.raises(WiringError, match="overdriven"):
        circuit.trigger.follow(0, PwmState(10_000_000, 1_000_001, True))


def test_at_an_idle_rate_the_camera_times_out_in_between() -> None:
    roadside = make_roadside()
    roadside.circuit.trigger.start(1_000_000, 300)
    timeouts = 0
    while True:
        try:
            frame = roadside.camera.capture()
            break
        except FrameTimeout:
            timeouts += 1
    assert (timeouts, frame.sequence) == (9, 0)
    assert abs(frame.captured_ns - 1_000_000_000) < 1_000_000


def test_a_failed_strobe_is_dark_and_lets_go_of_its_fault_line() -> None:
    roadside = make_roadside()
    line = InputDevice(23, pull_up=True, pin_factory=roadside.circuit.factory)
    assert line.is_active
    roadside.circuit.fail_strobe(23)
    assert not line.is_active
    assert not roadside.circuit.illuminator_on
    roadside.circuit.fail_strobe(23, failed=False)
    assert line.is_active
    assert roadside.circuit.illuminator_on
