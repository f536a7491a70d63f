"""A damaged store: found at the start, set aside under a dated name, everything readable salvaged into a new one.

The damaged file is never deleted here; retention does that when its youngest read is over age.
"""

from __future__ import annotations

import itertools
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from anpr_node.errors import StoreError
from anpr_node.store.database import FILE_NAME, count, is_damage, open_store
from anpr_node.store.key import connect, load_key

log = logging.getLogger(__name__)

CHECK_S = 20.0
"""At the start the file is checked for so long; damage further on shows when it is read, and then leads here too."""
DAMAGE_MARK = "store-damaged"
ASIDE_PREFIX = "damaged-"
FILES = (FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm")
LAST = ("read", "hit", "outbox", "evidence")
"""Salvaged after everything else and in this order, because rows name each other and pictures are many."""
CHUNK = 200
NOT_SALVAGED = ("_sqlite_migrations",)


@dataclass(frozen=True, slots=True)
class Salvage:
    """What came of a damaged store: where it lies now, why, and the rows of each table that were brought over."""

    aside: Path
    problem: str
    rows: dict[str, int]


def make_sound(folder: Path, now_ns: int, check_s: float = CHECK_S) -> Salvage | None:
    """See to it that the folder's store can be used; None where nothing was wrong.

    Raises:
        StoreError: the key is missing or wrong, or the card takes no writes.

    """
    problem = find_damage(folder, check_s)
    if problem is None:
        return None
    aside = _set_aside(folder, now_ns)
    log.critical("the store is damaged (%s) and was set aside as %s; what is readable is salvaged", problem, aside)
    rows = _salvage(aside, folder, now_ns)
    (folder / DAMAGE_MARK).unlink(missing_ok=True)
    log.critical("salvaged: %s", ", ".join(f"{n} {table}" for table, n in rows.items() if n) or "nothing")
    return Salvage(aside, problem, rows)


def mark_damaged(folder: Path) -> None:
    """Remember that the file was seen to be broken: a check that runs out of time would not find it again."""
    with suppress(OSError):
        (folder / DAMAGE_MARK).touch()


def find_damage(folder: Path, check_s: float) -> str | None:
    """What is wrong with the store's file; None also where there is none, or time ran out before anything showed."""
    path = folder / FILE_NAME
    if not path.exists():
        return None
    if (folder / DAMAGE_MARK).exists():
        return "seen while running"
    try:
        with closing(connect(path, load_key(folder), 10.0)) as connection:
            ends_s = time.monotonic() + check_s
            connection.set_progress_handler(lambda: time.monotonic() > ends_s, 100_000)
            verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            return None if verdict == "ok" else verdict
    except sqlite3.Error as error:
        if is_damage(error):
            return str(error)
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            return None
        raise StoreError(f"cannot check {path}: {error}") from error


def _set_aside(folder: Path, now_ns: int) -> Path:
    """Move the damaged files into a folder with a dated name of its own."""
    moment = datetime.fromtimestamp(now_ns / 1e9, UTC)
    aside = folder / f"{ASIDE_PREFIX}{moment:%Y%m%dT%H%M%S}"
    while aside.exists():
        aside = aside.with_name(aside.name + "x")
    try:
        aside.mkdir()
        for name in FILES:
            if (folder / name).exists():
                (folder / name).rename(aside / name)
        for place in (aside, folder):
            _sync(place)
    except OSError as error:
        raise StoreError(f"the damaged store cannot be set aside: {error}; free space or replace the card") from error
    return aside


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _salvage(aside: Path, folder: Path, now_ns: int) -> dict[str, int]:
    rows: dict[str, int] = {}
    with (
        closing(_Damaged(aside / FILE_NAME, load_key(folder))) as old,
        closing(open_store(folder)) as new,
    ):
        new.execute("PRAGMA foreign_keys=OFF")
        for table in _tables(old, new):
            try:
                rows[table] = _copy(old, new.conn, table)
            except sqlite3.Error as error:
                log.error("table %s: not all of it could be salvaged: %s", table, error)
                rows.setdefault(table, 0)
        with new.atomic():
            _drop_orphans(new.conn)
            count(new, "damaged_stores", 1, now_ns)
            count(new, "salvaged_reads", rows.get("read", 0), now_ns)
    return rows


class _Damaged:
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


def _tables(old: _Damaged, new: Any) -> list[str]:
    """The tables that both have, small ones first; none where not even the schema can be read."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    try:
        there = {row[0] for row in old.execute(query)} - set(NOT_SALVAGED)
    except sqlite3.Error:
        return []
    both = there & {row[0] for row in new.execute(query)}
    return sorted(both - set(LAST)) + [table for table in LAST if table in both]


def _copy(old: _Damaged, new: Any, table: str) -> int:
    """Bring over every row that can be read; returns how many."""
    columns = _columns(old, table) & _columns(new, table)
    names = sorted(columns)
    holes = ", ".join("?" * len(names))
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({holes})"
    rows = 0
    for chunk in _chunks(old, table, ", ".join(names)):
        new.executemany(insert, chunk)
        new.commit()
        rows += len(chunk)
    return rows


def _columns(connection: Any, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def _chunks(old: _Damaged, table: str, names: str) -> Iterator[list[Any]]:
    """A table's rows, stepping over what cannot be read."""
    try:
        old.execute(f"SELECT rowid FROM {table} LIMIT 0")
    except sqlite3.OperationalError:  # a table without rowids: as far as it goes
        yield from _without_rowids(old, table, names)
        return
    at: int | None = -1
    while at is not None:
        rows = _some_rows(old, table, names, at)
        if rows == []:
            return
        if rows is None:
            at = _next_readable(old, table, names, at)
        else:
            yield [row[1:] for row in rows]
            at = rows[-1][0]


def _some_rows(old: _Damaged, table: str, names: str, at: int) -> list[Any] | None:
    """The next rows, fewer where damage is near; None where not even the next one can be read."""
    for size in (CHUNK, 20, 1):
        query = f"SELECT rowid, {names} FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT {size}"
        try:
            return old.execute(query, [at])
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
    return None


def _without_rowids(old: _Damaged, table: str, names: str) -> Iterator[list[Any]]:
    """The rows of a table without rowids, in the order of its key, up to the first damage."""
    for at in itertools.count(step=CHUNK):
        try:
            rows = old.execute(f"SELECT {names} FROM {table} LIMIT {CHUNK} OFFSET {at}")
        except sqlite3.DatabaseError:
            return
        if not rows:
            return
        yield rows


def _next_readable(old: _Damaged, table: str, names: str, at: int) -> int | None:
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


def _drop_orphans(new: Any) -> None:
    """Rows whose read was lost: they cannot be shown, and the set-aside file still has them."""
    new.execute("UPDATE read SET corrects = NULL WHERE corrects NOT IN (SELECT read_id FROM read)")
    for table in ("evidence", "hit"):
        new.execute(f"DELETE FROM {table} WHERE read_id NOT IN (SELECT read_id FROM read)")
