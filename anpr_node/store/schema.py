"""The tables of the store, as migrations: one function a step, in the order in which they were added.

A step that was released is never edited; the next change is another step at the end. Nothing here opens a file.
"""

from __future__ import annotations

from sqlite_utils import Database, Migrations

from anpr_node.store.hotlist_tables import looked_back_hits, sealed_lists
from anpr_node.store.outbox_tables import outbox_tables
from anpr_node.store.sms_tables import sms_tables
from anpr_node.store.traffic_tables import traffic_table

migrations = Migrations("anpr_node")

AFTER_CONFIRMATION: tuple[str, ...] = ()
"""Steps that the release before could not live with: tables or columns gone, or one to fill that it does not know.
While a start is on trial they wait; the release that brings one works without it until then."""


@migrations()
def first_tables(database: Database) -> None:
    """Starts, reads, evidence, outbox, lists, hits and the log of searches, as of version 0.1."""
    for statement in _FIRST_TABLES.split(";\n"):
        database.execute(statement)


@migrations()
def supervision_tables(database: Database) -> None:
    """Alarms and steps of recovery, and the row that proves that the card takes writes."""
    database.execute(
        "CREATE TABLE event (event_id INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, "
        "what TEXT NOT NULL CHECK (what IN ('raised', 'cleared', 'recovery')), kind TEXT NOT NULL, "
        "detail TEXT NOT NULL) STRICT"
    )
    database.execute("CREATE INDEX event_by_time ON event (at_ns)")
    database.execute("CREATE TABLE proof (id INTEGER PRIMARY KEY CHECK (id = 1), at_ns INTEGER NOT NULL) STRICT")


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


@migrations()
def record_tables(database: Database) -> None:
    """Indexes that answer a search alone, people, figures, sealing, corrected clocks; the audit replaces search_log."""
    for statement in _RECORD_TABLES.split(";\n"):
        database.execute(statement)


_RECORD_TABLES = """
DROP INDEX read_by_vrm;
DROP INDEX read_by_time;
CREATE INDEX read_by_vrm ON read (vrm, first_seen_ns);
CREATE INDEX read_by_time ON read (first_seen_ns, vrm);
CREATE INDEX outbox_by_ref ON outbox (ref);
CREATE INDEX hit_by_category ON hit (category, read_id);
ALTER TABLE read ADD COLUMN clock_corrected_ns INTEGER;
ALTER TABLE read ADD COLUMN sealed BLOB;
ALTER TABLE node_start ADD COLUMN boot_id TEXT;
ALTER TABLE node_start ADD COLUMN reads_before INTEGER NOT NULL DEFAULT 0;
ALTER TABLE node_start ADD COLUMN offset_ns INTEGER;
ALTER TABLE node_start ADD COLUMN corrected_ns INTEGER;
CREATE TABLE figure (
    name TEXT PRIMARY KEY,
    n INTEGER NOT NULL,
    since_ns INTEGER NOT NULL,
    last_ns INTEGER NOT NULL
) STRICT;
CREATE TABLE person (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    login TEXT UNIQUE,
    password_hash TEXT,
    created_ns INTEGER NOT NULL,
    failures INTEGER NOT NULL DEFAULT 0,
    failed_ns INTEGER NOT NULL DEFAULT 0
) STRICT;
DROP TABLE search_log
"""


migrations()(sealed_lists)
migrations()(outbox_tables)
migrations()(sms_tables)
migrations()(looked_back_hits)
migrations()(traffic_table)


@migrations()
def overview_keys(database: Database) -> None:
    """From version 0.3 on overviews are closed with keys (shredding.py); those of before are overwritten as they go."""
    database.execute("ALTER TABLE read ADD COLUMN overview_key BLOB")
