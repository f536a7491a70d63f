"""The store's tables for what waits to be sent: the outbox itself, how far each sink is, what was refused, the bytes.

A row of the outbox is sent to every sink that takes its kind, or to the one in `only`. Ids grow and are never used
again, so that a cursor says it all for what is sent in order; hits, which overtake each other, are noted one by one in
`sink_passed`.
"""

from __future__ import annotations

from sqlite_utils import Database


def outbox_tables(database: Database) -> None:
    """From version 0.3 on the outbox is emptied."""
    for statement in _STATEMENTS.split(";\n"):
        database.execute(statement)


_STATEMENTS = """
DROP INDEX outbox_by_ref;
ALTER TABLE outbox RENAME TO outbox_before;
CREATE TABLE outbox (
    item_id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('hit', 'verdict', 'batch', 'read', 'patch', 'overview', 'night', 'sms')),
    ref TEXT NOT NULL,
    queued_ns INTEGER NOT NULL,
    only TEXT
) STRICT;
INSERT INTO outbox (item_id, kind, ref, queued_ns)
SELECT o.item_id, CASE WHEN h.actions LIKE '%"batch"%' THEN 'batch' ELSE o.kind END, o.ref, o.queued_ns
FROM outbox_before o LEFT JOIN hit h ON o.kind = 'hit' AND h.hit_id = o.ref;
DROP TABLE outbox_before;
CREATE INDEX outbox_by_ref ON outbox (ref);
CREATE INDEX outbox_by_kind ON outbox (kind, item_id);
CREATE TABLE sink_cursor (
    sink TEXT NOT NULL,
    kind TEXT NOT NULL,
    item_id INTEGER NOT NULL,
    sending_to INTEGER,
    PRIMARY KEY (sink, kind)
) STRICT;
CREATE TABLE sink_passed (
    item_id INTEGER NOT NULL REFERENCES outbox (item_id) ON DELETE CASCADE,
    sink TEXT NOT NULL,
    PRIMARY KEY (item_id, sink)
) STRICT, WITHOUT ROWID;
CREATE TABLE refused (
    sink TEXT NOT NULL,
    kind TEXT NOT NULL,
    ref TEXT NOT NULL,
    queued_ns INTEGER NOT NULL,
    refused_ns INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (sink, kind, ref)
) STRICT;
CREATE INDEX refused_by_ref ON refused (ref);
CREATE TABLE sink_state (
    sink TEXT PRIMARY KEY,
    answered_ns INTEGER,
    failing_ns INTEGER,
    problem TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE uplink_bytes (
    day TEXT PRIMARY KEY,
    n INTEGER NOT NULL
) STRICT
"""
