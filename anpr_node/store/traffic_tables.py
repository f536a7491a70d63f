"""The store's table of passages by hour and lane: a count, and nothing else of any of them."""

from __future__ import annotations

from sqlite_utils import Database


def traffic_table(database: Database) -> None:
    """From version 0.3 on passages are counted by the hour; `hour` counts from 1970."""
    database.execute(
        "CREATE TABLE traffic (hour INTEGER NOT NULL, lane TEXT NOT NULL, passages INTEGER NOT NULL, "
        "PRIMARY KEY (hour, lane)) STRICT, WITHOUT ROWID"
    )
