"""Deletes what may not be kept any longer, in small transactions.

Each of them is whole: what is interrupted goes on at the next call. Deleted bytes are overwritten (secure_delete), of
an overview its key (shredding.py); the log, where they are still whole, is wal.py's. What the law's term is over for
goes, whether the back office has it or not. How large the record may grow is room.py's business.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from sqlite_utils import Database

from anpr_node.errors import StoreError
from anpr_node.policy import Terms
from anpr_node.store.database import count, store_error
from anpr_node.store.recovery import is_salvaged, oldest_inside, set_aside_folders
from anpr_node.store.salvage import Oldest
from anpr_node.store.shredding import shred_overviews
from anpr_node.store.silence import hidden_among
from anpr_node.units import NS_PER_DAY

BATCH = 20
"""Reads or pictures deleted in one transaction: the recorder waits no longer than that takes."""


def purge(database: Database, terms: Terms, now_ns: int, batches: int | None = None) -> int:
    """Delete reads over age with everything that belongs to them; returns how many. With `batches`, so many at most.

    A passage with a hit in it stays whole until the hit's term is over; what only a silent hit had kept is not counted.

    Raises:
        StoreError: what was deleted until then stays deleted.

    """
    reads_ns, hits_ns = (now_ns - days * NS_PER_DAY for days in (terms.reads_days, terms.hits_days))
    purged = 0
    try:
        _remember_kept(database, hits_ns, reads_ns)
        while batches is None or batches > 0:
            doomed = _over_age(database, reads_ns, hits_ns)
            if not doomed:
                break
            with database.atomic():
                shown = _shown(database, doomed, terms, reads_ns)
                count(database, "purged_reads", len(shown), now_ns)
                count(database, "purged_undelivered_reads", _owed(database, shown), now_ns)
                delete_reads(database, doomed)
            purged += len(shown)
            batches = None if batches is None else batches - 1
    except sqlite3.Error as error:
        raise store_error("not all reads over age could be deleted", error) from error
    return purged


def _remember_kept(database: Database, hits_ns: int, reads_ns: int) -> None:
    """The passages that stay although they are over the age of reads, because one of their reads is a hit."""
    database.execute("CREATE TEMP TABLE IF NOT EXISTS kept (read_id TEXT PRIMARY KEY)")
    with database.atomic():
        database.execute("DELETE FROM kept")
        database.execute(
            """
            INSERT INTO kept
            WITH RECURSIVE passage (read_id) AS (
                SELECT DISTINCT r.read_id FROM read r JOIN hit h ON h.read_id = r.read_id
                WHERE r.first_seen_ns >= :hits_ns AND r.first_seen_ns < :until_ns
                UNION SELECT r.corrects FROM read r JOIN passage p ON r.read_id = p.read_id WHERE r.corrects IS NOT NULL
                UNION SELECT r.read_id FROM read r JOIN passage p ON r.corrects = p.read_id
            ) SELECT read_id FROM passage
            """,
            {"hits_ns": hits_ns, "until_ns": reads_ns + NS_PER_DAY},
        )


def _over_age(database: Database, reads_ns: int, hits_ns: int) -> list[str]:
    rows = database.execute(
        """
        SELECT read_id FROM read INDEXED BY read_by_time
        WHERE first_seen_ns < :reads_ns AND (first_seen_ns < :hits_ns OR read_id NOT IN (SELECT read_id FROM kept))
        ORDER BY first_seen_ns LIMIT :batch
        """,
        {"reads_ns": reads_ns, "hits_ns": hits_ns, "batch": BATCH},
    )
    return [read_id for (read_id,) in rows.fetchall()]


def _shown(database: Database, read_ids: Sequence[str], terms: Terms, reads_ns: int) -> list[str]:
    """Those of some reads that are counted: a figure must not tell of what only a silent hit had kept."""
    hidden = hidden_among(database, read_ids, reads_ns) if terms.hits_days > terms.reads_days else set()
    return [read_id for read_id in read_ids if read_id not in hidden]


def _owed(database: Database, read_ids: Sequence[str]) -> int:
    """How many of some reads the back office does not have."""
    holes = ", ".join("?" * len(read_ids))
    query = f"SELECT count(DISTINCT ref) FROM outbox INDEXED BY outbox_by_ref WHERE kind = 'read' AND ref IN ({holes})"
    return int(database.execute(query, read_ids).fetchone()[0])


def delete_reads(database: Database, doomed: Sequence[str]) -> None:
    """Delete reads, their pictures, hits and what waited to be sent of them."""
    shred_overviews(database, doomed)
    holes = ", ".join("?" * len(doomed))
    refs = f"ref IN ({holes}) OR ref IN (SELECT hit_id FROM hit WHERE read_id IN ({holes}))"
    database.execute(f"DELETE FROM outbox WHERE {refs}", [*doomed, *doomed])
    database.execute(f"DELETE FROM refused WHERE {refs}", [*doomed, *doomed])
    database.execute(f"UPDATE read SET corrects = NULL WHERE corrects IN ({holes})", doomed)
    database.execute(f"DELETE FROM read WHERE read_id IN ({holes})", doomed)


def delete_set_aside(folder: Path, terms: Terms, now_ns: int) -> int:
    """Delete damaged stores in which a read is over age, or none can be read, once all else was brought over.

    Raises:
        StoreError: one of them cannot be looked into, or deleted; it stays.

    """
    reads_ns, hits_ns = (now_ns - days * NS_PER_DAY for days in (terms.reads_days, terms.hits_days))
    deleted = 0
    for aside in set_aside_folders(folder):
        if not is_salvaged(aside):
            continue
        oldest = oldest_inside(folder, aside)
        over_age = (oldest.plain_ns is not None and oldest.plain_ns < reads_ns) or (
            oldest.hit_ns is not None and oldest.hit_ns < hits_ns
        )
        if over_age or oldest == Oldest(None, None):
            try:
                shutil.rmtree(aside)
            except OSError as error:
                raise StoreError(f"{aside} cannot be deleted, and its term is over: {error.strerror}") from error
            deleted += 1
    return deleted
