"""Keeps the modem working while the node runs, and sends its text messages: the body of thread `modem`.

It never waits for anybody else nor makes anybody wait, and a modem that fails never ends the node. What it does stands
in modem_shift.py.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from dataclasses import asdict
from typing import Any

from sqlite_utils import Database

from anpr_node.config import Settings
from anpr_node.drivers.clock import Clock
from anpr_node.drivers.modem.dialogue import Patience
from anpr_node.drivers.modem.line import ModemLine
from anpr_node.drivers.modem.modem import AtModem, Wishes
from anpr_node.drivers.modem.pin import PinMemory
from anpr_node.errors import AnprError, ModemLeft, StoreDamaged
from anpr_node.modem_shift import ModemReport, Shift, Surroundings
from anpr_node.store.database import open_store
from anpr_node.store.key import secret_for

log = logging.getLogger(__name__)

STORE_BUSY_S = 2.0
"""It has time: the recorder and the keeper write in moments."""
AGAIN_S = 10.0


class ModemKeeper:
    """The keeper of one modem. `work` is the thread's body; everything else may be called from any thread."""

    def __init__(self, settings: Settings, line: ModemLine, clock: Clock, pace: float = 1.0) -> None:
        """`clock` is the node's, whose UTC the hits carry. `pace` stretches or shrinks every wait alike."""
        self._settings, self._line, self._clock, self._pace = settings, line, clock, pace
        self._power_asked = threading.Event()
        self.report = ModemReport()

    def ask_for_power_cycle(self) -> None:
        """Have the supply cut and restored as soon as nothing is being sent."""
        self._power_asked.set()

    def reach(self) -> float | None:
        """Milliseconds until the far end of the data link answered; None: it did not, or none is named."""
        return self._line.link.reach()

    def work(self, stopping: threading.Event) -> None:
        """Until the node stops. What goes wrong with the store is said, and tried again. Raises StoreDamaged."""
        while not stopping.is_set():
            try:
                with contextlib.closing(open_store(self._settings.state_folder, STORE_BUSY_S)) as database:
                    self._work_with(database, stopping)
            except ModemLeft:
                return
            except StoreDamaged:
                raise
            except (AnprError, OSError, sqlite3.Error) as error:
                log.error("the modem is not kept now: %s", error)
                stopping.wait(AGAIN_S * self._pace)

    def _work_with(self, database: Database, stopping: threading.Event) -> None:
        modem = open_modem(self._settings, self._line, Patience(stopping.is_set, self._pace))
        with contextlib.closing(modem):
            around = Surroundings(
                self._settings, self._line, modem, self._clock, stopping.wait, self._power_asked, self._pace
            )
            shift = Shift(around, database)
            while not stopping.is_set():
                shift.tick()
                self.report = shift.report


def open_modem(settings: Settings, line: ModemLine, patience: Patience) -> AtModem:
    """The modem of a node; its port is opened when it is first needed. Raises StoreError, OSError."""
    section = settings.modem
    wishes = Wishes(section.read_pin, section.message_format, settings.sms.until_s)
    pins = PinMemory(settings.state_folder, secret_for(settings.state_folder, "modem"))
    return AtModem(line.open_port, line.clock, pins, wishes, patience)


def as_text(report: ModemReport) -> list[str]:
    """The same for a person, a line each."""
    modem, link, messages = report.modem, report.link, report.messages
    signal = "-" if modem.signal_dbm is None else f"{modem.signal_dbm} dBm"
    heat = "" if modem.temperature_c is None else f", {modem.temperature_c} °C"
    return [
        f"modem       {modem.model or 'not answering'}{heat}, card {modem.sim}",
        f"network     {modem.registration}, {modem.operator or 'no operator'} {modem.technology}".rstrip()
        + f", signal {signal}",
        f"link        {link.interface or '-'} {'up' if link.up else 'DOWN'} {link.address}".rstrip(),
        *(f"ALARM       {alarm.kind} ({alarm.detail}): {alarm.advice}" for alarm in report.alarms),
        f"recovery    {', '.join(report.steps) or 'nothing'} in the last hour",
        f"messages    {messages.waiting} waiting, {messages.sent} with the network, {messages.delivered} delivered,"
        f" {messages.failed} failed",
    ]


def as_row(report: ModemReport) -> dict[str, Any]:
    """The same for programs, without the alarms, which stand among the node's."""
    return {name: value for name, value in asdict(report).items() if name != "alarms"}
