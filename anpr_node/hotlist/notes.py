"""Writes down who did what to lists and hits, and why; in the caller's transaction, so that neither stands alone.

Plates are never part of a note.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlite_utils import Database

from anpr_node.store.database import insert


@dataclass(frozen=True, slots=True)
class By:
    """Who acts, why, and when (UTC nanoseconds)."""

    actor: str
    reason: str
    at_ns: int


def note(database: Database, by: By, action: str, obj: str, outcome: str) -> None:
    """One line of the record. Use it within `database.atomic()`."""
    row = {"at_ns": by.at_ns, "actor": by.actor, "reason": by.reason}
    insert(database, "hotlist_log", row | {"action": action, "object": obj, "outcome": outcome})
