"""Supervises one running node: fetches what its camera noted, keeps alarms and their log, recovers, feeds the watchdog.

Runs on the thread that waits beside the node. It never stops the loop or waits for it.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from anpr_node.config import Settings
from anpr_node.drivers.notify import Manager
from anpr_node.drivers.platform import Platform
from anpr_node.drivers.thermal import BoardThermometer, Heat, Thermometer
from anpr_node.errors import AnprError, CameraFault, PowerCycleNeeded, StoreError
from anpr_node.node import Node
from anpr_node.store.database import open_store
from anpr_node.store.events import Event, add_events, last_events, prove_writes
from anpr_node.store.traffic import hour_of, usual_reads
from anpr_node.supervision.alarms import Alarm
from anpr_node.supervision.limits import STAGES, Stage
from anpr_node.supervision.numbers import measure
from anpr_node.supervision.recovery import Ladder, Taken
from anpr_node.supervision.supervisor import Supervisor
from anpr_node.supervision.vitals import EXHAUSTED_WATCHDOG_S, WATCHDOG_S, Vitals
from anpr_node.supervision.watched import WatchedCamera
from anpr_node.units import NS_PER_DAY
from anpr_node.upkeep import Caretaker

log = logging.getLogger(__name__)

HEAT_PERIOD_S = 5.0
PENDING_MAX = 1000
LINK_ALARMS = {"sink_silent", "link_down", "modem_searching", "modem_denied"}
"""What the LED shows as `no_link`: nothing at the roadside is broken."""
STEPS_A_DAY_MAX = 1000
"""More than what all allowances of camera and modem make in a day."""


def watched(platform: Platform) -> tuple[Platform, WatchedCamera]:
    """The same platform, seen through a camera that is watched."""
    pulses = platform.pulses
    period_us = None if pulses is None else lambda: pulses.period_us
    camera = WatchedCamera(platform.camera, platform.clock, platform.illuminator, period_us)
    return replace(platform, camera=camera), camera


class Watch:
    """`beat` it about twice a second; `gave_up` then says whether the process must end, and why."""

    def __init__(self, settings: Settings, node: Node, camera: WatchedCamera, manager: Manager) -> None:
        """Open a connection of its own to the store. Raises StoreError."""
        self._settings, self._node, self._camera, self._manager = settings, node, camera, manager
        self._database = open_store(settings.state_folder)
        self._clock = node.platform.clock
        self._usual: dict[int, float] = {}
        self._supervisor = Supervisor(self._clock, self._usual_reads, settings.state_folder)
        self._caretaker = Caretaker(settings, self._database)
        self._ladder = Ladder(self._earlier_steps(), last="stream" if node.platform.painted else "power")
        self._vitals = Vitals(time.monotonic())
        self._pending: deque[Event] = deque(maxlen=PENDING_MAX)
        self._stored = ""
        self._heat_due_s = 0.0
        self._last_heat = Heat()
        self._patience_s = WATCHDOG_S
        self.thermometer: Thermometer = BoardThermometer()
        self.gave_up: AnprError | None = None

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """Those raised now: the camera's, the record's, the modem's."""
        modem = self._node.modem
        return self._supervisor.alarms + self._caretaker.alarms + (modem.report.alarms if modem is not None else ())

    def health(self) -> dict[str, object]:
        """The board and the camera as they are now, for the heartbeat."""
        heat = self._last_heat
        return {
            "temperature_c": heat.temperature_c,
            "throttled": heat.throttled,
            "undervoltage": heat.undervoltage,
            "frame_age_s": round(self._vitals.frame_age_s(time.monotonic()), 1),
            "clock": self._clock.state().source,
        }

    def close(self) -> None:
        """Write what is left to write; give the connection back."""
        self._write_events()
        self._database.close()

    def beat(self) -> None:
        """One round of everything."""
        now_ns, now_s = self._clock.monotonic_ns(), time.monotonic()
        changes = self._look_around(now_ns, now_s) + self._caretaker.look(now_ns, self._clock.utc_ns(now_ns))
        for alarm in changes:
            self._announce(alarm)
        self._show()
        self._recover(self._clock.utc_ns(now_ns))
        self._write_events()
        self._feed(now_ns, now_s)

    def _look_around(self, now_ns: int, now_s: float) -> list[Alarm]:
        marks, samples = self._camera.drain()
        for mark in marks:
            self._supervisor.frame(mark)
        changes: list[Alarm] = []
        for sample in samples:
            changes += self._supervisor.look(measure(sample.mark, sample.small))
        self._note_reads(now_ns)
        changes += self._supervisor.tick(now_ns, self._heat(now_s))
        if self._supervisor.wants_dark(now_ns):
            self._camera.ask_for_dark()
        return changes

    def _note_reads(self, now_ns: int) -> None:
        recent = self._node.desk.recent
        stored = recent[-1].read.read_id if recent else ""
        if stored != self._stored:
            self._stored = stored
            self._supervisor.read(now_ns)

    def _heat(self, now_s: float) -> Heat | None:
        if now_s < self._heat_due_s:
            return None
        self._heat_due_s = now_s + HEAT_PERIOD_S
        self._last_heat = self.thermometer.read()
        return self._last_heat

    def _show(self) -> None:
        """Tell the node what its LED says: a fault needs a visit, a link may come back."""
        kinds = {alarm.kind for alarm in self.alarms}
        self._node.is_unlinked, self._node.is_alarmed = bool(kinds & LINK_ALARMS), bool(kinds - LINK_ALARMS)

    def _announce(self, alarm: Alarm) -> None:
        if alarm.cleared_ns is None:
            log.warning("alarm %s (%s): %s", alarm.kind, alarm.detail, alarm.advice)
            self._pending.append(Event(alarm.raised_ns, "raised", alarm.kind, alarm.detail))
        else:
            log.warning("alarm %s is over", alarm.kind)
            self._pending.append(Event(alarm.cleared_ns, "cleared", alarm.kind, alarm.detail))

    def _recover(self, utc_ns: int) -> None:
        kinds = [alarm.kind for alarm in self._supervisor.alarms]
        stage = self._ladder.next_step(utc_ns, kinds)
        if stage is None:
            return
        log.warning("recovery: %s", stage)
        self._pending.append(Event(utc_ns, "recovery", stage, ", ".join(kinds)))
        steps: dict[Stage, Callable[[], None]] = {
            "stream": lambda: self._camera.ask_for(self._restart_stream),
            "driver": lambda: self._camera.ask_for(self._reopen_camera),
            "process": self._end_process,
            "power": self._end_for_power,
        }
        steps[stage]()

    def _restart_stream(self) -> None:
        """In the loop's thread: pulses and camera stream stop and start, nothing is configured again."""
        self._node.platform.restart_pulses(self._settings.camera)
        self._camera.restart()

    def _reopen_camera(self) -> None:
        """In the loop's thread: close the camera, open it anew. One that does not open is tried again by a restart."""
        reopen = self._node.platform.reopen
        if reopen is None:
            return
        self._camera.close()
        self._camera.replace(reopen())

    def _end_process(self) -> None:
        self.gave_up = CameraFault("the camera stays faulty: the process ends and is started again")

    def _end_for_power(self) -> None:
        self.gave_up = PowerCycleNeeded("the camera stays faulty after restarts: the power must be cycled")

    def _write_events(self) -> None:
        events = list(self._pending)
        if not events:
            return
        try:
            add_events(self._database, events)
        except StoreError as error:
            log.error("%s", error)  # they are kept and tried again
            return
        for _ in events:
            self._pending.popleft()

    def _feed(self, now_ns: int, now_s: float) -> None:
        """Food only for moving frames and succeeding commits; longer patience when every step is used up."""
        self._vitals.frames(self._camera.frames, now_s)
        self._vitals.commits(self._stored, self._node.snapshot().store_failures, now_s)
        if self._vitals.needs_proof(now_s):
            self._vitals.proved(prove_writes(self._database, self._clock.utc_ns(now_ns)), now_s)
        patience_s = EXHAUSTED_WATCHDOG_S if self._ladder.exhausted else WATCHDOG_S
        if patience_s != self._patience_s:
            self._patience_s = patience_s
            self._manager.set_watchdog(patience_s)
        text = ", ".join(alarm.kind for alarm in self.alarms) or "all well"
        if self._vitals.is_alive(now_s):
            self._manager.alive(text)
        else:
            self._manager.status(f"not alive: {text}")

    def _earlier_steps(self) -> list[Taken]:
        since_ns = self._clock.utc_ns(self._clock.monotonic_ns()) - NS_PER_DAY
        events = last_events(self._database, STEPS_A_DAY_MAX, "recovery", since_ns)
        return [Taken(stage, event.at_ns) for event in reversed(events) for stage in STAGES if stage == event.kind]

    def _usual_reads(self, utc_ns: int) -> float:
        hour = hour_of(utc_ns)
        if hour not in self._usual:
            try:
                self._usual = {hour: usual_reads(self._database, utc_ns)}
            except sqlite3.Error as error:
                log.warning("the usual of this hour is not known: %s", error)
                self._usual = {hour: 0.0}
        return self._usual[hour]
