"""The modem's alarms: which are raised, and their events on the card, with the steps of recovery. It judges nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sqlite_utils import Database

from anpr_node.errors import StoreError
from anpr_node.store.events import Event, add_events, last_events
from anpr_node.supervision.alarms import Alarm
from anpr_node.supervision.modem import MODEM_STAGES, ModemStage, Trouble, Watcher
from anpr_node.supervision.recovery_steps import StepTaken
from anpr_node.units import NS_PER_DAY, NS_PER_H

log = logging.getLogger(__name__)

STEPS_A_DAY_MAX = 1000
PENDING_MAX = 1000


class ModemAlarms:
    """The book of one shift, in the database of its thread."""

    def __init__(self, database: Database, utc_ns: Callable[[], int]) -> None:
        self._database, self._utc_ns = database, utc_ns
        self._watcher = Watcher()
        self._raised: dict[str, Alarm] = {}
        self._pending: list[Event] = []
        self.earlier_steps = self._read_steps()
        self._steps = [(step.stage, step.at_ns) for step in self.earlier_steps]

    def __contains__(self, kind: str) -> bool:
        return kind in self._raised

    @property
    def raised(self) -> tuple[Alarm, ...]:
        """Those raised now."""
        return tuple(self._raised.values())

    @property
    def trouble(self) -> str:
        """The alarm of the modem itself, empty where there is none."""
        return self._watcher.raised

    @property
    def steps(self) -> tuple[str, ...]:
        """What was tried in the last hour."""
        since_ns = self._utc_ns() - NS_PER_H
        self._steps = [step for step in self._steps if step[1] > since_ns]
        return tuple(stage for stage, _ in self._steps)

    def look(self, now_ns: int, trouble: Trouble | None) -> None:
        """Take one look at the modem itself."""
        ended, begun = self._watcher.look(now_ns, trouble)
        if ended:
            self._end(ended)
        if begun:
            self._raise(begun, trouble.detail if trouble is not None else "")

    def hold(self, kind: str, holds: bool, detail: str = "") -> None:
        """An alarm besides, which is raised and ended at once."""
        if holds and kind not in self._raised:
            self._raise(kind, detail)
        elif not holds and kind in self._raised:
            self._end(kind)

    def note_step(self, stage: ModemStage, why: str) -> None:
        """Write a step down before it is done: a power cycle that takes the node with it must count."""
        utc_ns = self._utc_ns()
        log.warning("recovery: %s (%s)", stage, why)
        self._pending.append(Event(utc_ns, "recovery", stage, why))
        self._steps.append((stage, utc_ns))
        self.write()

    def write(self) -> None:
        """Put what is new on the card. What it does not take is kept, and tried again."""
        if not self._pending:
            return
        try:
            add_events(self._database, self._pending)
        except StoreError as error:
            log.error("%s", error)
            del self._pending[:-PENDING_MAX]
            return
        self._pending.clear()

    def _raise(self, kind: str, detail: str) -> None:
        alarm = Alarm(kind, self._utc_ns(), None, detail)
        self._raised[kind] = alarm
        log.warning("alarm %s (%s): %s", kind, detail, alarm.advice)
        self._pending.append(Event(alarm.raised_ns, "raised", kind, detail))

    def _end(self, kind: str) -> None:
        alarm = self._raised.pop(kind)
        log.warning("alarm %s is over", kind)
        self._pending.append(Event(self._utc_ns(), "cleared", kind, alarm.detail))

    def _read_steps(self) -> list[StepTaken[ModemStage]]:
        events = last_events(self._database, STEPS_A_DAY_MAX, "recovery", self._utc_ns() - NS_PER_DAY)
        return [StepTaken(stage, e.at_ns) for e in reversed(events) for stage in MODEM_STAGES if stage == e.kind]
