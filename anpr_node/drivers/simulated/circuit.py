"""The simulated wiring between trigger, illuminator, relay and camera: levels are read from the mock pins themselves.

The node drives the pins through `Circuit.factory` exactly as it drives real ones; nothing here ever sets a pin.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpiozero.pins.mock import MockFactory, MockPin

from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.gpio import NS_PER_S, Pins
from anpr_node.drivers.pacing import Pacer, VirtualPacer
from anpr_node.drivers.trigger import check_pulse
from anpr_node.errors import WiringError

NS_PER_US = 1_000
RELAY_LIMIT_S = 10.0
IDLE_WAIT_US = 33_333
"""How long a camera waits for a pulse that was never set up."""


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

    def latest(self, now_ns: int) -> Pulse:
        """The last pulse not after `now_ns`, the first one if there was none yet."""
        index = max(0, (now_ns - self.first_ns) // (self.period_us * NS_PER_US))
        return self._pulse(index)

    def after(self, sequence: int) -> Pulse:
        """The pulse that follows number `sequence`."""
        return self._pulse(max(0, sequence + 1 - self.first_sequence))

    def _pulse(self, index: int) -> Pulse:
        opened_ns = self.first_ns + index * self.period_us * NS_PER_US
        return Pulse(self.first_sequence + index, opened_ns, self.exposure_us)


class SimulatedTrigger:
    """A pulse generator in simulated time; the pacer decides whether that time is real."""

    def __init__(self, clock: SimulatedClock, pacer: Pacer) -> None:
        self._clock = clock
        self._pacer = pacer
        self._train: PulseTrain | None = None
        self._last_sequence = -1

    def start(self, period_us: int, exposure_us: int) -> None:
        """Begin or change the pulses; the first one comes a period from now."""
        check_pulse(period_us, exposure_us)
        first_ns = self._clock.monotonic_ns() + period_us * NS_PER_US
        self._train = PulseTrain(first_ns, self._last_sequence + 1, period_us, exposure_us)

    def stop(self) -> None:
        """No more pulses."""
        self._train = None

    def wait(self) -> Pulse | None:
        """The next pulse, or None after a period without any. A caller that is late gets the latest, not a backlog."""
        train = self._train
        if train is None:
            self._pass_time(self._clock.monotonic_ns() + IDLE_WAIT_US * NS_PER_US)
            return None
        due = train.after(self._last_sequence)
        pulse = train.latest(self._pass_time(due.opened_ns))
        if self._train is not train:
            return None  # stopped or changed from another thread while waiting: that pulse never came
        self._last_sequence = pulse.sequence
        return pulse

    def _pass_time(self, due_ns: int) -> int:
        now_ns = self._pacer.wait_until(due_ns)
        self._clock.advance_to(now_ns)
        return now_ns


class Circuit:
    """Everything that is soldered together: pins, trigger, and the limits that the hardware would enforce."""

    def __init__(self, clock: SimulatedClock, pins: Pins, pacer: Pacer | None = None) -> None:
        """`pacer` is virtual time unless a WallPacer is given."""
        self.clock = clock
        self.trigger = SimulatedTrigger(clock, pacer or VirtualPacer())
        self.factory = MockFactory(pin_class=MockPin)
        self._pins = pins
        self._relay_since_ns: int | None = None

    @property
    def illuminator_on(self) -> bool:
        """Whether a pulse would fire the strobe."""
        return self._is_high(self._pins.illuminator)

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
