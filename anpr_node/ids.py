"""Identifiers made on the node: UUIDv7, so that ids sort by the time of the read (RFC 9562, section 5.7)."""

from __future__ import annotations

import contextlib
import os
import threading
import uuid

from anpr_node.units import NS_PER_MS

REFERENCE_LENGTH = 8
"""So many last characters of a hit's id are its reference, which fits a text message."""
RANDOM_BITS = 64
"""The lower half: variant and random. The upper one is milliseconds, version and 12 bits that order within one."""


def uuid7(utc_ns: int) -> str:
    """A UUIDv7 for a moment: 48 bits of milliseconds, then 74 random bits."""
    milliseconds = utc_ns // NS_PER_MS & (1 << 48) - 1
    random = int.from_bytes(os.urandom(10), "big")
    value = milliseconds << 80 | 0x7 << 76 | (random >> 68 & 0xFFF) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    return str(uuid.UUID(int=value))


class Ids:
    """UUIDv7s that never go back, whatever the clock does: each sorts after all that were made before it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def start_after(self, last: str) -> None:
        """Make none that sorts before `last`, whatever the clock says; something that is no UUID changes nothing."""
        with contextlib.suppress(ValueError), self._lock:
            self._last = max(self._last, uuid.UUID(last).int >> RANDOM_BITS)

    def make(self, utc_ns: int) -> str:
        """The next one, for a moment: that of the clock, or just after the last one where the clock has gone back."""
        wanted = uuid.UUID(uuid7(utc_ns)).int
        with self._lock:
            if wanted >> RANDOM_BITS > self._last:
                self._last = wanted >> RANDOM_BITS
            else:
                self._last = _next(self._last)
            return str(uuid.UUID(int=self._last << RANDOM_BITS | wanted & (1 << RANDOM_BITS) - 1))


def _next(upper: int) -> int:
    """The upper 64 bits after these: the 12 random ones count up, then the millisecond does."""
    counter, milliseconds = upper & 0xFFF, upper >> 16
    if counter < 0xFFF:
        return upper + 1
    return milliseconds + 1 << 16 | 0x7 << 12
