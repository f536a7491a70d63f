"""A simulated modem at the end of a simulated line, with a relay in its supply and a network interface behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from gpiozero.pins import Factory

from anpr_node.config import ModemSection
from anpr_node.drivers.clock import Clock, SystemClock
from anpr_node.drivers.gpio import SwitchedOutput
from anpr_node.drivers.modem.line import ModemLine
from anpr_node.drivers.modem.link import LinkState
from anpr_node.drivers.simulated.modem import SimulatedModem
from anpr_node.drivers.simulated.modem_dialects import SIM7600
from anpr_node.errors import ModemGone
from anpr_node.units import NS_PER_S

REACH_MS = 45.0


class SimulatedPort:
    """The line to a modem. Time passes while it is read: by `wait`, which a test lets be a clock of its own."""

    def __init__(self, modem: SimulatedModem, clock: Clock, wait: Callable[[float], None]) -> None:
        """Raises ModemGone while the modem is not there."""
        self._modem, self._clock, self._wait = modem, clock, wait
        if not modem.present:
            raise ModemGone("simulated modem: no such device")
        self._generation = modem.generation

    def read(self, wait_s: float) -> bytes:
        """What has come, after `wait_s` at the latest."""
        self._expect_modem()
        data = self._modem.due()
        if data:
            return data
        next_s, now_s = self._modem.next_s(), self._clock.monotonic_ns() / NS_PER_S
        self._wait(wait_s if next_s is None else min(wait_s, max(0.0, next_s - now_s) + 1e-6))
        self._expect_modem()
        return self._modem.due()

    def write(self, data: bytes) -> None:
        """Hand bytes over."""
        self._expect_modem()
        self._modem.receive(data)

    def is_current(self) -> bool:
        """Whether it is still the same device."""
        return self._modem.present and self._modem.generation == self._generation

    def close(self) -> None:
        """Nothing to give back."""

    def _expect_modem(self) -> None:
        if not self.is_current():
            raise ModemGone("simulated modem: it went away")


class SimulatedLink:
    """The network interface of a simulated modem: up while it is registered."""

    def __init__(self, modem: SimulatedModem) -> None:
        self._modem = modem
        self.carries = self.answers = True

    def look(self) -> LinkState:
        """As it is now."""
        up = self.carries and self._modem.linked
        return LinkState(up, "simulated", "10.64.0.2" if up else "")

    def reach(self) -> float | None:
        """Milliseconds until the far end answered."""
        return REACH_MS if self.answers and self.look().up else None


def simulated_line(section: ModemSection, factory: Factory | None, supply: SwitchedOutput | None) -> ModemLine:
    """A SIM7600 in real time that is well, with the relay of `supply`, if there is one, in its supply."""
    clock, never = SystemClock(), threading.Event()
    modem = SimulatedModem(SIM7600, lambda: clock.monotonic_ns() / NS_PER_S)
    if supply is not None and factory is not None:
        hang_on_relay(modem, factory, section.power_pin)

    def wait(seconds: float) -> None:
        never.wait(seconds)

    return ModemLine(lambda: SimulatedPort(modem, clock, wait), SimulatedLink(modem), clock, supply)


def hang_on_relay(modem: SimulatedModem, factory: Factory, pin: int) -> None:
    """The relay at a simulated pin cuts the modem's supply while the pin is high."""
    factory.pin(pin).followers.append(lambda high: modem.supply(not high))
