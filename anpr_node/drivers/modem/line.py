"""What a node has of its modem: how its port is opened, its data link, and the relay in its supply where there is one.

The relay's contact is closed at rest: pin low, process dead or cable off means that the modem has its supply.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gpiozero.exc import GPIOZeroError
from gpiozero.pins import Factory

from anpr_node.config import ModemSection
from anpr_node.drivers.clock import Clock, SystemClock
from anpr_node.drivers.gpio import SwitchedOutput
from anpr_node.drivers.modem.link import InterfaceLink, Link
from anpr_node.drivers.modem.port import Port, SerialPort
from anpr_node.errors import WiringError


@dataclass(frozen=True, slots=True)
class ModemLine:
    """The parts of one modem, real or simulated. `supply` is on while the supply is cut."""

    open_port: Callable[[], Port]
    link: Link
    clock: Clock
    supply: SwitchedOutput | None = None

    def close(self) -> None:
        """The modem gets its supply back, whatever was going on."""
        if self.supply is not None:
            self.supply.close()


def open_supply(section: ModemSection, factory: Factory) -> SwitchedOutput | None:
    """The pin of the relay, None where none is fitted. Raises WiringError when it cannot be claimed."""
    if section.kind == "none" or not section.power_fitted:
        return None
    try:
        return SwitchedOutput(section.power_pin, factory)
    except (GPIOZeroError, OSError) as error:
        raise WiringError(f"modem.power_pin {section.power_pin}: {error}; see hw/modem.md") from error


def open_line(section: ModemSection, factory: Factory | None) -> ModemLine | None:
    """The modem that the settings name, None where they name none. Its port stays closed. Raises WiringError.

    Without a factory the relay in its supply is left alone.
    """
    if section.kind == "none":
        return None
    supply = open_supply(section, factory) if factory is not None else None
    if section.kind == "simulated":
        from anpr_node.drivers.simulated.modem_port import simulated_line

        return simulated_line(section, factory, supply)
    link = InterfaceLink(section.interface, section.probe)
    return ModemLine(lambda: SerialPort(section.device), link, SystemClock(), supply)
