"""Opens the one SQLite file of the node: WAL, synchronous=FULL, STRICT tables, migrations from day one.

A commit that has returned survives a power cut. Times are UTC nanoseconds. What the rows mean is in the modules beside
this one.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from sqlite_utils import Database, Migrations

from anpr_node.errors import StoreError
from anpr_node.store.hotlist_tables import sealed_lists

FILE_NAME = "anpr-node.sqlite"
BUSY_TIMEOUT_S = 10.0
"""A command waits so long for another writer; who has something else to do meanwhile says less."""
CHECKPOINT_WAIT_MS = 300

migrations = Migrations("anpr_node")


def open_store(folder: Path, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Database:
    """Open or make the store of a state folder, migrated to this version.

    Use a connection from the thread that opened it, and close it.

    Raises:
        StoreError: the folder is missing and cannot be made, is read-only or full, or the file is no database.

    """
    path = folder / FILE_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(folder):
            database = _connect(path)
        database.execute(f"PRAGMA busy_timeout={round(busy_timeout_s * 1000)}")
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"cannot open {path}: {error}; is the folder writable and the card not full?") from error
    return database


@contextmanager
def use_store(folder: Path) -> Iterator[Database]:
    """The store of a state folder for one command: opened, closed, and damage said in one line. Raises StoreError."""
    with closing(open_store(folder)) as database:
        try:
            yield database
        except sqlite3.Error as error:
            raise StoreError(f"{folder / FILE_NAME} fails: {error}; see: anpr-node check") from error


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Node and commands may open a new store at once: only one of them may make its tables."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _connect(path: Path) -> Database:
    database = Database(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S))
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("PRAGMA foreign_keys=ON")
        migrations.apply(database)
    except BaseException:
        database.close()
        raise
    return database


def insert(database: Database, table: str, row: Mapping[str, object]) -> None:
    """Add one row. Use it within `database.atomic()`."""
    columns, holes = ", ".join(row), ", ".join("?" * len(row))
    database.execute(f"INSERT INTO {table} ({columns}) VALUES ({holes})", list(row.values()))


def note_start(database: Database, row: Mapping[str, object]) -> None:
    """Commit a row of table node_start. Raises StoreError when the card takes no writes."""
    try:
        with database.atomic():
            insert(database, "node_start", row)
    except sqlite3.Error as error:
        raise StoreError(f"the store cannot be written: {error}; free space, or replace the card") from error


def checkpoint(database: Database) -> None:
    """Move what the log holds into the file itself: the last thing before the supply goes. Raises StoreError."""
    try:
        database.execute(f"PRAGMA busy_timeout={CHECKPOINT_WAIT_MS}")  # nothing is lost by leaving it to the next start
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        raise StoreError(f"the store's log cannot be written back: {error}; it will be at the next start") from error


@migrations()
def first_tables(database: Database) -> None:
    """Starts, reads, evidence, outbox, lists, hits and the log of searches, as of version 0.1."""
    for statement in _FIRST_TABLES.split(";\n"):
        database.execute(statement)


migrations()(sealed_lists)

_FIRST_TABLES = """
CREATE TABLE node_start (
    start_id INTEGER PRIMARY KEY,
    started_ns INTEGER NOT NULL,
    node_id TEXT NOT NULL,
    software_version TEXT NOT NULL,
    model_id TEXT NOT NULL
) STRICT;
CREATE TABLE read (
    read_id TEXT PRIMARY KEY,
    node_id TEXT NOT NULL,
    vrm TEXT NOT NULL,
    country TEXT,
    confidence REAL NOT NULL,
    candidates TEXT NOT NULL,
    votes INTEGER NOT NULL,
    first_seen_ns INTEGER NOT NULL,
    last_seen_ns INTEGER NOT NULL,
    clock_source TEXT NOT NULL,
    clock_offset_ms REAL NOT NULL,
    clock_age_s REAL NOT NULL,
    lane TEXT NOT NULL,
    direction TEXT NOT NULL,
    box TEXT NOT NULL,
    plate_width_px INTEGER NOT NULL,
    exposure_us INTEGER NOT NULL,
    model_id TEXT NOT NULL,
    software_version TEXT NOT NULL,
    flags TEXT NOT NULL,
    corrects TEXT REFERENCES read (read_id)
) STRICT;
CREATE INDEX read_by_vrm ON read (vrm);
CREATE INDEX read_by_time ON read (first_seen_ns);
CREATE INDEX read_by_corrected ON read (corrects);
CREATE TABLE evidence (
    read_id TEXT NOT NULL REFERENCES read (read_id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('patch', 'overview')),
    sha256 TEXT NOT NULL,
    jpeg BLOB NOT NULL,
    PRIMARY KEY (read_id, kind)
) STRICT;
CREATE TABLE outbox (
    item_id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('hit', 'read', 'patch', 'overview')),
    ref TEXT NOT NULL,
    queued_ns INTEGER NOT NULL
) STRICT;
CREATE TABLE hotlist (
    list_id TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    imported_ns INTEGER NOT NULL,
    entries INTEGER NOT NULL
) STRICT;
CREATE TABLE hotlist_entry (
    list_id TEXT NOT NULL REFERENCES hotlist (list_id) ON DELETE CASCADE,
    vrm TEXT NOT NULL,
    country TEXT,
    category TEXT NOT NULL,
    priority INTEGER NOT NULL,
    reason TEXT NOT NULL,
    issuer TEXT NOT NULL,
    valid_from_ns INTEGER,
    valid_to_ns INTEGER,
    actions TEXT NOT NULL,
    PRIMARY KEY (vrm, list_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE hit (
    hit_id TEXT PRIMARY KEY,
    read_id TEXT NOT NULL REFERENCES read (read_id) ON DELETE CASCADE,
    list_id TEXT NOT NULL,
    category TEXT NOT NULL,
    priority INTEGER NOT NULL,
    reason TEXT NOT NULL,
    issuer TEXT NOT NULL,
    actions TEXT NOT NULL,
    match TEXT NOT NULL,
    raised_at_ns INTEGER NOT NULL,
    verified_by TEXT,
    verified_at_ns INTEGER
) STRICT;
CREATE INDEX hit_by_read ON hit (read_id);
CREATE TABLE search_log (
    search_id INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL,
    actor TEXT NOT NULL,
    pattern TEXT NOT NULL,
    reason TEXT NOT NULL,
    case_ref TEXT NOT NULL,
    decision_ref TEXT,
    outcome TEXT NOT NULL,
    rows_seen INTEGER NOT NULL
) STRICT
"""
