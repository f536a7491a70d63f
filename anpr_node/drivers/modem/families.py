"""What differs between families of modems, as data. What all of them share stands in 3GPP TS 27.007 and 27.005.

The makers describe theirs in the SIM7500/SIM7600 Series AT Command Manual and the EC25&EC21 AT Commands Manual; this
table was not compared with them line by line, nor tried on a real modem yet.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """A command, and what its answer begins with."""

    command: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Family:
    """One family. `models` are parts of what AT+CGMM answers."""

    name: str
    models: tuple[str, ...]
    card: Question
    """The card's number (ICCID), which can be read before its PIN is in."""
    temperature: Question | None
    """Several fields are several places of the module: the hottest counts."""
    pin_tries: Question | None
    """How often a PIN may still be tried: the first number of the answer."""
    reset: str
    setup: tuple[str, ...] = ()
    """Commands of its own after every start; one that is refused is left out."""


SIM7600 = Family(
    name="SIM7600",
    models=("SIM7600", "SIM7500"),
    card=Question("AT+CICCID", "+ICCID:"),
    temperature=Question("AT+CPMUTEMP", "+CPMUTEMP:"),
    pin_tries=Question("AT+SPIC", "+SPIC:"),
    reset="AT+CRESET",
)
EC25 = Family(
    name="EC25",
    models=("EC25", "EG25", "EC21", "EG21"),
    card=Question("AT+QCCID", "+QCCID:"),
    temperature=Question("AT+QTEMP", "+QTEMP:"),
    pin_tries=Question('AT+QPINC="SC"', "+QPINC:"),
    reset="AT+CFUN=1,1",
    setup=('AT+QURCCFG="urcport","usbat"',),
)
OTHER = Family(
    name="other",
    models=(),
    card=Question("AT+CCID", "+CCID:"),
    temperature=None,
    pin_tries=None,
    reset="AT+CFUN=1,1",
)
"""What any modem after 3GPP understands. How many tries a PIN has left is not known then."""

FAMILIES = (SIM7600, EC25)


def family_of(model: str) -> Family:
    """The family of what AT+CGMM answered."""
    return next((family for family in FAMILIES if any(part in model.upper() for part in family.models)), OTHER)
