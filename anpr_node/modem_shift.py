"""One stretch of keeping the modem, from one thread with one connection to the store: look, judge, recover, tell.

Used by modem_keeper.py, which begins another one when the store fails. Everything that it tries has a limit.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sqlite_utils import Database

from anpr_node.alert import sms, sms_account
from anpr_node.alert.sms_account import Account
from anpr_node.config import Settings
from anpr_node.drivers.clock import Clock
from anpr_node.drivers.modem.line import ModemLine
from anpr_node.drivers.modem.link import LinkState
from anpr_node.drivers.modem.protocol import Modem, ModemState
from anpr_node.errors import ModemError, ModemGone, ModemLeft, ModemLocked, ModemRestarted, ModemTaken
from anpr_node.modem_alarms import ModemAlarms
from anpr_node.supervision.alarms import Alarm
from anpr_node.supervision.modem import (
    COOL_C,
    HOT_C,
    LOSSES,
    LOSSES_WITHIN_S,
    ModemLadder,
    ModemStage,
    Trouble,
)
from anpr_node.units import NS_PER_S

log = logging.getLogger(__name__)

TICK_S = 1.0
LOCKED_RETRY_S = 60.0
MISSING_RETRY_S = 3.0
PROBES_FAILED = 2
ACCOUNT_S = 5.0
POWER_BY_HAND_S = 60.0
"""A person may cycle the power so often; the allowance does not bind a person."""


@dataclass(frozen=True, slots=True)
class ModemReport:
    """What a console shows: the modem, its link, its alarms, what was tried in the last hour, the messages."""

    modem: ModemState = field(default_factory=ModemState)
    link: LinkState = field(default_factory=LinkState)
    alarms: tuple[Alarm, ...] = ()
    trouble: str = ""
    steps: tuple[str, ...] = ()
    messages: Account = field(default_factory=Account)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a shift works with. `clock` is the node's, whose UTC the hits carry; `wait` is how it passes time."""

    settings: Settings
    line: ModemLine
    modem: Modem
    clock: Clock
    wait: Callable[[float], object]
    power_asked: threading.Event
    pace: float = 1.0
    """Stretches or shrinks every wait alike."""


