"""An LTE modem by AT commands: bring-up, how it stands, text messages with their delivery reports, resets.

Used from one thread, which it may keep for as long as a network takes; every wait has an end. It decides nothing: when
to reset, to switch the power, to send, is asked of it. The states are plain words, shown as they are.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from anpr_node.drivers.clock import Clock
from anpr_node.drivers.modem.dialogue import Dialogue, Patience
from anpr_node.drivers.modem.families import OTHER, Family, Question, family_of
from anpr_node.drivers.modem.messages import Report, report_of, submit
from anpr_node.drivers.modem.pin import PinMemory
from anpr_node.drivers.modem.port import Port
from anpr_node.errors import ModemGone, ModemLocked, ModemRefused, ModemRestarted, ModemSilent

log = logging.getLogger(__name__)

SimState = Literal["ready", "absent", "busy", "wants a PIN", "wants a PUK", "unknown"]
Registration = Literal["home", "roaming", "searching", "denied", "off", "unknown"]
Format = Literal["pdu", "text"]

ANSWER_S, SLOW_ANSWER_S, PIN_S, SEND_S = 5.0, 20.0, 15.0, 90.0
"""A command of the module itself; one that asks card or network; the PIN; a message until the network has it."""
CARD_STARTS_S = 15.0
"""After a start or a PIN the card needs so long."""
SETUP_TRIES = 3
CARD_ABSENT = ("CME ERROR: 10", "CME ERROR: 13", "CME ERROR: 15", "SIM not inserted", "SIM failure")
REGISTRATIONS: dict[str, Registration] = {
    "0": "off", "1": "home", "2": "searching", "3": "denied", "4": "unknown", "5": "roaming",
    "6": "home", "7": "roaming",
}  # fmt: skip
"""6 and 7 are registered for messages only."""
BEST_FIRST: tuple[Registration, ...] = ("home", "roaming", "denied", "searching", "off")
TECHNOLOGIES = {"0": "2G", "1": "2G", "2": "3G", "3": "2G", "4": "3G", "5": "3G", "6": "3G", "7": "LTE"}
REGISTERED: frozenset[Registration] = frozenset({"home", "roaming"})
NOTHING_HEARD = 99
TEMPERATURE_C = range(-50, 150)


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

    def reset(self) -> float:
        """Have it start anew by command; returns the seconds it may need. Afterwards it is closed."""
        ...

    def close(self) -> None:
        """Give the device back. Closing twice is fine."""
        ...


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the settings want of the modem."""

    read_pin: Callable[[], str] = lambda: ""
    """The PIN, empty where none is known. It may raise OSError or ValueError."""
    message_format: Format = "pdu"
    valid_s: float = 3600.0


