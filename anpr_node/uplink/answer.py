"""What a sink answered. Formats and couriers judge it; the line that carried it is not needed for that."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from dataclasses import dataclass

from anpr_node.uplink.backoff import WISH_MAX_S


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sink said, and how long it took."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    took_s: float = 0.0

    @property
    def retry_after_s(self) -> float | None:
        """The pause that the sink asks for, up to an hour; None if for none, or in words that nobody understands."""
        wish = self.headers.get("Retry-After", "").strip()
        if wish.isascii() and wish.isdigit():
            return min(float(wish), WISH_MAX_S)
        try:
            moment = email.utils.parsedate_tz(wish)
            wish_s = None if moment is None else email.utils.mktime_tz(moment) - time.time()
        except (ValueError, OverflowError, IndexError, TypeError):  # no date of this world
            return None
        return None if wish_s is None else min(max(0.0, wish_s), WISH_MAX_S)
