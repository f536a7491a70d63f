"""The store's log and its free pages: written back, emptied, given back to the card. It deletes nothing."""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database

from anpr_node.store.database import store_error

VACUUM_PAGES = 256


def leave_no_trace(database: Database) -> bool:
    """Empty the log, the one place where deleted rows are still whole; False where a reader keeps it from that.

    Free pages hold zeros, or an overview whose key is gone, and are used again: nothing has to be vacuumed for that.
    """
    try:
        write_back(database)
        busy = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.OperationalError:
        return False
    return not busy


def write_back(database: Database) -> None:
    """Write the log back while others write: to empty it holds the store, and a hit waits for what is left to write."""
    database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


def shrink(database: Database) -> None:
    """Give free pages back to the card. Raises StoreError."""
    try:
        for _ in range(0, pragma(database, "freelist_count"), VACUUM_PAGES):
            database.conn.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")  # execute() frees one page only
    except sqlite3.Error as error:
        raise store_error("not all free pages could be given back", error) from error


def unused_bytes(database: Database) -> int:
    """What lies in free pages."""
    return pragma(database, "freelist_count") * pragma(database, "page_size")


def pragma(database: Database, name: str) -> int:
    """A figure of SQLite's own."""
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])