class Shift:
    """Tick it until the node stops."""

    def __init__(self, around: Surroundings, database: Database) -> None:
        self._settings, self._line, self._modem = around.settings, around.line, around.modem
        self._clock, self._wait, self._pace = around.clock, around.wait, around.pace
        self._power_asked, self._database = around.power_asked, database
        self._state, self._link = ModemState(), LinkState(False, self._settings.modem.interface)
        self._trouble: Trouble | None = None
        self._idle_until_ns = self._look_due_ns = self._probe_due_ns = 0
        self._account_due_ns = self._by_hand_ns = 0
        self._probes_failed = 0
        self._was_open = False
        self._losses: deque[int] = deque(maxlen=LOSSES)
        self._account = Account()
        self.report = ModemReport()
        self._alarms = ModemAlarms(database, self._utc_ns)
        self._ladder = ModemLadder(self._line.supply is not None, self._alarms.earlier_steps)
        sms_account.after_start(database, self._utc_ns())

    def tick(self) -> None:
        """One round: look, judge, recover, tell. Raises ModemLeft, StoreError, sqlite3.Error."""
        self._trouble = self._tend()
        self._alarms.look(self._line.clock.monotonic_ns(), self._trouble)
        self._judge_rest()
        self._recover()
        self._tell()
        self._publish()

    def _tend(self) -> Trouble | None:
        """What is wrong now."""
        if self._line.clock.monotonic_ns() < self._idle_until_ns:
            self._wait(TICK_S * self._pace)
            return self._trouble
        try:
            self._modem.start()
            self._was_open = True
            self._modem.listen(TICK_S)
            self._look()
        except ModemLeft:
            raise
        except ModemError as error:
            return self._failed(error)
        return self._trouble_with(self._state, self._link)

    def _failed(self, error: ModemError) -> Trouble:
        kind, idle_s = "modem_silent", 0.0
        if isinstance(error, ModemLocked):
            kind, idle_s = "sim_locked", LOCKED_RETRY_S
        elif isinstance(error, ModemGone):
            kind = "modem_taken" if isinstance(error, ModemTaken) else "modem_missing"
            idle_s = MISSING_RETRY_S
            self._modem.close()
        if self._was_open and isinstance(error, ModemGone | ModemRestarted):
            self._losses.append(self._line.clock.monotonic_ns())
        self._was_open = False
        self._state = ModemState()
        self._idle(idle_s)
        self._look_due_ns = 0
        if idle_s:
            self._wait(TICK_S * self._pace)
        return Trouble(kind, str(error))

    def _idle(self, seconds: float) -> None:
        self._idle_until_ns = self._line.clock.monotonic_ns() + int(seconds * self._pace * NS_PER_S)

    def _look(self) -> None:
        now_ns = self._line.clock.monotonic_ns()
        self._link = self._line.link.look()
        if now_ns < self._look_due_ns:
            return
        self._state = self._modem.look()
        self._look_due_ns = now_ns + int(self._settings.modem.look_s * self._pace * NS_PER_S)
        if self._settings.modem.probe and self._link.up and now_ns >= self._probe_due_ns:
            self._probe_due_ns = now_ns + int(self._settings.modem.probe_s * self._pace * NS_PER_S)
            self._probes_failed = 0 if self._line.link.reach() is not None else self._probes_failed + 1

    def _trouble_with(self, state: ModemState, link: LinkState) -> Trouble | None:
        """The most fundamental one."""
        return next(self._troubles(state, link), None)

    def _troubles(self, state: ModemState, link: LinkState) -> Iterator[Trouble]:
        if state.sim in {"absent", "busy", "unknown"}:
            yield Trouble("sim_missing", f"card {state.sim}")
        if state.sim != "ready":
            yield Trouble("sim_locked", f"card {state.sim}")
        if state.registration == "denied":
            yield Trouble("modem_denied")
        if not state.is_registered:
            yield Trouble("modem_searching", f"{state.registration}, signal {state.signal_dbm or '-'} dBm")
        if not link.up:
            yield Trouble("link_down", f"{link.interface or 'no interface'} {link.address or 'without address'}")
        if self._probes_failed >= PROBES_FAILED:
            yield Trouble("link_down", f"{self._settings.modem.probe} does not answer")

    def _judge_rest(self) -> None:
        """What may be wrong besides."""
        temperature_c = self._state.temperature_c
        if temperature_c is not None:
            hot = temperature_c >= (COOL_C if "modem_hot" in self._alarms else HOT_C)
            self._alarms.hold("modem_hot", hot, f"{temperature_c} °C")
        self._alarms.hold("modem_unstable", self._is_unstable())
        failed = self._account.failed_in_an_hour
        self._alarms.hold("sms_failed", failed > 0, f"{failed} in an hour")
        trouble = self._alarms.trouble
        self._alarms.hold("modem_exhausted", self._ladder.is_exhausted and bool(trouble), trouble)

    def _is_unstable(self) -> bool:
        since_ns = self._line.clock.monotonic_ns() - int(LOSSES_WITHIN_S * self._pace * NS_PER_S)
        return len(self._losses) == LOSSES and self._losses[0] > since_ns

    def _recover(self) -> None:
        utc_ns = self._utc_ns()
        kind = self._alarms.trouble if self._trouble is not None else ""
        kind = "modem_unstable" if "modem_unstable" in self._alarms else kind
        stage = self._ladder.next_step(utc_ns, kind)
        if stage is not None:
            self._take(stage, kind)
        elif self._power_asked.is_set():
            self._power_asked.clear()
            self._cycle_by_hand(utc_ns)

    def _cycle_by_hand(self, utc_ns: int) -> None:
        if self._line.supply is None or 0 <= utc_ns - self._by_hand_ns < POWER_BY_HAND_S * NS_PER_S:
            log.warning("the modem's power is not cycled: no relay is fitted, or it was done a moment ago")
            return
        self._by_hand_ns = utc_ns
        self._ladder.note("modem_power", utc_ns)
        self._take("modem_power", "asked for")

    def _take(self, stage: ModemStage, why: str) -> None:
        self._alarms.note_step(stage, why)
        if stage == "modem_reset":
            self._modem.reset()
        self._modem.close()
        self._was_open = False
        if stage == "modem_power":
            self._cycle_power()
        self._look_due_ns = self._idle_until_ns = 0

    def _cycle_power(self) -> None:
        assert self._line.supply is not None
        try:
            self._line.supply.on()
            self._wait(self._settings.modem.power_off_s * self._pace)
        finally:
            self._line.supply.off()

    def _tell(self) -> None:
        """Text messages: what is due is queued whatever the modem does, and sent while it can."""
        utc_ns = self._utc_ns()
        sms.queue_due(self._database, self._settings, utc_ns)
        for report in self._modem.reports():
            if report.fate != "pending":
                delivered = report.fate == "delivered"
                sms_account.reported(
                    self._database, report.reference, report.number_ending, delivered=delivered, now_ns=utc_ns
                )
        if self._state.sim == "ready" and self._state.is_registered:
            try:
                sms.send_next(self._database, self._modem, self._settings, utc_ns)
            except ModemLeft:
                raise
            except ModemError as error:
                self._failed(error)  # what it was about must not show: the next look says what is wrong
        self._count_messages(utc_ns)

    def _count_messages(self, utc_ns: int) -> None:
        now_ns = self._line.clock.monotonic_ns()
        if now_ns >= self._account_due_ns:
            self._account_due_ns = now_ns + int(ACCOUNT_S * self._pace * NS_PER_S)
            self._account = sms_account.account(self._database, utc_ns)

    def _publish(self) -> None:
        self._alarms.write()
        self.report = ModemReport(
            self._state,
            self._link,
            self._alarms.raised,
            self._trouble.kind if self._trouble else "",
            self._alarms.steps,
            self._account,
        )

    def _utc_ns(self) -> int:
        return self._clock.utc_ns(self._clock.monotonic_ns())
