"""An LTE modem by AT commands: bring-up, how it stands, text messages with their delivery reports, resets.

Used from one thread, which it may keep for as long as a network takes; every wait has an end. It decides nothing: when
to reset, to switch the power, to send, is asked of it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from anpr_node.drivers.clock import Clock
from anpr_node.drivers.modem import card
from anpr_node.drivers.modem.asking import ANSWER_S, SLOW_ANSWER_S, Asking
from anpr_node.drivers.modem.dialogue import Dialogue, Patience
from anpr_node.drivers.modem.families import OTHER, Family, family_of
from anpr_node.drivers.modem.messages import Report, report_of, submit
from anpr_node.drivers.modem.pin import PinMemory
from anpr_node.drivers.modem.port import Port
from anpr_node.drivers.modem.protocol import ModemState, Registration
from anpr_node.errors import ModemGone, ModemRefused, ModemRestarted, ModemSilent

Format = Literal["pdu", "text"]

SETUP_TRIES = 3
PDU_SETUP = ("AT+CSMS=0", "AT+CMGF=0", "AT+CNMI=2,1,0,1,0")
TEXT_SETUP = ("AT+CSMS=0", "AT+CMGF=1", 'AT+CSCS="IRA"', "AT+CSMP=49,167,0,0", "AT+CNMI=2,1,0,1,0")
"""Delivery reports are wanted, and shown as they come, without a receipt for each."""
REGISTRATIONS: dict[str, Registration] = {
    "0": "off", "1": "home", "2": "searching", "3": "denied", "4": "unknown", "5": "roaming",
    "6": "home", "7": "roaming",
}  # fmt: skip
"""6 and 7 are registered for messages only."""
BEST_FIRST: tuple[Registration, ...] = ("home", "roaming", "denied", "searching", "off")
TECHNOLOGIES = {"0": "2G", "1": "2G", "2": "3G", "3": "2G", "4": "3G", "5": "3G", "6": "3G", "7": "LTE"}
NOTHING_HEARD = 99
TEMPERATURE_C = range(-50, 150)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the settings want of the modem."""

    read_pin: Callable[[], str] = lambda: ""
    """The PIN, empty where none is known. It may raise OSError or ValueError."""
    message_format: Format = "pdu"
    valid_s: float = 3600.0


class AtModem:
    """A modem of one of the families, or any that keeps to 3GPP; a `Modem`."""

    def __init__(
        self, open_port: Callable[[], Port], clock: Clock, pins: PinMemory, wishes: Wishes, patience: Patience
    ) -> None:
        """Nothing is opened yet."""
        self._open_port, self._clock, self._wishes, self._patience = open_port, clock, wishes, patience
        self._opener = card.CardOpener(clock, patience, pins, wishes.read_pin)
        self._port: Port | None = None
        self._asking: Asking | None = None
        self._family: Family = OTHER
        self._model = ""

    def start(self) -> None:
        """Idempotent: a modem that is up stays so."""
        if self._port is not None and not self._port.is_current():
            self.close()
        if self._asking is None:
            self._port = self._open_port()
            self._asking = Asking(Dialogue(self._port, self._clock, self._patience))
        if not self._asking.is_up:
            self._bring_up(self._asking)
            self._asking.is_up = True

    def look(self) -> ModemState:
        """Ask everything; a single question that is refused leaves its answer empty."""
        asking = self._talk()
        sim, registration = card.state_of(asking), _registration(asking)
        operator, technology = _operator(asking)
        return ModemState(
            self._family.name,
            self._model,
            sim,
            registration,
            technology,
            operator,
            _signal_dbm(asking),
            self._temperature_c(asking),
        )

    def send(self, number: str, text: str) -> int:
        """In the format that the settings name."""
        if self._wishes.message_format == "text":
            answer = self._talk().send(f'AT+CMGS="{number}"', text)
        else:
            pdu, length = submit(number, text, self._wishes.valid_s)
            answer = self._talk().send(f"AT+CMGS={length}", pdu)
        match = re.match(r"\d{1,3}", answer[-1])
        return int(match[0]) if match else 0

    def reports(self) -> list[Report]:
        """Those that came since the last time."""
        lines = self._asking.unasked() if self._asking is not None else []
        return [report for report in map(report_of, lines) if report is not None]

    def listen(self, seconds: float) -> None:
        """Wait for what it says unasked; one that restarts meanwhile has to be brought up again."""
        self._talk().listen(seconds)

    def reset(self) -> None:
        """By the family's own command. Whether it obeys shows later."""
        with contextlib.suppress(ModemRefused, ModemSilent, ModemRestarted, ModemGone):
            self._talk().ask(self._family.reset, timeout_s=ANSWER_S)
        self.close()

    def close(self) -> None:
        """Give the device back."""
        port, self._port, self._asking = self._port, None, None
        if port is not None:
            port.close()

    def _talk(self) -> Asking:
        if self._asking is None:
            raise ModemGone("the modem is not open")
        return self._asking

    def _bring_up(self, asking: Asking) -> None:
        """Raises ModemLocked where the card needs a person."""
        asking.try_("ATE0")
        asking.try_("AT+CMEE=1")
        self._model = next(iter(asking.try_("AT+CGMM")), "")
        self._family = family_of(self._model)
        for command in self._family.setup:
            asking.try_(command)
        if "1" not in asking.try_("AT+CFUN?", "+CFUN:"):
            asking.try_("AT+CFUN=1", timeout_s=SLOW_ANSWER_S)
        self._opener.open(asking, self._family)
        for command in ("AT+CREG=0", "AT+CGREG=0", "AT+CEREG=0", "AT+COPS=3,0"):
            asking.try_(command, timeout_s=SLOW_ANSWER_S)
        for command in TEXT_SETUP if self._wishes.message_format == "text" else PDU_SETUP:
            asking.insist(command, SETUP_TRIES)  # the card may still be reading its messages

    def _temperature_c(self, asking: Asking) -> int | None:
        question = self._family.temperature
        numbers = asking.numbers(question) if question is not None else []
        return max((number for number in numbers if number in TEMPERATURE_C), default=None)


def _registration(asking: Asking) -> Registration:
    """The best of what the packet and the telephone network say."""
    seen: list[Registration] = []
    for command, prefix in (("AT+CEREG?", "+CEREG:"), ("AT+CGREG?", "+CGREG:"), ("AT+CREG?", "+CREG:")):
        for answer in asking.try_(command, prefix):
            fields = [field.strip() for field in answer.split(",")]
            if len(fields) >= 2 and fields[1] in REGISTRATIONS:  # what comes unasked has no number before it
                seen.append(REGISTRATIONS[fields[1]])
    return next((state for state in BEST_FIRST if state in seen), "unknown")


def _operator(asking: Asking) -> tuple[str, str]:
    """Its name, and the technology."""
    answer = asking.try_("AT+COPS?", "+COPS:", SLOW_ANSWER_S)
    match = re.search(r'"([^"]*)"(?:,(\d))?', answer[-1]) if answer else None
    return (match[1], TECHNOLOGIES.get(match[2] or "", "")) if match else ("", "")


def _signal_dbm(asking: Asking) -> int | None:
    answer = asking.try_("AT+CSQ", "+CSQ:")
    match = re.match(r"(\d{1,3}),", answer[-1]) if answer else None
    level = int(match[1]) if match else NOTHING_HEARD
    return None if level > 31 else -113 + 2 * level
