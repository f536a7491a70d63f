"""How many passages an hour brought, by lane, and what an hour usually brings: the measure of a camera gone blind.

A count of all passages and nothing else: no plate, no read, no hit. It is kept where nothing of a passage may be, and
tells nothing of a silent hit, as it counts every passage alike.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from sqlite_utils import Database

from anpr_node.store.database import store_error
from anpr_node.units import NS_PER_H

KEPT_DAYS = 90
DAYS_BACK, DAYS_NEEDED = 7, 3


def hour_of(utc_ns: int) -> int:
    """The hour of a moment, counted from 1970."""
    return utc_ns // NS_PER_H


def add_passages(database: Database, passages: Mapping[tuple[int, str], int]) -> None:
    """Add to the counts of hours and lanes. Raises StoreError; nothing was added then."""
    try:
        with database.atomic():
            for (hour, lane), n in passages.items():
                database.execute(
                    "INSERT INTO traffic VALUES (:hour, :lane, :n) "
                    "ON CONFLICT (hour, lane) DO UPDATE SET passages = passages + :n",
                    {"hour": hour, "lane": lane, "n": n},
                )
    except sqlite3.Error as error:
        raise store_error("passages not counted", error) from error


def passages_in(database: Database, hour: int) -> int:
    """All passages of an hour."""
    row = database.execute("SELECT coalesce(sum(passages), 0) FROM traffic WHERE hour = ?", [hour]).fetchone()
    return int(row[0])


def usual_reads(database: Database, utc_ns: int) -> float:
    """Passages that this hour of the day brought on the second quietest of the last seven days; 0 with too few days.

    The quietest day may have been one without camera; the second quietest knows of Sundays.
    """
    hour = hour_of(utc_ns)
    since = hour - 24 * (DAYS_BACK + 1)
    first = database.execute("SELECT min(hour) FROM traffic WHERE hour >= ?", [since]).fetchone()[0]
    hours = [hour - 24 * days for days in range(1, DAYS_BACK + 1)]
    counts = sorted(passages_in(database, before) for before in hours if first is not None and before >= first)
    return float(counts[1]) if len(counts) >= DAYS_NEEDED else 0.0


def forget_passages(database: Database, now_ns: int) -> None:
    """Delete old counts, and those that a mistaken clock put into the future. Raises StoreError."""
    hour = hour_of(now_ns)
    try:
        with database.atomic():
            database.execute("DELETE FROM traffic WHERE hour < ? OR hour > ?", [hour - 24 * KEPT_DAYS, hour + 24])
    except sqlite3.Error as error:
        raise store_error("old counts of passages not deleted", error) from error
