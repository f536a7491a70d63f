"""How many bytes may still go today and this month. Hits and heartbeats always go; what is left is for the others.

Pictures may use no more than the part of the day and month that is over, so that reads of the evening find room. The
count is kept in the store, so that a restart does not begin it anew. Days are those of UTC.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime

from sqlite_utils import Database

from anpr_node.config import UplinkSection
from anpr_node.store.outbox import bytes_on
from anpr_node.units import NS_PER_S

MB = 1_000_000
DAY_S = 86_400
PICTURES = frozenset({"patch", "overview", "night"})
HITS_SHARE = 0.01
"""Of the rest of the day, kept back for hits."""


class Budget:
    """The limits of a node; all its sinks share them."""

    def __init__(self, section: UplinkSection) -> None:
        self._section = section
        self.heartbeat_bytes = 0
        """What one costs; those that are still to come are kept back."""

    def left(self, database: Database, utc_ns: int, kind: str, unwritten: int = 0) -> int | None:
        """The bytes that a kind of the outbox may still use, None where there is no limit."""
        day, month = _parts(utc_ns)
        lefts = [
            round(self._allowed(mb * MB, over, days, kind)) - bytes_on(database, prefix)
            for mb, (prefix, over, days) in ((self._section.day_mb, day), (self._section.month_mb, month))
            if mb is not None
        ]
        return min(lefts) - unwritten if lefts else None

    def _allowed(self, limit: float, over: float, days: int, kind: str) -> float:
        """Of a limit when this part of its time is over."""
        kept_back = limit * HITS_SHARE + days * DAY_S / self._section.heartbeat_s * self.heartbeat_bytes
        allowed = limit - kept_back * (1 - over)
        return min(allowed, limit * over) if kind in PICTURES else allowed


def day_of(utc_ns: int) -> str:
    """The day as `2026-11-29`."""
    return datetime.fromtimestamp(utc_ns / NS_PER_S, UTC).strftime("%Y-%m-%d")


def _parts(utc_ns: int) -> tuple[tuple[str, float, int], tuple[str, float, int]]:
    """Day and month: how they are called, the part of them that is over, and their days."""
    moment = datetime.fromtimestamp(utc_ns // NS_PER_S, UTC)
    day, over = day_of(utc_ns), utc_ns // NS_PER_S % DAY_S / DAY_S
    days = monthrange(moment.year, moment.month)[1]
    return (day, over, 1), (day[:7], (moment.day - 1 + over) / days, days)


def is_night(utc_ns: int, night_utc: tuple[int, int]) -> bool:
    """Whether overviews go now."""
    hour, (first, last) = utc_ns // NS_PER_S // 3600 % 24, night_utc
    return first <= hour < last if first < last else hour >= first or hour < last
