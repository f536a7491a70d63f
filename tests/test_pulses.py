"""Presence switches between idle and full rate, light between exposures; no plan beyond the limits begins."""

from __future__ import annotations

import pytest

from anpr_node.drivers.camera import Camera, Restartable
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.csi_camera import CsiCamera
from anpr_node.drivers.gst_camera import GstCamera
from anpr_node.drivers.inputs import WatchedLine
from anpr_node.drivers.pacing import VirtualPacer
from anpr_node.drivers.pulses import Exposures, PatientCamera, PulsePlan, Pulses
from anpr_node.drivers.simulated.circuit import SimulatedTrigger
from anpr_node.drivers.simulated.wires import wired_factory
from anpr_node.errors import FrameTimeout
from anpr_node.records import Frame

PIN = 24
S = 1_000_000_000
PLAN = PulsePlan(20_000, 1_000_000, 2.0, Exposures(300, 900), Exposures(150))


class Bench:
    """Pulses over a simulated trigger, with a presence line to raise."""

    def __init__(self, plan: PulsePlan = PLAN) -> None:
        self.clock, self.factory = SimulatedClock(), wired_factory()
        self.trigger = SimulatedTrigger(self.clock, VirtualPacer())
        self.line = WatchedLine(PIN, self.factory, self.clock, 20)
        self.pulses = Pulses(self.trigger, self.clock, plan, self.line)

    def someone(self, there: bool, seconds: float = 0.04) -> int:
        """The period of the pulses after the line has been so for a while."""
        self.factory.pin(PIN).hold(high=there)
        for _ in range(int(seconds * 100)):
            self.clock.advance_to(self.clock.monotonic_ns() + S // 100)
            self.line.tick()
            self.pulses.tick()
        return self.pulses.period_us

    def exposures(self, number: int) -> list[int]:
        found = []
        while len(found) < number:
            pulse = self.trigger.wait()
            if pulse is not None:
                found.append(pulse.exposure_us)
        return found


def test_full_rate_while_somebody_is_there_and_a_while_after() -> None:
    bench = Bench()
    bench.pulses.start()
    assert bench.pulses.period_us == 1_000_000
    assert bench.someone(True) == 20_000
    assert bench.someone(True, seconds=30) == 20_000
    assert bench.someone(False, seconds=1.9) == 20_000
    assert bench.someone(False, seconds=0.3) == 1_000_000


def test_light_changes_the_exposures_and_ends_the_bracketing() -> None:
    bench = Bench()
    bench.pulses.start()
    bench.someone(True)
    assert sorted(bench.exposures(4)) == [300, 300, 900, 900]
    bench.pulses.use("day")
    assert bench.exposures(3) == [150] * 3
    bench.pulses.use("night")
    assert sorted(bench.exposures(2)) == [300, 900]


def test_a_stopped_generator_is_not_started_by_a_vehicle() -> None:
    bench = Bench()
    bench.pulses.start()
    bench.pulses.stop()
    bench.someone(True)
    bench.pulses.use("day")
    assert bench.trigger.wait() is None
    bench.pulses.start()
    assert len(bench.exposures(1)) == 1


def test_a_plan_beyond_the_limits_does_not_begin_by_night_because_the_day_was_wrong() -> None:
    bench = Bench(PulsePlan(20_000, 1_000_000, 2.0, Exposures(300), Exposures(2_001)))
    with pytest.raises(ValueError, match="2001 us"):
        bench.pulses.start()
    assert bench.trigger.wait() is None


class SlowCamera:
    """A camera that times out every 100 ms until its frame is due."""

    def __init__(self, clock: SimulatedClock, due_ns: int) -> None:
        self.clock, self.due_ns = clock, due_ns

    def capture(self) -> Frame | None:
        self.clock.advance_to(min(self.due_ns, self.clock.monotonic_ns() + S // 10))
        if self.clock.monotonic_ns() < self.due_ns:
            raise FrameTimeout("nothing yet")
        return None

    def close(self) -> None:
        self.due_ns = 0


class CountingCamera(SlowCamera):
    """One that can be restarted, and has something to say."""

    remarks = ("no AfMode",)
    restarts = 0

    def restart(self) -> None:
        self.restarts += 1


def test_a_patient_camera_is_restarted_as_the_one_behind_it() -> None:
    bench = Bench()
    able, unable = CountingCamera(bench.clock, 0), SlowCamera(bench.clock, 0)
    for camera in (able, unable):
        PatientCamera(camera, bench.pulses, bench.clock, lambda: None).restart()
    assert able.restarts == 1
    assert PatientCamera(able, bench.pulses, bench.clock, lambda: None).remarks == ["no AfMode"]
    assert PatientCamera(unable, bench.pulses, bench.clock, lambda: None).remarks == []


@pytest.mark.parametrize("driver", [CsiCamera, GstCamera])
def test_real_cameras_can_be_restarted(driver: type) -> None:
    assert issubclass(driver, Restartable)


@pytest.mark.parametrize(("due_s", "comes"), [(0.9, True), (1.9, True), (2.5, False)])
def test_an_idle_camera_is_waited_for_two_periods(due_s: float, comes: bool) -> None:
    bench = Bench()
    bench.pulses.start()
    looks: list[int] = []
    camera: Camera = SlowCamera(bench.clock, int(due_s * S))
    patient = PatientCamera(camera, bench.pulses, bench.clock, lambda: looks.append(1))
    if comes:
        assert patient.capture() is None
    else:
        with pytest.raises(FrameTimeout):
            patient.capture()
    assert len(looks) == (int(due_s * 10 - 0.5) if comes else 19)
    patient.close()
