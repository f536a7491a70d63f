"""The store's tables for hotlists: which list files are in force, what became of hits, and which hits may be shown.

The entries themselves are in files beside the store (`hotlist/files.py`). Lists of an older version are dropped: their
plates stood there in clear, and every list can be had again from who keeps it.

`shown_hit` leaves out silent hits, and with them the other hits of that passage: nothing was signalled for those. A
silent hit found later, by looking back, does not hide what has been shown already. Nor is a hit hidden that was found
by looking back: nothing is ever signalled for one, and its absence would tell of the silent hit.
"""

from __future__ import annotations

from sqlite_utils import Database


def sealed_lists(database: Database) -> None:
    """From version 0.2 on entries are sealed."""
    for statement in _STATEMENTS.split(";\n"):
        database.execute(statement)


_STATEMENTS = """
DROP TABLE hotlist_entry;
DROP TABLE hotlist;
CREATE TABLE hotlist (
    list_id TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    imported_ns INTEGER NOT NULL,
    issued_ns INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    file TEXT NOT NULL,
    signed INTEGER NOT NULL,
    revision INTEGER,
    etag TEXT
) STRICT;
ALTER TABLE hit ADD COLUMN held_back TEXT;
ALTER TABLE hit ADD COLUMN relay_latency_us INTEGER;
ALTER TABLE hit ADD COLUMN verdict TEXT;
ALTER TABLE hit ADD COLUMN sms_at_ns INTEGER;
CREATE VIEW shown_hit AS
SELECT * FROM hit h WHERE h.actions NOT LIKE '%silent%' AND NOT EXISTS (
    SELECT 1 FROM hit s
    WHERE s.read_id = h.read_id AND s.actions LIKE '%silent%' AND s.match <> 'retrospective'
)
"""


def looked_back_hits(database: Database) -> None:
    """From version 0.3 on hits found by looking back show, whatever else the passage was."""
    for statement in _LOOKED_BACK.split(";\n"):
        database.execute(statement)


_LOOKED_BACK = """
DROP VIEW shown_hit;
CREATE VIEW shown_hit AS
SELECT * FROM hit h WHERE h.actions NOT LIKE '%silent%' AND (h.match = 'retrospective' OR NOT EXISTS (
    SELECT 1 FROM hit s
    WHERE s.read_id = h.read_id AND s.actions LIKE '%silent%' AND s.match <> 'retrospective'
))
"""
