"""Keeps the modem working while the node runs, and sends its text messages: the body of thread `modem`.

It never waits for anybody else nor makes anybody wait, and a modem that fails never ends the node. What it does stands
in modem_shift.py.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from anpr_node.config import RUN_FOLDER, Settings
from anpr_node.drivers.clock import Clock
from anpr_node.drivers.modem.dialogue import Patience
from anpr_node.drivers.modem.line import ModemLine, open_line
from anpr_node.drivers.modem.modem import AtModem, Wishes
from anpr_node.drivers.modem.pin import PinMemory
from anpr_node.errors import AnprError, ConfigError, ModemLeft, StoreDamaged
from anpr_node.modem_shift import ModemReport, Shift, Surroundings
from anpr_node.store.database import open_store
from anpr_node.store.key import secret_for

log = logging.getLogger(__name__)

STORE_BUSY_S = 2.0
"""It has time: the recorder and the keeper write in moments."""
AGAIN_S = 10.0
SETTLE_S = 1.0
NO_MODEM = "no modem is configured: set modem.kind = 'serial', see docs/modem.md"


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
                self._see_request()
                shift.tick()
                self.report = shift.report

    def _see_request(self) -> None:
        path = request_path(self._settings)
        if path.exists():
            path.unlink(missing_ok=True)
            self.ask_for_power_cycle()


def open_modem(settings: Settings, line: ModemLine, patience: Patience) -> AtModem:
    """The modem of a node; its port is opened when it is first needed. Raises StoreError, OSError."""
    section = settings.modem
    wishes = Wishes(section.read_pin, section.message_format, settings.sms.until_s)
    pins = PinMemory(settings.state_folder, secret_for(settings.state_folder, "modem"))
    return AtModem(line.open_port, line.clock, pins, wishes, patience)


def ask(settings: Settings, line: ModemLine | None = None) -> ModemReport:
    """How the modem stands now, asked directly: for when no node keeps it. Raises AnprError."""
    line = line or open_line(settings.modem, None)
    if line is None:
        raise ConfigError(NO_MODEM)
    with contextlib.closing(open_modem(settings, line, Patience())) as modem:
        modem.start()
        modem.listen(SETTLE_S)
        return ModemReport(modem.look(), line.link.look())


def request_path(settings: Settings) -> Path:
    """The file by which another process asks for a power cycle: where the node runs, or in its state folder."""
    return (RUN_FOLDER if os.access(RUN_FOLDER, os.W_OK) else settings.state_folder) / "modem-power-cycle"


def as_row(report: ModemReport) -> dict[str, Any]:
    """A report for programs, without the alarms, which stand among the node's."""
    return {name: value for name, value in asdict(report).items() if name != "alarms"}


def as_text(row: Mapping[str, Any]) -> list[str]:
    """The same for a person, a line each."""
    modem, link, messages = row["modem"], row["link"], row["messages"]
    signal = "-" if modem["signal_dbm"] is None else f"{modem['signal_dbm']} dBm"
    heat = "" if modem["temperature_c"] is None else f", {modem['temperature_c']} °C"
    network = " ".join(filter(None, [f"{modem['registration']},", modem["operator"], modem["technology"]]))
    return [
        f"modem       {modem['model'] or 'not answering'}{heat}, card {modem['sim']}",
        f"network     {network.rstrip(',')}, signal {signal}",
        f"link        {link['interface'] or '-'} {'up' if link['up'] else 'DOWN'} {link['address']}".rstrip(),
        f"recovery    {', '.join(row['steps']) or 'nothing'} in the last hour",
        f"messages    {messages['waiting']} waiting, {messages['sent']} with the network,"
        f" {messages['delivered']} delivered, {messages['failed']} failed",
    ]
