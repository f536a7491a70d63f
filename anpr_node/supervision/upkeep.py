"""What needs care though frames move: a list that grows old, a back office that does not answer.

Told what was found, and when; looks at nothing itself. Nothing here is recovered by a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LOOK_EVERY_S = 15.0
SINK_SILENT_S = 180.0


@dataclass(frozen=True, slots=True)
class UpkeepLimit:
    """One alarm: its rule, the stated times from the moment the rule is met or no longer met, what to do."""

    kind: str
    rule: str
    found_s: float
    cleared_s: float
    advice: str


_TABLE = (
    UpkeepLimit("list_overdue", "a list is older than its max_age_h, was never delivered, or cannot be read",
                30, 30, "see `anpr-node hotlist status`; then `hotlist update`, or ask who issues it"),
    UpkeepLimit("sink_silent", f"a sink has taken nothing for {SINK_SILENT_S:g} s, though it was tried",
                30, 30, "see `anpr-node uplink status` for its answer; reads are kept meanwhile"),
)  # fmt: skip
UPKEEP_LIMITS = {limit.kind: limit for limit in _TABLE}


class Upkeep:
    """Which of these alarms hold, and since when. Times are UTC nanoseconds."""

    def __init__(self) -> None:
        self._holding: dict[str, tuple[int, str]] = {}

    @property
    def holding(self) -> Mapping[str, tuple[int, str]]:
        """Since when, and the numbers, by kind."""
        return self._holding

    def look(self, utc_ns: int, found: Mapping[str, str]) -> tuple[list[str], dict[str, tuple[int, str]]]:
        """Take what one look found, numbers by kind; returns the kinds that began, and what ended as it was."""
        began = [kind for kind in found if kind not in self._holding]
        ended = {kind: held for kind, held in self._holding.items() if kind not in found}
        self._holding = {
            kind: (self._holding[kind][0] if kind in self._holding else utc_ns, detail)
            for kind, detail in found.items()
        }
        return began, ended
