"""Text messages as a modem takes them in PDU mode, and the network's delivery reports (3GPP TS 23.040, 23.038).

Plain text of one message only, in the default alphabet. Nothing is sent here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Fate = Literal["delivered", "pending", "failed"]
TEXT_LENGTH_MAX = 160
SUBMIT_WITH_REPORT = 0x31
"""SMS-SUBMIT, relative validity, a delivery report wanted."""
INTERNATIONAL = 0x91
VALID_STEP_S, VALID_DAY_S = 300, 43_200
ALPHABET = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
SEPTETS = {character: septet for septet, character in enumerate(ALPHABET) if character != "\x1b"}
TEXT_REPORT = re.compile(r'\+CDS: ?(\d+),(\d{1,3}),(?:"([^"]*)",\d*,)?"[^"]*","[^"]*",(\d{1,3})')
PDU_REPORT = re.compile(r"\+CDS: ?\d+ ([0-9A-Fa-f]+)")


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a message: the reference that the modem gave it, to whom (the last digits), and its fate."""

    reference: int
    number_ending: str
    fate: Fate
    status: int


def submit(number: str, text: str, valid_s: float) -> tuple[str, int]:
    """The PDU of a message to `+…`, in hexadecimal, and the length that AT+CMGS wants. The text is cut at 160."""
    digits = number.removeprefix("+")
    septets = [SEPTETS.get(character, SEPTETS["?"]) for character in text[:TEXT_LENGTH_MAX]]
    content = bytes(
        [SUBMIT_WITH_REPORT, 0, len(digits), INTERNATIONAL, *_swapped(digits), 0, 0, _validity(valid_s), len(septets)]
    )
    content += _packed(septets)
    return "00" + content.hex().upper(), len(content)


def report_of(line: str) -> Report | None:
    """A delivery report among what a modem says unasked; None for anything else, and for one that is damaged."""
    if match := TEXT_REPORT.match(line):
        reference, number, status = int(match[2]), match[3] or "", int(match[4])
        return Report(reference, number[-4:], _fate(status), status)
    if match := PDU_REPORT.match(line):
        try:
            return _report(bytes.fromhex(match[1]))
        except (ValueError, IndexError):
            return None
    return None


def _report(pdu: bytes) -> Report | None:
    rest = pdu[1 + pdu[0] :]  # behind the service centre's number
    if rest[0] & 0x03 != 0x02:
        return None
    octets = (rest[2] + 1) // 2
    digits = "".join(f"{octet & 15:x}{octet >> 4:x}" for octet in rest[4 : 4 + octets])[: rest[2]]
    status = rest[4 + octets + 14]  # behind two times of seven octets
    return Report(rest[1], digits[-4:], _fate(status), status)


def _fate(status: int) -> Fate:
    """TS 23.040, 9.2.3.15: done, still trying, given up."""
    if status < 0x20:
        return "delivered"
    return "pending" if status < 0x40 else "failed"


def _swapped(digits: str) -> bytes:
    padded = digits + "F" * (len(digits) % 2)
    return bytes.fromhex("".join(padded[at + 1] + padded[at] for at in range(0, len(padded), 2)))


def _validity(seconds: float) -> int:
    """Steps of 5 minutes up to 12 hours, then of half an hour up to a day."""
    if seconds <= VALID_DAY_S:
        return max(0, round(seconds / VALID_STEP_S) - 1)
    return min(167, 143 + round((seconds - VALID_DAY_S) / 1800))


def _packed(septets: list[int]) -> bytes:
    """Eight characters in seven octets."""
    bits = sum(septet << 7 * at for at, septet in enumerate(septets))
    return bits.to_bytes((len(septets) * 7 + 7) // 8, "little")
