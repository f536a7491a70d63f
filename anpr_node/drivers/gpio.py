"""The node's outputs through gpiozero: relay, status LED, illuminator enable.

Outputs only ever go on for a stated reason and fall off by themselves: wiring is active high with pull-downs, so a
dead process means off. Pulses end when `tick` is called, by the injected clock; nothing here sleeps or starts a thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from gpiozero import DigitalOutputDevice
from gpiozero.exc import GPIOZeroError
from gpiozero.pins import Factory

from anpr_node.drivers.clock import Clock
from anpr_node.errors import WiringError
from anpr_node.units import NS_PER_MS, NS_PER_S


@dataclass(frozen=True, slots=True)
class RelayLimits:
    """How the contact may move: closed for so long at least and at most, open for so long at least in between.

    However many hits follow each other, the contact opens in between and never chatters. See hw/README.md.
    """

    on_s_min: float = 0.2
    on_s_max: float = 8.0
    off_s_min: float = 0.3


PATTERNS: dict[str, tuple[int, ...]] = {
    "fault": (900, 100),
    "calibrating": (1000, 1000),
    "no_link": (100, 200, 100, 2600),
    "ok": (100, 2900),
}
"""Milliseconds on, off, on, off … of each state of the status LED, the most important first. See hw/led.md."""
HIT_PATTERN = (100, 100)
READ_FLASH_S = 0.3


@dataclass(frozen=True, slots=True)
class Pins:
    """BCM numbers, as in hw/README.md."""

    relay: int
    led: int
    illuminator: int


class SwitchedOutput:
    """One pin, active high, off when it is claimed and off when it is given back."""

    def __init__(self, pin: int, factory: Factory) -> None:
        self.factory = factory
        self._device = DigitalOutputDevice(pin, initial_value=False, pin_factory=factory)

    @property
    def is_on(self) -> bool:
        """The level of the pin itself, not what was asked of it."""
        return not self._device.closed and bool(self._device.value)

    def on(self) -> None:
        """On until told otherwise."""
        self._device.on()

    def off(self) -> None:
        """Off at once; a pin that was given back is off."""
        if not self._device.closed:
            self._device.off()

    def close(self) -> None:
        """Off, and the pin given back. Closing twice is fine."""
        if not self._device.closed:
            self.off()
            self._device.close()


class PulsedOutput(SwitchedOutput):
    """The relay's pin: switched on for a while. A second pulse within the first prolongs it, within the limits."""

    def __init__(self, pin: int, factory: Factory, clock: Clock, limits: RelayLimits) -> None:
        super().__init__(pin, factory)
        self._clock = clock
        self._limits = limits
        self._on_since_ns = self._off_at_ns = self._rested_at_ns = 0

    def pulse(self, seconds: float) -> None:
        """Switch on now, or when it has been off for long enough; off at the first `tick` after `seconds`."""
        now_ns, wanted_s = self._clock.monotonic_ns(), max(seconds, self._limits.on_s_min)
        self._off_at_ns = max(self._off_at_ns, max(now_ns, self._rested_at_ns) + int(wanted_s * NS_PER_S))
        self.tick()

    def tick(self) -> None:
        """Switch off when the pulse is over or its limit reached, on when there is a pulse and it has rested."""
        now_ns = self._clock.monotonic_ns()
        if self.is_on and (now_ns >= self._off_at_ns or now_ns - self._on_since_ns >= self._limits.on_s_max * NS_PER_S):
            super().off()
            self._rested_at_ns = now_ns + int(self._limits.off_s_min * NS_PER_S)
        elif not self.is_on and self._rested_at_ns <= now_ns < self._off_at_ns:
            self._on_since_ns = now_ns
            self.on()

    def off(self) -> None:
        """Off at once, whatever is left of the pulse."""
        self._off_at_ns = 0
        super().off()


class StatusLed(SwitchedOutput):
    """What a technician sees from the ground: patterns for states, a flash for each read, a flicker for hits."""

    def __init__(self, pin: int, factory: Factory, clock: Clock) -> None:
        super().__init__(pin, factory)
        self._clock = clock
        self._states: dict[str, int] = {}
        """Since when each state holds."""
        self._flash_ends_ns = self._hit_ends_ns = self._hit_since_ns = 0

    def show(self, state: str, holds: bool = True) -> None:
        """Say that a state of PATTERNS holds, or no longer; the most important one is shown. From any thread."""
        if state not in PATTERNS:
            raise ValueError(f"no LED pattern {state!r}; there are {', '.join(PATTERNS)}")
        if holds:
            self._states.setdefault(state, self._clock.monotonic_ns())
        else:
            self._states.pop(state, None)

    def flash(self) -> None:
        """One flash: a read reached the card."""
        self._flash_ends_ns = self._clock.monotonic_ns() + int(READ_FLASH_S * NS_PER_S)
        self.tick()

    def flicker(self, seconds: float) -> None:
        """A hit; it goes before every state."""
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._hit_ends_ns:
            self._hit_since_ns = now_ns
        self._hit_ends_ns = now_ns + int(seconds * NS_PER_S)
        self.tick()

    def tick(self) -> None:
        """Follow the pattern."""
        lit = self._is_lit(self._clock.monotonic_ns())
        if lit != self.is_on:
            (self.on if lit else super().off)()

    def _is_lit(self, now_ns: int) -> bool:
        if now_ns < self._hit_ends_ns:
            return _lit(HIT_PATTERN, now_ns - self._hit_since_ns)
        states = dict(self._states)  # another thread may say something new meanwhile
        state = next((state for state in PATTERNS if state in states), None)
        if now_ns < self._flash_ends_ns and state not in {"fault", "calibrating"}:
            return True
        return state is not None and _lit(PATTERNS[state], now_ns - states[state])

    def off(self) -> None:
        """Dark, whatever was to be shown."""
        self._states.clear()
        self._flash_ends_ns = self._hit_ends_ns = 0
        super().off()


def _lit(pattern: tuple[int, ...], since_ns: int) -> bool:
    left_ms = since_ns // NS_PER_MS % sum(pattern)
    steps = (index for index, end_ms in enumerate(accumulate(pattern)) if left_ms < end_ms)
    return next(steps) % 2 == 0


class Outputs:
    """All outputs of the node. `close` leaves every one of them off; closing twice is fine."""

    def __init__(self, pins: Pins, factory: Factory, clock: Clock, limits: RelayLimits | None = None) -> None:
        """Claim the pins, all off. Raises WiringError when one cannot be claimed."""
        try:
            self.relay = PulsedOutput(pins.relay, factory, clock, limits or RelayLimits())
            self.led = StatusLed(pins.led, factory, clock)
            self.illuminator = SwitchedOutput(pins.illuminator, factory)
        except (GPIOZeroError, OSError) as error:
            raise WiringError(f"cannot drive the pins {pins}: {error}; see hw/README.md for the wiring") from error

    def tick(self) -> None:
        """End the pulses that are over; called by the recorder many times a second."""
        self.relay.tick()
        self.led.tick()

    def all_off(self) -> None:
        """The safe state."""
        self.relay.off()
        self.led.off()
        self.illuminator.off()

    def close(self) -> None:
        """Everything off, pins given back."""
        for output in (self.relay, self.led, self.illuminator):
            output.close()
