"""The real trigger on a simulated kernel: limits, bracketing between pulses, and the exposure a frame is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.pacing import VirtualPacer
from anpr_node.drivers.pwm import PwmChannel
from anpr_node.drivers.pwm_trigger import PwmTrigger
from anpr_node.drivers.simulated.pwm import PwmState, SimulatedPwmChip
from anpr_node.drivers.trigger import DUTY_MAX, PULSE_MAX_US, check_pulse

PERIOD_US = 20_000
MS = 1_000_000


class Bench:
    """A trigger with its clock and kernel in view."""

    def __init__(self, root: Path, duty_max: float = DUTY_MAX) -> None:
        self.clock = SimulatedClock()
        self.chip = SimulatedPwmChip(root)
        self.trigger = PwmTrigger(PwmChannel(root, write=self.chip.write, pacer=VirtualPacer()), self.clock, duty_max)

    @property
    def width_us(self) -> int:
        return self.chip.states[0].width_ns // 1000

    def frame(self, number: int, late_ms: float = 5.0) -> int:
        """The frame of pulse `number` comes `late_ms` after its exposure; what it is told."""
        ended_ns = number * PERIOD_US * 1000
        self.clock.advance_to(ended_ns + int(late_ms * MS))
        return self.trigger.taken(ended_ns)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_pulse_is_the_exposure_less_what_the_sensor_adds(bench: Bench) -> None:
    bench.trigger.start(PERIOD_US, 300)
    assert bench.chip.states[0] == PwmState(20_000_000, 286_000, True)
    assert [bench.frame(n) for n in (1, 2, 3)] == [300, 300, 300]


def test_bracketing_alternates_and_every_frame_knows_its_own_pulse(bench: Bench) -> None:
    bench.trigger.start(PERIOD_US, 100, 800)
    widths, told = [], []
    for number in range(1, 7):
        widths.append(bench.width_us + 14)
        told.append(bench.frame(number))
    assert widths == told == [100, 800, 100, 800, 100, 800]
    assert bench.trigger.missed_turns == 0


@pytest.mark.parametrize("late_ms", [0.5, 17.5])
def test_no_width_is_written_while_a_pulse_may_be_open(bench: Bench, late_ms: float) -> None:
    bench.trigger.start(PERIOD_US, 100, 800)
    assert bench.frame(1, late_ms) == 100
    assert bench.width_us == 86
    assert bench.trigger.missed_turns == 1
    assert bench.frame(2) == 100  # the turn was missed, and the frame says so
    assert bench.frame(3) == 800


def test_a_frame_that_comes_periods_late_still_knows_its_pulse(bench: Bench) -> None:
    bench.trigger.start(PERIOD_US, 100, 800)
    assert bench.frame(1, late_ms=5) == 100  # sets 800 at 25 ms
    bench.clock.advance_to(70 * MS)
    assert bench.trigger.taken(40 * MS) == 800  # seen 30 ms late; 100 is set at 70 ms
    assert bench.trigger.taken(60 * MS) == 800  # opened before that
    assert bench.frame(4) in (100, 800)


@pytest.mark.parametrize(
    ("period_us", "exposure_us", "bracket_us", "duty_max"),
    [
        (PERIOD_US, 2_001, 0, 1.0),  # no setting lifts either limit
        (10_000, 1_001, 0, 1.0),
        (10_000, 300, 1_001, 1.0),
        (10_000, 501, 0, 0.05),
        (10_000, 0, 0, 0.1),
        (10_000, 14, 0, 0.1),
        (10_000, 300, 10, 0.1),
    ],
)
def test_no_pulse_beyond_the_limits(
    tmp_path: Path, period_us: int, exposure_us: int, bracket_us: int, duty_max: float
) -> None:
    bench = Bench(tmp_path, duty_max)
    with pytest.raises(ValueError, match="exposure"):
        bench.trigger.start(period_us, exposure_us, bracket_us)
    assert 0 not in bench.chip.states or not bench.chip.states[0].enabled
    assert not any(state.enabled for _, state in bench.chip.history)


def test_a_refused_change_leaves_the_pulses_as_they_were(bench: Bench) -> None:
    bench.trigger.start(PERIOD_US, 300)
    with pytest.raises(ValueError, match="exposure"):
        bench.trigger.start(PERIOD_US, 2_500)
    assert bench.chip.states[0] == PwmState(20_000_000, 286_000, True)


def test_a_stopped_trigger_stays_stopped_whatever_frame_is_on_its_way(bench: Bench) -> None:
    bench.trigger.start(PERIOD_US, 100, 800)
    bench.frame(1)
    bench.trigger.stop()
    bench.trigger.stop()
    assert bench.frame(2) == 800
    assert not bench.chip.states[0].enabled
    assert bench.width_us == 0
    bench.trigger.close()
    assert bench.chip.states[0] == PwmState(20_000_000, 0, False)


def test_the_limits_are_exact() -> None:
    check_pulse(10_000, 1_000)
    check_pulse(100_000, PULSE_MAX_US)
    with pytest.raises(ValueError, match="1 to 1000 us"):
        check_pulse(10_000, 1_001)
