"""Checks on heat and supply, and on silence where traffic is usual."""

from __future__ import annotations

from collections.abc import Callable

from anpr_node.drivers.thermal import Heat
from anpr_node.supervision.limits import COOL_C, HOT_C, SILENCE_MIN_S, SILENCE_READS
from anpr_node.units import NS_PER_S

STEP_S = 60.0

UsualReads = Callable[[int], float]
"""Reads that an hour like that of a UTC moment (nanoseconds) usually brings; 0 where nothing is known."""


class Hot:
    """Too hot, until clearly cooler."""

    def __init__(self) -> None:
        self._hot = False

    def is_suspect(self, heat: Heat) -> bool | None:
        """None where the board has no thermometer."""
        if heat.temperature_c is None:
            return None
        self._hot = heat.temperature_c >= (COOL_C if self._hot else HOT_C)
        return self._hot


class Silence:
    """How many reads the time since the last one should have brought, by the usual of each of its hours.

    Intervals are monotonic; UTC, which may be set while the node runs, only tells the hour.
    """

    def __init__(self, now_ns: int, usual: UsualReads) -> None:
        self._usual = usual
        self._since_ns = self._counted_ns = now_ns
        self._missed = 0.0

    def read(self, now_ns: int) -> None:
        """A vehicle was read."""
        self._since_ns = self._counted_ns = now_ns
        self._missed = 0.0

    def is_suspect(self, now_ns: int, utc_ns: int) -> bool:
        """Whether so much silence is odd at this hour."""
        uncounted_s = (now_ns - self._counted_ns) / NS_PER_S
        if uncounted_s >= STEP_S:
            self._missed += self._usual(utc_ns) * uncounted_s / 3600
            self._counted_ns = now_ns
        return now_ns - self._since_ns >= SILENCE_MIN_S * NS_PER_S and self._missed >= SILENCE_READS
