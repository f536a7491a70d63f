"""What is tried when the camera fails, in stages and with limits: stream, driver, process, power.

It only decides; whoever asks it does the step and tells when something came back. Steps of earlier runs count, so that
a broken camera does not restart the board for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from anpr_node.supervision.limits import LIMITS, STAGES, Stage

NS_PER_S = 1_000_000_000
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many steps of a stage within so long, and how long one is given to help."""

    steps: int
    within_s: float
    patience_s: float


ALLOWANCES: dict[Stage, Allowance] = {
    "stream": Allowance(6, HOUR_S, 5.0),
    "driver": Allowance(3, HOUR_S, 10.0),
    "process": Allowance(3, HOUR_S, 10.0),
    "power": Allowance(2, 24 * HOUR_S, 10.0),
}


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was taken, and when (UTC nanoseconds: it outlives the process and the boot)."""

    stage: Stage
    at_ns: int


WAIT_MAX_S = max(allowance.patience_s for allowance in ALLOWANCES.values())


class Ladder:
    """One trouble after another: each begins with the mildest stage that still has an allowance."""

    def __init__(self, history: Iterable[Taken] = ()) -> None:
        """`history` are the steps of earlier runs."""
        self._taken = list(history)
        self._current: Stage | None = None
        self._wait_until_ns = 0
        self.exhausted = False

    def next_step(self, utc_ns: int, kinds: Iterable[str]) -> Stage | None:
        """The step to take now for the alarms that are raised; None: wait, or nothing to do, or nothing left."""
        highest = max((STAGES.index(stage) for stage in map(_stage_of, kinds) if stage is not None), default=None)
        if highest is None:
            self._current, self.exhausted = None, False
            return None
        wait_s = (self._wait_until_ns - utc_ns) / NS_PER_S
        if 0 < wait_s <= WAIT_MAX_S:  # a longer wait means that the clock was set back
            return None
        stage = self._allowed(utc_ns, highest)
        self.exhausted = stage is None
        if stage is None:
            self._current = None  # once there is an allowance again, begin mildly
            return None
        self._current = stage
        self._wait_until_ns = utc_ns + int(ALLOWANCES[stage].patience_s * NS_PER_S)
        self._taken.append(Taken(stage, utc_ns))
        return stage

    def _allowed(self, utc_ns: int, highest: int) -> Stage | None:
        first = 0 if self._current is None else STAGES.index(self._current) + 1
        return next((stage for stage in STAGES[first : highest + 1] if self._is_free(stage, utc_ns)), None)

    def _is_free(self, stage: Stage, utc_ns: int) -> bool:
        allowance = ALLOWANCES[stage]
        since_ns = utc_ns - int(allowance.within_s * NS_PER_S)
        return sum(taken.stage == stage and taken.at_ns > since_ns for taken in self._taken) < allowance.steps


def _stage_of(kind: str) -> Stage | None:
    return LIMITS[kind].recovery
