"""The store's table of text messages: one row a hit and number, from the moment it is due to the delivery report.

A row is `sending` while the modem has the message and has not said what became of it; a row found so after a start is
one of which nobody knows. Rows go with their hit.
"""

from __future__ import annotations

from sqlite_utils import Database


def sms_tables(database: Database) -> None:
    """From version 0.3 on messages are sent."""
    for statement in _STATEMENTS.split(";\n"):
        database.execute(statement)


_STATEMENTS = """
CREATE TABLE sms (
    sms_id INTEGER PRIMARY KEY,
    hit_id TEXT NOT NULL REFERENCES hit (hit_id) ON DELETE CASCADE,
    number TEXT NOT NULL,
    silent INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (
        state IN ('waiting', 'sending', 'sent', 'delivered', 'failed', 'expired', 'unneeded')),
    queued_ns INTEGER NOT NULL,
    due_ns INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    reference INTEGER,
    sent_ns INTEGER,
    closed_ns INTEGER,
    UNIQUE (hit_id, number)
) STRICT;
CREATE INDEX sms_by_state ON sms (state, queued_ns)
"""
