"""The simulated wiring between trigger, illuminator, relay and camera: levels are read from the mock pins themselves.

The node drives the pins through `Circuit.factory` exactly as it drives real ones; nothing here ever sets an output.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gpiozero.pins.mock import MockFactory

from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.gpio import Pins
from anpr_node.drivers.pacing import Pacer, VirtualPacer
from anpr_node.drivers.simulated.pwm import PwmState
from anpr_node.drivers.simulated.traffic import Traffic
from anpr_node.drivers.simulated.wires import WiredPin
from anpr_node.drivers.trigger import DUTY_MAX, check_pulse
from anpr_node.errors import WiringError
from anpr_node.units import NS_PER_S, NS_PER_US

RELAY_LIMIT_S = 10.0
IDLE_WAIT_US = 33_333
"""How long a camera waits for a pulse that was never set up."""

LONGEST_WAIT_US = 100_000
"""Nor does it wait longer for one that is: at an idle rate it times out in between, as a real one does."""

SENSOR_EXTRA_US = 14
"""The simulated sensor exposes as much longer than its pulse as an IMX296 does."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """One opening of the shutter. `sequence` counts every pulse, also those nobody waited for."""

    sequence: int
    opened_ns: int
    exposure_us: int


@dataclass(frozen=True, slots=True)
class PulseTrain:
    """Free-running pulses since one moment; settings change by replacing the whole train."""

    first_ns: int
    first_sequence: int
    period_us: int
    exposure_us: int
    bracket_us: int = 0

    def latest(self, now_ns: int) -> Pulse:
        """The last pulse not after `now_ns`, the first one if there was none yet."""
        index = max(0, (now_ns - self.first_ns) // (self.period_us * NS_PER_US))
        return self._pulse(index)

    def after(self, sequence: int) -> Pulse:
        """The pulse that follows number `sequence`."""
        return self._pulse(max(0, sequence + 1 - self.first_sequence))

    def _pulse(self, index: int) -> Pulse:
        opened_ns = self.first_ns + index * self.period_us * NS_PER_US
        sequence = self.first_sequence + index
        return Pulse(sequence, opened_ns, self.bracket_us if self.bracket_us and sequence % 2 else self.exposure_us)


class SimulatedTrigger:
    """A pulse generator in simulated time; the pacer decides whether that time is real."""

    def __init__(self, clock: SimulatedClock, pacer: Pacer) -> None:
        self._clock = clock
        self._pacer = pacer
        self._train: PulseTrain | None = None
        self._last_sequence = -1
        self._last_exposure_us = 0
        self.when_time_passes: Callable[[int], None] = lambda _now_ns: None

    def start(self, period_us: int, exposure_us: int, bracket_us: int = 0) -> None:
        """Begin or change the pulses; the first one comes a period from now."""
        for exposure in (exposure_us, bracket_us) if bracket_us else (exposure_us,):
            check_pulse(period_us, exposure)
        self._begin(period_us, exposure_us, bracket_us)

    def follow(self, channel: int, state: PwmState) -> None:
        """Pulse as a PWM channel does that is wired here in place of this generator; a new width keeps the phase.

        Raises WiringError where the hardware would suffer: the strobe driver takes a tenth of the period at most.
        """
        if channel != 0 or not state.enabled or state.width_ns == 0:
            self._train = None
            return
        if state.width_ns > state.period_ns * DUTY_MAX:
            raise WiringError(f"strobe overdriven: {state.width_ns} ns of {state.period_ns} ns")
        period_us, exposure_us = state.period_ns // NS_PER_US, state.width_ns // NS_PER_US + SENSOR_EXTRA_US
        if self._train is not None and self._train.period_us == period_us:
            self._train = replace(self._train, exposure_us=exposure_us)
        else:
            self._begin(period_us, exposure_us, 0)

    def _begin(self, period_us: int, exposure_us: int, bracket_us: int) -> None:
        first_ns = self._clock.monotonic_ns() + period_us * NS_PER_US
        self._train = PulseTrain(first_ns, self._last_sequence + 1, period_us, exposure_us, bracket_us)

    def stop(self) -> None:
        """No more pulses."""
        self._train = None

    def taken(self, ended_ns: int) -> int:
        """The exposure of the last pulse that was waited for: the simulated camera exposes nothing else."""
        return self._last_exposure_us

    def wait(self) -> Pulse | None:
        """The next pulse, or None after a period without any. A caller that is late gets the latest, not a backlog."""
        train, now_ns = self._train, self._clock.monotonic_ns()
        if train is None:
            self._pass_time(now_ns + IDLE_WAIT_US * NS_PER_US)
            return None
        due = train.after(self._last_sequence)
        if due.opened_ns - now_ns > LONGEST_WAIT_US * NS_PER_US:
            self._pass_time(now_ns + LONGEST_WAIT_US * NS_PER_US)
            return None
        pulse = train.latest(self._pass_time(due.opened_ns))
        if self._train is not train:
            return None  # stopped or changed from another thread while waiting: that pulse never came
        self._last_sequence, self._last_exposure_us = pulse.sequence, pulse.exposure_us
        return pulse

    def _pass_time(self, due_ns: int) -> int:
        now_ns = self._pacer.wait_until(due_ns)
        self._clock.advance_to(now_ns)
        self.when_time_passes(now_ns)
        return now_ns


class Circuit:
    """Everything that is soldered together: pins, trigger, and the limits that the hardware would enforce."""

    def __init__(self, clock: SimulatedClock, pins: Pins, pacer: Pacer | None = None) -> None:
        """`pacer` is virtual time unless a WallPacer is given."""
        self.clock = clock
        self.trigger = SimulatedTrigger(clock, pacer or VirtualPacer())
        self.factory = MockFactory(pin_class=WiredPin)
        self._pins = pins
        self._relay_since_ns: int | None = None
        self._strobe_fails = False

    @property
    def illuminator_on(self) -> bool:
        """Whether a pulse would fire the strobe."""
        return self._is_high(self._pins.illuminator) and not self._strobe_fails

    def fail_strobe(self, fault_pin: int, failed: bool = True) -> None:
        """The strobe driver shuts down by itself and lets go of its fault line; `failed=False` repairs it."""
        self._strobe_fails = failed
        self.raise_line(fault_pin, failed)

    def break_strobe(self, broken: bool = True) -> None:
        """The strobe's own cable: it stays dark, and its driver notices nothing."""
        self._strobe_fails = broken

    def lay_loop(self, traffic: Traffic, pin: int) -> None:
        """A detector under the watched stretch of the lane; a vehicle opens its contact."""

        def sense(now_ns: int) -> None:
            self.raise_line(pin, any(vehicle.passage.lane == "1" for vehicle in traffic.vehicles_at(now_ns)))

        self.trigger.when_time_passes = sense

    def raise_line(self, pin: int, raised: bool = True) -> None:
        """What is wired to an input opens its contact (fault, vehicle, mains gone), or closes it again."""
        wire = self.factory.pin(pin)
        assert isinstance(wire, WiredPin)
        wire.hold(high=raised)

    def check(self) -> None:
        """Look at the relay; the camera does so with every exposure.

        Raises:
            WiringError: the relay was held closed longer than its contact is rated for.

        """
        now_ns = self.clock.monotonic_ns()
        if not self._is_high(self._pins.relay):
            self._relay_since_ns = None
        elif self._relay_since_ns is None:
            self._relay_since_ns = now_ns
        elif now_ns - self._relay_since_ns > RELAY_LIMIT_S * NS_PER_S:
            raise WiringError(f"relay on pin {self._pins.relay} closed for over {RELAY_LIMIT_S:g} s; end its pulse")

    def _is_high(self, number: int) -> bool:
        # A pin given back is an input, and the pull-down on the board wins over its last level.
        pin = self.factory.pin(number)
        return bool(pin.function == "output" and pin.state)
