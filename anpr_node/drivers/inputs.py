"""The node's inputs through gpiozero: the strobe's fault line, vehicle presence, and the supply's warning.

All of them are contacts to ground under a pull-up: closed means that all is well, so a torn-off wire counts as raised
and never as quiet. Levels are looked at by `tick`, because edges get lost (gpiozero #1090); nothing here acts on them.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpiozero import InputDevice
from gpiozero.exc import GPIOZeroError
from gpiozero.pins import Factory

from anpr_node.drivers.clock import Clock
from anpr_node.errors import WiringError
from anpr_node.units import NS_PER_MS

FAULT_STEADY_MS = 100
PRESENCE_STEADY_MS = 20
POWER_STEADY_MS = 100
"""A shorter dip of the supply is the hold-up's business."""


@dataclass(frozen=True, slots=True)
class InputPins:
    """BCM numbers, as in hw/README.md; None where nothing is fitted."""

    illuminator_fault: int | None = None
    presence: int | None = None
    power_fail: int | None = None
    presence_contact_closes: bool = False
    """A vehicle closes the contact in place of opening it; a torn-off wire then means that nobody ever comes."""


class WatchedLine:
    """One input. `raised` follows the line when it has been steady for `steady_ms`."""

    def __init__(
        self, pin: int, factory: Factory, clock: Clock, steady_ms: int, *, raised_when_closed: bool = False
    ) -> None:
        """What the line shows now counts at once."""
        self.pin = pin
        self._device = InputDevice(pin, pull_up=True, pin_factory=factory)
        self._clock = clock
        self._steady_ns = steady_ms * NS_PER_MS
        self._raised_when_closed = raised_when_closed
        self._differs_since_ns: int | None = None
        self.raised = self._level()

    def tick(self) -> None:
        """Look at the line."""
        if self._level() == self.raised:
            self._differs_since_ns = None
            return
        now_ns = self._clock.monotonic_ns()
        if self._differs_since_ns is None:
            self._differs_since_ns = now_ns
        if now_ns - self._differs_since_ns >= self._steady_ns:
            self.raised, self._differs_since_ns = not self.raised, None

    def close(self) -> None:
        """Give the pin back. Closing twice is fine."""
        self._device.close()

    def _level(self) -> bool:
        if self._device.closed:
            return self.raised
        return bool(self._device.is_active) == self._raised_when_closed


class Inputs:
    """All inputs of the node; each is None where it is not fitted."""

    def __init__(self, pins: InputPins, factory: Factory, clock: Clock) -> None:
        """Claim the pins. Raises WiringError when one cannot be claimed."""
        self._lines: list[WatchedLine] = []

        def line(pin: int | None, steady_ms: int, closed: bool = False) -> WatchedLine | None:
            if pin is not None:
                self._lines.append(WatchedLine(pin, factory, clock, steady_ms, raised_when_closed=closed))
            return None if pin is None else self._lines[-1]

        try:
            self.illuminator_fault = line(pins.illuminator_fault, FAULT_STEADY_MS)
            self.presence = line(pins.presence, PRESENCE_STEADY_MS, pins.presence_contact_closes)
            self.power_fail = line(pins.power_fail, POWER_STEADY_MS)
        except (GPIOZeroError, OSError) as error:
            self.close()
            raise WiringError(f"cannot read the pins {pins}: {error}; see hw/README.md for the wiring") from error

    def tick(self) -> None:
        """Look at every line."""
        for line in self._lines:
            line.tick()

    def close(self) -> None:
        """Give the pins back."""
        for line in self._lines:
            line.close()
