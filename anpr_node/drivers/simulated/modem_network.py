"""The simulated world around a modem: its card, the network, the telephones that get its messages, and what goes wrong.

Messages are unpacked here by other means than the driver packs them, so that an error of the one does not hide in the
other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from anpr_node.drivers.modem.messages import ALPHABET


@dataclass
class SimCard:
    """A card; with a PIN it is closed after every start."""

    pin: str = ""
    number: str = "8932010000001234567"
    present: bool = True
    tries: int = 3
    unlocked: bool = False
    tried: list[str] = field(default_factory=list)
    """Every PIN that was ever put in."""

    def put_in(self, pin: str) -> bool:
        """Whether that was the PIN; three wrong ones lock the card."""
        self.tried.append(pin)
        if self.tries and pin == self.pin:
            self.tries, self.unlocked = 3, True
            return True
        self.tries = max(0, self.tries - 1)
        return False

    @property
    def state(self) -> str:
        """As AT+CPIN? says it; empty where there is no card."""
        if not self.present:
            return ""
        if not self.pin or self.unlocked:
            return "READY"
        return "SIM PIN" if self.tries else "SIM PUK"


@dataclass(frozen=True, slots=True)
class Telephoned:
    """A message that reached the network."""

    number: str
    text: str
    reference: int
    report_wanted: bool


@dataclass
class Network:
    """What the mast says."""

    registration: int = 1
    """As in AT+CEREG?: 1 home, 2 searching, 3 denied, 5 roaming."""
    operator: str = "Proximus"
    level: int = 21
    temperature_c: int = 38
    refuses: int | None = None
    """The CMS error with which it refuses messages."""
    report_status: int | None = 0
    """The status of the delivery reports it sends; None: it sends none."""
    messages: list[Telephoned] = field(default_factory=list)


@dataclass
class Faults:
    """What is wrong with the modem. All of it can be changed at any moment, and ends when it is taken back."""

    silent: bool = False
    delay_s: float = 0.0
    piece_bytes: int = 0
    """Answers come in pieces of so many bytes, with a pause in between."""
    garbage: bytes = b""
    """Comes before every answer."""
    interjection: str = ""
    """A line that it says unasked in the middle of every answer."""
    echoes: bool = False
    """It goes on echoing whatever it is told."""
    restarts_on: str = ""
    """It restarts when a command begins so, instead of answering."""
    silent_on: str = ""
    """It does not answer commands that begin so."""
    loses: str = ""
    """It loses the answer of commands that begin so, after doing what they say."""


def unpack(pdu: bytes) -> tuple[str, str, bool]:
    """Number, text and whether a report is wanted, of an SMS-SUBMIT with its service centre before it."""
    at = 1 + pdu[0]
    first = pdu[at]
    if first & 3 != 1:
        raise ValueError("no SMS-SUBMIT")
    digits = pdu[at + 2]
    octets = (digits + 1) // 2
    number = "".join(f"{octet:02x}"[::-1] for octet in pdu[at + 4 : at + 4 + octets])[:digits]
    at += 4 + octets + 2  # protocol and coding follow the number
    at += {0: 0, 0x10: 1}.get(first & 0x18, 7)
    return f"+{number}", _letters(pdu[at + 1 :], pdu[at]), bool(first & 0x20)


def _letters(octets: bytes, count: int) -> str:
    carried, bits, letters = 0, 0, ""
    for octet in octets:
        carried |= octet << bits
        bits += 8
        while bits >= 7 and len(letters) < count:
            letters += ALPHABET[carried & 0x7F]
            carried, bits = carried >> 7, bits - 7
    return letters


def status_report(number: str, reference: int, status: int) -> str:
    """An SMS-STATUS-REPORT in hexadecimal, with its service centre before it."""
    digits = number.removeprefix("+")
    padded = digits + "F" * (len(digits) % 2)
    swapped = "".join(padded[at + 1] + padded[at] for at in range(0, len(padded), 2))
    moment = "62119251000440"  # 2026-11-29 15:00:40+01:00, digits swapped
    return f"07912374151616F606{reference:02X}{len(digits):02X}91{swapped}{moment}{moment}{status:02X}"
