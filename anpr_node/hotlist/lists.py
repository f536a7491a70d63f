"""The lists in the store: replacing one whole, showing them, and matching a read.

A list changes in one transaction: a read is matched against the old list or the new one, never against half of each.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from anpr_node.errors import StoreError
from anpr_node.records import HotlistEntry


@dataclass(frozen=True, slots=True)
class ListStatus:
    """One list in force."""

    list_id: str
    source: str
    imported_ns: int
    entries: int


def replace(database: Database, list_id: str, source: str, entries: Sequence[HotlistEntry], now_ns: int) -> None:
    """Put `entries` in force as the whole of `list_id`. Raises StoreError, and then the old list stays."""
    try:
        with database.atomic():
            database.execute("DELETE FROM hotlist WHERE list_id = ?", [list_id])
            database.execute("INSERT INTO hotlist VALUES (?, ?, ?, ?)", [list_id, source, now_ns, len(entries)])
            database.conn.executemany(
                "INSERT INTO hotlist_entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (_row(entry) for entry in entries)
            )
    except sqlite3.Error as error:
        raise StoreError(f"list {list_id} not imported, the one in force stays: {error}") from error


def _row(entry: HotlistEntry) -> tuple[object, ...]:
    return (
        entry.list_id,
        entry.vrm,
        entry.country,
        entry.category,
        entry.priority,
        entry.reason,
        entry.issuer,
        entry.valid_from_ns,
        entry.valid_to_ns,
        json.dumps(entry.actions),
    )


def show(database: Database) -> list[ListStatus]:
    """The lists in force, by name."""
    rows = database.execute("SELECT list_id, source, imported_ns, entries FROM hotlist ORDER BY list_id").fetchall()
    return [ListStatus(*row) for row in rows]


def match(database: Database, vrm: str, country: str | None, at_ns: int) -> list[HotlistEntry]:
    """Entries for exactly this VRM that are valid at a moment, highest priority first.

    Countries must agree where both are known.
    """
    rows = database.query(
        """
        SELECT list_id, vrm, country, category, priority, reason, issuer, valid_from_ns, valid_to_ns, actions
        FROM hotlist_entry
        WHERE vrm = :vrm
          AND (country IS NULL OR :country IS NULL OR country = :country)
          AND (valid_from_ns IS NULL OR valid_from_ns <= :at_ns)
          AND (valid_to_ns IS NULL OR valid_to_ns > :at_ns)
        ORDER BY priority DESC, list_id
        """,
        {"vrm": vrm, "country": country, "at_ns": at_ns},
    )
    return [HotlistEntry(**{**row, "actions": tuple(json.loads(row["actions"]))}) for row in rows]
