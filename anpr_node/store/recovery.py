"""A damaged store: found at the start, set aside under a dated name, and salvaged into a new one by salvage.py.

Reads, lists and what waits to be sent are brought over at once, pictures, which may take hours, while the node runs.
Both go on after an interruption where they were.

The damaged file is never deleted here; retention does that when its youngest read is over age.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from anpr_node.errors import StoreError
from anpr_node.store.database import FILE_NAME, count, is_damage, open_store, store_error
from anpr_node.store.key import connect, load_key
from anpr_node.store.salvage import Damaged, copy_pictures, copy_tables, drop_orphans

log = logging.getLogger(__name__)

CHECK_S = 20.0
"""At the start the file is checked for so long; damage further on shows when it is read, and then leads here too."""
DAMAGE_MARK = "store-damaged"
ASIDE_PREFIX = "damaged-"
FILES = (FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm")
TODO = "salvage"
"""In a set-aside folder: what is still to be brought over. `tables`, or how far it got with the pictures."""
TABLES = "tables"
PICTURES_AT_ONCE = 20


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
    if problem is not None:
        aside = _set_aside(folder, now_ns)
        log.critical("the store is damaged (%s) and was set aside as %s; what is readable is salvaged", problem, aside)
    else:
        interrupted = [aside for aside, todo in _unfinished(folder) if todo == TABLES]
        if not interrupted:
            return None
        aside, problem = interrupted[0], "its salvage was interrupted"
    rows = _salvage(aside, folder, now_ns)
    (folder / DAMAGE_MARK).unlink(missing_ok=True)
    (aside / TODO).write_text("-1", encoding="ascii")
    log.critical("salvaged: %s", ", ".join(f"{n} {table}" for table, n in rows.items() if n) or "nothing")
    return Salvage(aside, problem, rows)


def _unfinished(folder: Path) -> list[tuple[Path, str]]:
    """The set-aside folders that are not wholly salvaged, oldest first, and what is to be done about each."""
    todos = sorted(folder.glob(f"{ASIDE_PREFIX}*/{TODO}"))
    return [(todo.parent, todo.read_text("ascii")) for todo in todos]


def _salvage(aside: Path, folder: Path, now_ns: int) -> dict[str, int]:
    with closing(Damaged(aside / FILE_NAME, load_key(folder))) as old, closing(open_store(folder)) as new:
        new.execute("PRAGMA foreign_keys=OFF")
        rows = copy_tables(old, new.conn)
        with new.atomic():
            drop_orphans(new.conn)
            count(new, "damaged_stores", 1, now_ns)
            count(new, "salvaged_reads", rows.get("read", 0), now_ns)
    return rows


def salvage_pictures(folder: Path, database: Any, now_ns: int, most: int = PICTURES_AT_ONCE) -> bool:
    """Bring over some of the pictures of a damaged store; True when there is nothing more to do.

    Raises:
        StoreError: the card takes no writes.

    """
    for aside, todo in _unfinished(folder):
        if todo == TABLES:
            continue
        try:
            with closing(Damaged(aside / FILE_NAME, load_key(folder))) as old:
                at = copy_pictures(old, database, int(todo), most, now_ns)
        except sqlite3.Error as error:
            raise store_error("pictures not salvaged", error) from error
        if at is not None:
            (aside / TODO).write_text(str(at), encoding="ascii")
            return False
        (aside / TODO).unlink()
        log.critical("all readable pictures of %s are salvaged", aside)
    return True


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
        (aside / TODO).write_text(TABLES, encoding="ascii")
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
