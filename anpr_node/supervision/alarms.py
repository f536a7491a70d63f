"""An alarm as a record, and the latch that makes one alarm of many suspicions and ends it by itself.

No time is read here: every observation brings its own.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from anpr_node.supervision.limits import LIMITS, Limit
from anpr_node.supervision.modem import MODEM_LIMITS
from anpr_node.supervision.upkeep import UPKEEP_LIMITS
from anpr_node.units import NS_PER_S

SUSPECT_SHARE, FREE_SHARE = 0.7, 0.3


@dataclass(frozen=True, slots=True)
class Alarm:
    """One fault from its first alarm to its end. Times are UTC nanoseconds; `detail` is numbers, never a plate."""

    kind: str
    raised_ns: int
    cleared_ns: int | None
    detail: str

    @property
    def advice(self) -> str:
        """What to do at the roadside."""
        return (LIMITS.get(self.kind) or MODEM_LIMITS.get(self.kind) or UPKEEP_LIMITS[self.kind]).advice


class Latch:
    """Raised when most observations of `hold_s` are suspicious, cleared when few of `free_s` are."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._seen: deque[tuple[int, bool]] = deque()
        self.raised = False

    def observe(self, now_ns: int, suspect: bool | None) -> bool:
        """Take one verdict, None if there is none; whether that raised or cleared the alarm."""
        if suspect is None:
            return False
        if self._seen and now_ns - self._seen[-1][0] > self._window_ns:
            self._seen.clear()  # what was seen before a long silence says nothing about now
        self._seen.append((now_ns, suspect))
        changed = self._decide(now_ns, suspect)
        if changed:
            self.raised = not self.raised
            self._seen.clear()
        return changed

    def forget(self) -> None:
        """Not judged now: suspicions so far do not count."""
        self._seen.clear()

    @property
    def _window_ns(self) -> int:
        return int((self._limit.free_s if self.raised else self._limit.hold_s) * NS_PER_S) + NS_PER_S

    def _decide(self, now_ns: int, suspect: bool) -> bool:
        wait_s = self._limit.free_s if self.raised else self._limit.hold_s
        wanted_ns = int(wait_s * NS_PER_S)
        if not wanted_ns:
            return suspect is not self.raised
        full = now_ns - self._seen[0][0] >= wanted_ns
        while now_ns - self._seen[0][0] > wanted_ns:
            self._seen.popleft()
        share = sum(verdict for _, verdict in self._seen) / len(self._seen)
        return full and (share <= FREE_SHARE if self.raised else share >= SUSPECT_SHARE)
