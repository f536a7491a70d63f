"""The log of events: alarms raised and cleared, steps of recovery. No plate ever stands in it.

Bounded: the oldest events go when there are too many.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from anpr_node.errors import StoreError
from anpr_node.store.database import insert

EVENTS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Event:
    """One line: `what` is raised, cleared or recovery; `kind` the alarm or the stage. UTC nanoseconds."""

    at_ns: int
    what: str
    kind: str
    detail: str


def add_events(database: Database, events: Sequence[Event]) -> None:
    """Commit events. Raises StoreError when the card takes no writes."""
    try:
        with database.atomic():
            for event in events:
                row = {"at_ns": event.at_ns, "what": event.what, "kind": event.kind, "detail": event.detail}
                insert(database, "event", row)
            database.execute("DELETE FROM event WHERE event_id <= (SELECT max(event_id) FROM event) - ?", [EVENTS_MAX])
    except sqlite3.Error as error:
        raise StoreError(f"events not stored: {error}; free space or replace the card") from error


def last_events(database: Database, limit: int = 20, what: str | None = None, since_ns: int = 0) -> list[Event]:
    """The newest events, newest first."""
    rows = database.execute(
        "SELECT at_ns, what, kind, detail FROM event WHERE at_ns >= ? AND what = coalesce(?, what) "
        "ORDER BY event_id DESC LIMIT ?",
        [since_ns, what, limit],
    )
    return [Event(*row) for row in rows.fetchall()]


def prove_writes(database: Database, at_ns: int) -> bool:
    """Commit one row that is always the same one; whether the card took it."""
    try:
        with database.atomic():
            database.execute("INSERT OR REPLACE INTO proof (id, at_ns) VALUES (1, ?)", [at_ns])
    except sqlite3.Error:
        return False
    return True
