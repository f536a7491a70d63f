"""Identifiers made on the node: UUIDv7, so that ids sort by the time of the read (RFC 9562, section 5.7)."""

from __future__ import annotations

import os
import uuid

NS_PER_MS = 1_000_000


def uuid7(utc_ns: int) -> str:
    """A UUIDv7 for a moment: 48 bits of milliseconds, then 74 random bits."""
    milliseconds = utc_ns // NS_PER_MS & (1 << 48) - 1
    random = int.from_bytes(os.urandom(10), "big")
    value = milliseconds << 80 | 0x7 << 76 | (random >> 68 & 0xFFF) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    return str(uuid.UUID(int=value))
