"""Looks in the store, now and then, for what needs care though frames move, and makes alarms of it.

Reads a few rows; changes nothing. A store that cannot be read now is somebody else's alarm: what was known stays.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from sqlite_utils import Database

from anpr_node.config import Settings
from anpr_node.errors import AnprError
from anpr_node.hotlist.lists import overdue
from anpr_node.supervision.alarms import Alarm
from anpr_node.supervision.upkeep import LOOK_EVERY_S, SINK_SILENT_S, Upkeep
from anpr_node.units import NS_PER_S


class Caretaker:
    """`look` it as often as you like: it asks the store every LOOK_EVERY_S."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database
        self._upkeep = Upkeep()
        self._due_ns = 0

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """Those raised now."""
        return tuple(Alarm(kind, since_ns, None, detail) for kind, (since_ns, detail) in self._upkeep.holding.items())

    def look(self, now_ns: int, utc_ns: int) -> list[Alarm]:
        """The alarms that began or ended now. `now_ns` is monotonic."""
        if now_ns < self._due_ns:
            return []
        self._due_ns = now_ns + round(LOOK_EVERY_S * NS_PER_S)
        try:
            found = dict(self._find(utc_ns))
        except (AnprError, sqlite3.Error):
            return []
        began, ended = self._upkeep.look(utc_ns, found)
        over = [Alarm(kind, since_ns, utc_ns, detail) for kind, (since_ns, detail) in ended.items()]
        return over + [Alarm(kind, utc_ns, None, found[kind]) for kind in began]

    def _find(self, utc_ns: int) -> Iterator[tuple[str, str]]:
        late = overdue(self._database, self._settings, utc_ns)
        if late:
            yield "list_overdue", "; ".join(f"{name}: {problem}" for name, problem in late)
        silent = [name for name, since_ns in self._failing() if utc_ns - since_ns >= SINK_SILENT_S * NS_PER_S]
        if silent:
            yield "sink_silent", ", ".join(silent)

    def _failing(self) -> list[tuple[str, int]]:
        names = {sink.name for sink in self._settings.sinks}
        rows = self._database.execute("SELECT sink, failing_ns FROM sink_state WHERE failing_ns IS NOT NULL")
        return [(name, since_ns) for name, since_ns in rows.fetchall() if name in names]
