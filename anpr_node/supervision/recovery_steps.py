"""Steps of growing severity, each with an allowance and with time to help: what all ladders of recovery have in common.

It only decides. Which steps there are, and what they do, is somebody else's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from anpr_node.units import NS_PER_S

TAKEN_KEPT = 2000
S = TypeVar("S", bound=str)


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many steps of a stage within so long, and how long one is given to help."""

    steps: int
    within_s: float
    patience_s: float


@dataclass(frozen=True)
class StepTaken(Generic[S]):
    """A step that was taken, and when (UTC nanoseconds: it outlives the process and the boot)."""

    stage: S
    at_ns: int


class Steps(Generic[S]):
    """One trouble after another: each begins with the mildest stage that still has an allowance."""

    def __init__(self, allowances: Mapping[S, Allowance], history: Iterable[StepTaken[S]] = ()) -> None:
        """`history` are the steps of earlier runs."""
        self._allowances = allowances
        self._wait_max_s = max(allowance.patience_s for allowance in allowances.values())
        self._taken = deque(history, TAKEN_KEPT)
        self._current: S | None = None
        self._wait_until_ns = 0
        self.exhausted = False
        """Whether the last one that was asked for found nothing further up."""
        self.spent = False
        """Whether there was nothing at all, however mild."""

    def rest(self) -> None:
        """Nothing to recover."""
        self._current, self.exhausted, self.spent = None, False, False

    def next(self, utc_ns: int, stages: Sequence[S]) -> S | None:
        """The step to take now, of those that may help, mildest first; None: wait, or nothing left."""
        wait_s = (self._wait_until_ns - utc_ns) / NS_PER_S
        if 0 < wait_s <= self._wait_max_s:  # a longer wait means that the clock was set back
            return None
        stage = self._allowed(utc_ns, stages)
        self.exhausted = stage is None
        self.spent = not any(self._is_free(each, utc_ns) for each in stages)
        if stage is None:
            self._current = None  # once there is an allowance again, begin mildly
            return None
        self._current = stage
        self._wait_until_ns = utc_ns + int(self._allowances[stage].patience_s * NS_PER_S)
        self.note(stage, utc_ns)
        return stage

    def note(self, stage: S, utc_ns: int) -> None:
        """Count a step."""
        self._taken.append(StepTaken(stage, utc_ns))

    def _allowed(self, utc_ns: int, stages: Sequence[S]) -> S | None:
        first = stages.index(self._current) + 1 if self._current in stages else 0
        return next((stage for stage in stages[first:] if self._is_free(stage, utc_ns)), None)

    def _is_free(self, stage: S, utc_ns: int) -> bool:
        allowance = self._allowances[stage]
        since_ns = utc_ns - int(allowance.within_s * NS_PER_S)
        return sum(taken.stage == stage and taken.at_ns > since_ns for taken in self._taken) < allowance.steps
