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
NS_PER_HOUR = 3_600_000_000_000
NS_PER_DAY = 24 * NS_PER_HOUR
DAYS_BACK, DAYS_NEEDED = 7, 3


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


def usual_reads(database: Database, utc_ns: int) -> float:
    """Reads that this hour of the day brought on the second quietest of the last seven days; 0 with too few days.

    The quietest day may have been one without camera; the second quietest knows of Sundays.
    """
    hour_ns = utc_ns // NS_PER_HOUR * NS_PER_HOUR
    first_ns = database.execute("SELECT min(first_seen_ns) FROM read").fetchone()[0]
    starts = [hour_ns - days * NS_PER_DAY for days in range(1, DAYS_BACK + 1)]
    counts = sorted(_count(database, start) for start in starts if first_ns is not None and start >= first_ns)
    return float(counts[1]) if len(counts) >= DAYS_NEEDED else 0.0


def _count(database: Database, from_ns: int) -> int:
    row = database.execute(
        "SELECT count(*) FROM read WHERE first_seen_ns >= ? AND first_seen_ns < ? AND corrects IS NULL",
        [from_ns, from_ns + NS_PER_HOUR],
    ).fetchone()
    return int(row[0])
