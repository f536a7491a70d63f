"""How many bytes may still go today and this month. Hits and heartbeats always go; what is left is for the others.

The count is kept in the store, so that a restart does not begin it anew. Days are those of UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlite_utils import Database

from anpr_node.config import UplinkSection
from anpr_node.store.outbox import bytes_on

NS_PER_S = 1_000_000_000
MB = 1_000_000
DAY_S = 86_400


class Budget:
    """The limits of a node; all its sinks share them."""

    def __init__(self, section: UplinkSection) -> None:
        self._section = section
        self.heartbeat_bytes = 0
        """What one costs; those that are still to come today are kept back."""

    def left(self, database: Database, utc_ns: int, unwritten: int = 0) -> int | None:
        """The bytes that reads and pictures may still use, None where there is no limit."""
        section, day = self._section, day_of(utc_ns)
        limits = [(section.day_mb, day), (section.month_mb, day[:7])]
        lefts = [round(mb * MB) - bytes_on(database, days) for mb, days in limits if mb is not None]
        return min(lefts) - unwritten - self._kept_back(utc_ns) if lefts else None

    def _kept_back(self, utc_ns: int) -> int:
        to_come_s = DAY_S - utc_ns // NS_PER_S % DAY_S
        return round(to_come_s / self._section.heartbeat_s * self.heartbeat_bytes)


def day_of(utc_ns: int) -> str:
    """The day as `2026-11-29`."""
    return datetime.fromtimestamp(utc_ns / NS_PER_S, UTC).strftime("%Y-%m-%d")


def is_night(utc_ns: int, night_utc: tuple[int, int]) -> bool:
    """Whether overviews go now."""
    hour, (first, last) = utc_ns // NS_PER_S // 3600 % 24, night_utc
    return first <= hour < last if first < last else hour >= first or hour < last
