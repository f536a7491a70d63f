"""The card in the modem: whether it is there and open, and the PIN that opens it, tried once.

What was tried is remembered elsewhere (pin.py); here is when to try.
"""

from __future__ import annotations

from collections.abc import Callable

from anpr_node.drivers.clock import Clock
from anpr_node.drivers.modem.asking import Asking
from anpr_node.drivers.modem.dialogue import Patience
from anpr_node.drivers.modem.families import Family
from anpr_node.drivers.modem.pin import PinMemory
from anpr_node.drivers.modem.protocol import SimState
from anpr_node.errors import ModemLocked, ModemRefused
from anpr_node.units import NS_PER_S

PIN_S = 15.0
STARTS_S = 15.0
"""After a start or a PIN the card needs so long."""
ABSENT = ("CME ERROR: 10", "CME ERROR: 13", "CME ERROR: 15", "SIM not inserted", "SIM failure")


def state_of(asking: Asking) -> SimState:
    """As the modem says it now. Raises ModemError."""
    try:
        answer = asking.ask("AT+CPIN?", "+CPIN:")[-1]
    except ModemRefused as error:
        return "absent" if any(str(error).endswith(sign) for sign in ABSENT) else "busy"
    if answer == "READY":
        return "ready"
    if answer.startswith("SIM PIN"):
        return "wants a PIN"
    return "wants a PUK" if "PUK" in answer else "absent" if "NOT INSERTED" in answer else "busy"


class CardOpener:
    """Opens a card where it wants a PIN."""

    def __init__(self, clock: Clock, patience: Patience, pins: PinMemory, read_pin: Callable[[], str]) -> None:
        """`read_pin` gives the PIN, empty where none is known; it may raise OSError or ValueError."""
        self._clock, self._patience, self._pins, self._read_pin = clock, patience, pins, read_pin

    def open(self, asking: Asking, family: Family) -> None:
        """A card that is not there is not this step's business.

        Raises:
            ModemLocked: it needs a person.
            ModemError: what asking raises.

        """
        state = self._settled(asking)
        if state == "wants a PUK":
            raise ModemLocked("the card wants its PUK: put it into a telephone, and set a new PIN")
        if state not in {"wants a PIN", "ready"}:
            return
        pin = self._pin()
        if state == "wants a PIN":
            self._enter(asking, family, pin)
        elif pin:
            self._pins.accepted(_number(asking, family), pin)

    def _pin(self) -> str:
        try:
            return self._read_pin()
        except (OSError, ValueError) as error:
            raise ModemLocked(f"the card's PIN cannot be read: {error}") from error

    def _enter(self, asking: Asking, family: Family, pin: str) -> None:
        if not pin:
            raise ModemLocked("the card wants a PIN: name a file with it in modem.pin_file")
        card = _number(asking, family)
        self._pins.before(card, pin, _tries_left(asking, family))
        try:
            asking.ask(f'AT+CPIN="{pin}"', timeout_s=PIN_S)
        except ModemRefused as error:
            self._pins.refused(card, pin)
            raise ModemLocked("the card refused the PIN: put the right one into the file of modem.pin_file") from error
        if self._settled(asking) == "ready":
            self._pins.accepted(card, pin)

    def _settled(self, asking: Asking) -> SimState:
        """A card that has just been switched on, or got its PIN, is busy for some seconds."""
        ends_ns = self._clock.monotonic_ns() + int(STARTS_S * self._patience.pace * NS_PER_S)
        while (state := state_of(asking)) == "busy" and self._clock.monotonic_ns() < ends_ns:
            asking.listen(1.0)
        return state


def _number(asking: Asking, family: Family) -> str:
    answer = asking.try_(family.card.command, family.card.prefix)
    return answer[-1].strip('" ') if answer else ""


def _tries_left(asking: Asking, family: Family) -> int | None:
    """None where the family does not tell."""
    return next(iter(asking.numbers(family.pin_tries)), None) if family.pin_tries is not None else None
