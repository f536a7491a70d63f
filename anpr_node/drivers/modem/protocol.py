"""The modem seam: what the node asks of a modem, and how it stands. The states are plain words, shown as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from anpr_node.drivers.modem.messages import Report

SimState = Literal["ready", "absent", "busy", "wants a PIN", "wants a PUK", "unknown"]
Registration = Literal["home", "roaming", "searching", "denied", "off", "unknown"]
REGISTERED: frozenset[Registration] = frozenset({"home", "roaming"})


@dataclass(frozen=True, slots=True)
class ModemState:
    """One look at the modem; what could not be asked is empty or None."""

    family: str = ""
    model: str = ""
    sim: SimState = "unknown"
    registration: Registration = "unknown"
    technology: str = ""
    operator: str = ""
    signal_dbm: int | None = None
    temperature_c: int | None = None

    @property
    def is_registered(self) -> bool:
        """Whether the network takes messages from it."""
        return self.registration in REGISTERED


class Modem(Protocol):
    """A modem with its card. Every method may raise ModemError, and takes as long as a network takes."""

    def start(self) -> None:
        """Open it where it is not open, and bring it up: it answers, the card is open, messages can be sent."""
        ...

    def look(self) -> ModemState:
        """How it stands now."""
        ...

    def send(self, number: str, text: str) -> int:
        """Hand one message to the network; returns the reference by which its reports are known."""
        ...

    def reports(self) -> list[Report]:
        """The delivery reports that came since the last time."""
        ...

    def listen(self, seconds: float) -> None:
        """Wait, and take in what it says."""
        ...

    def reset(self) -> None:
        """Have it start anew by command. Afterwards it is closed."""
        ...

    def close(self) -> None:
        """Give the device back. Closing twice is fine."""
        ...