class AtModem:
    """A modem of one of the families, or any that keeps to 3GPP."""

    def __init__(
        self,
        open_port: Callable[[], Port],
        clock: Clock,
        pins: PinMemory,
        wishes: Wishes,
        patience: Patience,
    ) -> None:
        """Nothing is opened yet."""
        self._open_port, self._clock, self._pins, self._wishes = open_port, clock, pins, wishes
        self._patience = patience
        self._port: Port | None = None
        self._dialogue: Dialogue | None = None
        self._family: Family = OTHER
        self._model = ""
        self._up = False
        self._reports: list[Report] = []

    def start(self) -> None:
        """Idempotent: a modem that is up stays so."""
        if self._port is not None and not self._port.is_current():
            self.close()
        if self._dialogue is None:
            self._port = self._open_port()
            self._dialogue = Dialogue(self._port, self._clock, self._patience)
            self._up = False
        if not self._up:
            self._bring_up()
            self._up = True

    def look(self) -> ModemState:
        """Ask everything; a single question that is refused leaves its answer empty."""
        sim, registration = self._sim(), self._registration()
        operator, technology = self._operator()
        return ModemState(
            self._family.name,
            self._model,
            sim,
            registration,
            technology,
            operator,
            self._signal_dbm(),
            self._temperature_c(),
        )

    def send(self, number: str, text: str) -> int:
        """In the format that the settings name."""
        try:
            if self._wishes.message_format == "text":
                answer = self._talk().ask_with_message(f'AT+CMGS="{number}"', text, SEND_S, "+CMGS:")
            else:
                pdu, length = submit(number, text, self._wishes.valid_s)
                answer = self._talk().ask_with_message(f"AT+CMGS={length}", pdu, SEND_S, "+CMGS:")
        except ModemRestarted:
            self._up = False
            raise
        return int(re.match(r"\d*", answer[-1])[0] or 0)  # type: ignore[index]

    def reports(self) -> list[Report]:
        """Those that came since the last time."""
        self._sort_unasked()
        reports, self._reports = self._reports, []
        return reports

    def listen(self, seconds: float) -> None:
        """Wait for what it says unasked; one that restarts meanwhile has to be brought up again."""
        try:
            self._talk().listen(seconds)
        except ModemRestarted:
            self._up = False
            raise

    def reset(self) -> float:
        """By the family's own command. Whether it obeys shows later."""
        with contextlib.suppress(ModemRefused, ModemSilent, ModemRestarted, ModemGone):
            self._talk().ask(self._family.reset, ANSWER_S)
        self.close()
        return self._family.boots_s * self._patience.pace

    def close(self) -> None:
        """Give the device back."""
        port, self._port, self._dialogue, self._up = self._port, None, None, False
        if port is not None:
            port.close()

    def _talk(self) -> Dialogue:
        if self._dialogue is None:
            raise ModemGone("the modem is not open")
        return self._dialogue

    def _ask(self, command: str, prefix: str = "", timeout_s: float = ANSWER_S) -> list[str]:
        try:
            return self._talk().ask(command, timeout_s, prefix)
        except ModemRestarted:
            self._up = False
            raise

    def _try(self, command: str, prefix: str = "", timeout_s: float = ANSWER_S) -> list[str]:
        """The same where a refusal is an answer too."""
        try:
            return self._ask(command, prefix, timeout_s)
        except ModemRefused as error:
            log.debug("%s", error)
            return []

    def _bring_up(self) -> None:
        """Raises ModemLocked where the card needs a person."""
        self._try("ATE0")
        self._try("AT+CMEE=1")
        self._model = next(iter(self._try("AT+CGMM")), "")
        self._family = family_of(self._model)
        for command in self._family.setup:
            self._try(command)
        if "1" not in self._try("AT+CFUN?", "+CFUN:"):
            self._try("AT+CFUN=1", timeout_s=SLOW_ANSWER_S)
        self._open_card()
        for command in ("AT+CREG=0", "AT+CGREG=0", "AT+CEREG=0", "AT+COPS=3,0"):
            self._try(command, timeout_s=SLOW_ANSWER_S)
        self._prepare_messages()

    def _prepare_messages(self) -> None:
        """Reports are shown as they come, without a receipt for each; the card may still be reading its messages."""
        commands = ["AT+CSMS=0", "AT+CMGF=0", "AT+CNMI=2,1,0,1,0"]
        if self._wishes.message_format == "text":
            commands = ["AT+CSMS=0", "AT+CMGF=1", 'AT+CSCS="IRA"', "AT+CSMP=49,167,0,0", "AT+CNMI=2,1,0,1,0"]
        for command in commands:
            for _ in range(SETUP_TRIES):
                try:
                    self._ask(command)
                    break
                except ModemRefused as error:
                    log.debug("%s", error)
                    self._talk().listen(1.0)

    def _sim(self) -> SimState:
        try:
            answer = self._ask("AT+CPIN?", "+CPIN:")[-1]
        except ModemRefused as error:
            return "absent" if any(sign in str(error) for sign in CARD_ABSENT) else "busy"
        if answer == "READY":
            return "ready"
        if answer.startswith("SIM PIN"):
            return "wants a PIN"
        return "wants a PUK" if "PUK" in answer else "absent" if "NOT INSERTED" in answer else "busy"

    def _open_card(self) -> None:
        """Put the PIN in where the card wants one; a card that is not there is not this step's business."""
        state = self._settled_sim()
        if state == "wants a PUK":
            raise ModemLocked("the card wants its PUK: put it into a telephone, and set a new PIN")
        if state not in {"wants a PIN", "ready"}:
            return
        pin = self._pin()
        if state == "ready" and pin:
            self._pins.accepted(self._card_number(), pin)
        if state == "wants a PIN":
            self._enter_pin(self._card_number(), pin)

    def _pin(self) -> str:
        try:
            return self._wishes.read_pin()
        except (OSError, ValueError) as error:
            raise ModemLocked(f"the card's PIN cannot be read: {error}") from error

    def _enter_pin(self, card: str, pin: str) -> None:
        if not pin:
            raise ModemLocked("the card wants a PIN: name a file with it in modem.pin_file")
        self._pins.before(card, pin, self._tries_left())
        try:
            self._ask(f'AT+CPIN="{pin}"', timeout_s=PIN_S)
        except ModemRefused as error:
            self._pins.refused(card, pin)
            raise ModemLocked("the card refused the PIN: put the right one into the file of modem.pin_file") from error
        if self._settled_sim() == "ready":
            self._pins.accepted(card, pin)

    def _settled_sim(self) -> SimState:
        """A card that has just been switched on, or got its PIN, is busy for some seconds."""
        ends_ns = self._clock.monotonic_ns() + int(CARD_STARTS_S * self._patience.pace * 1e9)
        while (state := self._sim()) == "busy" and self._clock.monotonic_ns() < ends_ns:
            self._talk().listen(1.0)
        return state

    def _card_number(self) -> str:
        answer = self._try(self._family.card.command, self._family.card.prefix)
        return answer[-1].strip('" ') if answer else ""

    def _tries_left(self) -> int | None:
        """None where the family does not tell."""
        question = self._family.pin_tries
        return next(iter(self._numbers(question)), None) if question is not None else None

    def _numbers(self, question: Question) -> list[int]:
        """Every whole number of an answer, without what stands in words."""
        lines = self._try(question.command, question.prefix)
        return [int(number) for line in lines for number in re.findall(r"(?<![\w.])-?\d+(?![\w.])", line)]

    def _registration(self) -> Registration:
        """The best of what the packet and the telephone network say."""
        seen: list[Registration] = []
        for command, prefix in (("AT+CEREG?", "+CEREG:"), ("AT+CGREG?", "+CGREG:"), ("AT+CREG?", "+CREG:")):
            for answer in self._try(command, prefix):
                fields = [field.strip() for field in answer.split(",")]
                if len(fields) >= 2 and fields[1] in REGISTRATIONS:  # what comes unasked has no number before it
                    seen.append(REGISTRATIONS[fields[1]])
        return next((state for state in BEST_FIRST if state in seen), "unknown")

    def _operator(self) -> tuple[str, str]:
        """Its name, and the technology."""
        answer = self._try("AT+COPS?", "+COPS:", SLOW_ANSWER_S)
        match = re.search(r'"([^"]*)"(?:,(\d+))?', answer[-1]) if answer else None
        return (match[1], TECHNOLOGIES.get(match[2] or "", "")) if match else ("", "")

    def _signal_dbm(self) -> int | None:
        answer = self._try("AT+CSQ", "+CSQ:")
        match = re.match(r"(\d+),", answer[-1]) if answer else None
        level = int(match[1]) if match else NOTHING_HEARD
        return None if level > 31 else -113 + 2 * level

    def _temperature_c(self) -> int | None:
        question = self._family.temperature
        numbers = self._numbers(question) if question is not None else []
        return max((number for number in numbers if number in TEMPERATURE_C), default=None)

    def _sort_unasked(self) -> None:
        for line in self._dialogue.unasked() if self._dialogue is not None else []:
            report = report_of(line)
            if report is not None:
                self._reports.append(report)
