"""Reads a damaged database row by row, around what cannot be read, and copies it into a sound one.

It changes nothing in the damaged file. Rows that are there already are left alone, so that it can be done twice.
"""

from __future__ import annotations

import itertools
import logging
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anpr_node.store.database import is_damage
from anpr_node.store.key import connect
from anpr_node.store.silence import PASSAGE

log = logging.getLogger(__name__)

LAST = ("read", "hit", "outbox", "sms")
"""Copied after everything else and in this order, because rows name each other."""
LATER = frozenset({"evidence", "_sqlite_migrations", "sink_cursor", "sink_passed"})
"""Not with the others. How far a sink was says nothing about a new outbox: what is sent twice is known by its id."""
NUMBERED = {"outbox": ("item_id", "ref"), "event": ("event_id", "at_ns"), "sms": ("sms_id", "hit_id")}
"""Tables that number their rows as they come: a new store gives numbers of its own, else two rows would have one. The
second is the column by which a row that is there already is found."""
CHUNK = 200
PICTURE = "read_id, kind, sha256, jpeg"


class Damaged:
    """A damaged database to read from.

    It is opened again after every page that cannot be read, because SQLCipher gives nothing more after the first.
    """

    def __init__(self, path: Path, key: bytes | None) -> None:
        self._path, self._key = path, key
        self._open()

    def _open(self) -> None:
        self._connection = connect(self._path, self._key, 10.0)
        self._connection.execute("PRAGMA writable_schema=ON")  # a file that was cut short is read as far as it goes

    def execute(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """All rows of a query. Raises sqlite3.DatabaseError where damage is met."""
        try:
            return list(self._connection.execute(query, values).fetchall())
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                self._connection.close()
                self._open()
            raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def copy_tables(old: Damaged, new: Any) -> dict[str, int]:
    """Bring over everything but the pictures; returns how many rows of each table."""
    rows: dict[str, int] = {}
    for table in _tables(old, new):
        try:
            rows[table] = _copy(old, new, table)
        except sqlite3.Error as error:
            log.error("table %s: not all of it could be salvaged: %s", table, error)
            rows.setdefault(table, 0)
    return rows


@dataclass(frozen=True, slots=True)
class Copied:
    """How far the pictures got, None: that was all; and the read of each picture that was not there before."""

    at: int | None
    read_ids: tuple[str, ...] = ()


def copy_pictures(old: Damaged, new: Any, at: int, most: int) -> Copied:
    """Bring over the next pictures behind row `at` whose reads are there, with the key of what was closed with one.

    After a power cut some may be there already: they are not said to be brought over again.
    """
    try:
        at, rows = next(_chunks(old, "evidence", PICTURE, at, most))
    except (StopIteration, sqlite3.Error):
        return Copied(None)
    closed = _closed_overviews(old, [row[0] for row in rows])
    brought = []
    with new.atomic():
        for row in rows:  # of one that was dropped since, when a power cut has it copied again, the key is gone
            key_needed = row[1] == "overview" and row[0] in closed
            inserted = new.execute(
                f"INSERT OR IGNORE INTO evidence ({PICTURE}) SELECT ?, ?, ?, ?"
                " WHERE EXISTS (SELECT 1 FROM read WHERE read_id = ? AND (overview_key IS NOT NULL OR NOT ?))",
                [*row, row[0], key_needed],
            )
            if inserted.rowcount == 1:
                brought.append(row[0])
    return Copied(at, tuple(brought))


def _closed_overviews(old: Damaged, read_ids: Sequence[str]) -> set[str]:
    """Those of some reads whose overviews show nothing without a key."""
    holes = ", ".join("?" * len(read_ids))
    try:
        found = old.execute(
            f"SELECT read_id FROM read WHERE read_id IN ({holes}) AND overview_key IS NOT NULL", read_ids
        )
    except sqlite3.Error:  # a store of before there were keys, or their place is broken
        return set()
    return {read_id for (read_id,) in found}


@dataclass(frozen=True, slots=True)
class Oldest:
    """When the oldest read of a passage without hit was taken, and of one with; None: there is none."""

    plain_ns: int | None
    hit_ns: int | None


def oldest_reads(old: Damaged) -> Oldest:
    """The oldest reads that can be read. Where damage is in the way all count as if they had no hit.

    Raises:
        sqlite3.Error: the file cannot be read at all.

    """
    has_hit = f"EXISTS (SELECT 1 FROM hit s WHERE {PASSAGE})"
    first = "SELECT first_seen_ns FROM read r WHERE {} ORDER BY first_seen_ns LIMIT 1"
    try:
        found = old.execute(f"SELECT ({first.format(f'NOT {has_hit}')}), ({first.format(has_hit)})")
    except sqlite3.DatabaseError as error:
        if not is_damage(error) and not isinstance(error, sqlite3.OperationalError):
            raise
        readable = (seen_ns for _, rows in _chunks(old, "read", "first_seen_ns") for (seen_ns,) in rows)
        return Oldest(min(readable, default=None), None)
    return Oldest(*found[0])


def _tables(old: Damaged, new: Any) -> list[str]:
    """The tables that both have, small ones first; none where not even the schema can be read."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    try:
        there = {row[0] for row in old.execute(query)} - LATER
    except sqlite3.Error:
        return []
    both = there & {row[0] for row in new.execute(query)}
    return sorted(both - set(LAST)) + [table for table in LAST if table in both]


def _copy(old: Damaged, new: Any, table: str) -> int:
    """Bring over every row that can be read; returns how many."""
    number, found_by = NUMBERED.get(table, ("", ""))
    names = sorted((_columns(old, table) & _columns(new, table)) - {number})
    holes = ", ".join(f"?{n}" for n, _ in enumerate(names, 1))
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) SELECT {holes}"
    if number:
        same = " AND ".join(f"{'' if name == found_by else '+'}{name} IS ?{n}" for n, name in enumerate(names, 1))
        insert += f" WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE {same})"
    rows = 0
    for _, chunk in _chunks(old, table, ", ".join(names)):
        new.executemany(insert, chunk)
        new.commit()
        rows += len(chunk)
    return rows


def _columns(connection: Any, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def _chunks(
    old: Damaged, table: str, names: str, at: int | None = -1, most: int = CHUNK
) -> Iterator[tuple[int, list[Any]]]:
    """A table's rows behind row `at`, stepping over what cannot be read; with the last one's number."""
    try:
        old.execute(f"SELECT rowid FROM {table} LIMIT 0")
    except sqlite3.OperationalError:  # a table without rowids: as far as it goes
        yield from ((0, rows) for rows in _without_rowids(old, table, names))
        return
    while at is not None:
        rows = _some_rows(old, table, names, at, most)
        if rows == []:
            return
        if rows is None:
            at = _next_readable(old, table, names, at)
        else:
            at = int(rows[-1][0])
            yield at, [row[1:] for row in rows]


def _some_rows(old: Damaged, table: str, names: str, at: int, most: int) -> list[Any] | None:
    """The next rows, fewer where damage is near; None where not even the next one can be read."""
    for size in (most, 20, 1):
        query = f"SELECT rowid, {names} FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT {size}"
        try:
            return old.execute(query, [at])
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
    return None


def _without_rowids(old: Damaged, table: str, names: str) -> Iterator[list[Any]]:
    """The rows of a table without rowids, in the order of its key, up to the first damage."""
    for at in itertools.count(step=CHUNK):
        try:
            rows = old.execute(f"SELECT {names} FROM {table} LIMIT {CHUNK} OFFSET {at}")
        except sqlite3.DatabaseError:
            return
        if not rows:
            return
        yield rows


def _next_readable(old: Damaged, table: str, names: str, at: int) -> int | None:
    """The place just before the next row that can be read after a broken one; None where there is none."""

    def reads(from_rowid: int) -> bool | None:
        try:
            found = old.execute(f"SELECT {names} FROM {table} WHERE rowid >= ? ORDER BY rowid LIMIT 1", [from_rowid])
            return True if found else None
        except sqlite3.DatabaseError:
            return False

    low, step = at + 1, 1
    while (verdict := reads(low + step)) is False:
        step *= 2
        if step > 1 << 40:
            return None
    if verdict is None and step == 1:
        return None
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        if reads(middle) is False:
            low = middle
        else:
            high = middle
    return high - 1


def drop_orphans(new: Any) -> None:
    """Rows whose read was lost: they cannot be shown, and the set-aside file still has them."""
    new.execute("UPDATE read SET corrects = NULL WHERE corrects NOT IN (SELECT read_id FROM read)")
    new.execute("DELETE FROM hit WHERE read_id NOT IN (SELECT read_id FROM read)")
    new.execute("DELETE FROM sms WHERE hit_id NOT IN (SELECT hit_id FROM hit)")
