"""What is tried when the camera fails, in stages and with limits: stream, driver, process, power.

It only decides; whoever asks it does the step and tells when something came back. Steps of earlier runs count, so that
a broken camera does not restart the board for ever.
"""

from __future__ import annotations

from collections.abc import Iterable

from anpr_node.supervision.limits import LIMITS, STAGES, Stage
from anpr_node.supervision.recovery_steps import Allowance, Steps, StepTaken

HOUR_S = 3600.0
Taken = StepTaken[Stage]

ALLOWANCES: dict[Stage, Allowance] = {
    "stream": Allowance(6, HOUR_S, 5.0),
    "driver": Allowance(3, HOUR_S, 10.0),
    "process": Allowance(3, HOUR_S, 10.0),
    "power": Allowance(2, 24 * HOUR_S, 10.0),
}


class Ladder:
    """One trouble after another: each begins with the mildest stage that still has an allowance."""

    def __init__(self, history: Iterable[Taken] = (), last: Stage = "power") -> None:
        """`history` are the steps of earlier runs, `last` the harshest that can help this camera."""
        self._steps: Steps[Stage] = Steps(ALLOWANCES, history)
        self._stages = STAGES[: STAGES.index(last) + 1]

    @property
    def exhausted(self) -> bool:
        """Whether a step would be due and none is left."""
        return self._steps.exhausted

    def next_step(self, utc_ns: int, kinds: Iterable[str]) -> Stage | None:
        """The step to take now for the alarms that are raised; None: wait, or nothing to do, or nothing left."""
        highest = max((STAGES.index(stage) for stage in map(_stage_of, kinds) if stage is not None), default=None)
        if highest is None:
            self._steps.rest()
            return None
        return self._steps.next(utc_ns, self._stages[: highest + 1])


def _stage_of(kind: str) -> Stage | None:
    return LIMITS[kind].recovery
