"""The node's outputs through gpiozero: relay, status LED, illuminator enable.

Outputs only ever go on for a stated reason and fall off by themselves: wiring is active high with pull-downs, so a
dead process means off. Pulses end when `tick` is called, by the injected clock; nothing here sleeps or starts a thread.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpiozero import DigitalOutputDevice
from gpiozero.exc import GPIOZeroError
from gpiozero.pins import Factory

from anpr_node.drivers.clock import Clock
from anpr_node.errors import WiringError

NS_PER_S = 1_000_000_000

RELAY_ON_S_MAX = 8.0
"""However many hits follow each other: the contact opens in between. See hw/README.md."""
LED_ON_S_MAX = 60.0
BREAK_S = 0.5


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
    """One pin that is switched on for a while. A second pulse within the first prolongs it.

    After `limit_s` without a break it takes one, however many pulses follow each other.
    """

    def __init__(self, pin: int, factory: Factory, clock: Clock, limit_s: float) -> None:
        super().__init__(pin, factory)
        self._clock = clock
        self._limit_ns = int(limit_s * NS_PER_S)
        self._on_since_ns = self._off_at_ns = self._rested_at_ns = 0

    def pulse(self, seconds: float) -> None:
        """Switch on now, or after the break; off at the first `tick` after `seconds`."""
        self._off_at_ns = max(self._off_at_ns, self._clock.monotonic_ns() + int(seconds * NS_PER_S))
        self.tick()

    def tick(self) -> None:
        """Switch off when the pulse is over or its limit reached, on again after the break."""
        now_ns = self._clock.monotonic_ns()
        if self.is_on and now_ns >= self._off_at_ns:
            self.off()
        elif self.is_on and now_ns - self._on_since_ns >= self._limit_ns:
            super().off()
            self._rested_at_ns = now_ns + int(BREAK_S * NS_PER_S)
        elif not self.is_on and self._rested_at_ns <= now_ns < self._off_at_ns:
            self._on_since_ns = now_ns
            self.on()

    def off(self) -> None:
        """Off at once, whatever is left of the pulse."""
        self._off_at_ns = 0
        super().off()


class Outputs:
    """All outputs of the node. `close` leaves every one of them off; closing twice is fine."""

    def __init__(self, pins: Pins, factory: Factory, clock: Clock) -> None:
        """Claim the pins, all off. Raises WiringError when one cannot be claimed."""
        try:
            self.relay = PulsedOutput(pins.relay, factory, clock, RELAY_ON_S_MAX)
            self.led = PulsedOutput(pins.led, factory, clock, LED_ON_S_MAX)
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
