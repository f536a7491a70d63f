"""Deletes what may not be kept any longer, and makes room where the record has grown too large.

Both go in small transactions, each of them whole: what is interrupted goes on at the next call. Deleted bytes are
overwritten (secure_delete), of an overview its key (shredding.py), and `leave_no_trace` empties the log. Nothing is
dropped that is still owed to the back office before everything else has gone, save when the law's term is over.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database

from anpr_node.errors import StoreError
from anpr_node.policy import Terms
from anpr_node.store.database import FILE_NAME, count, store_error
from anpr_node.store.recovery import ASIDE_PREFIX, is_salvaged, oldest_inside, set_aside_folders
from anpr_node.store.salvage import Oldest
from anpr_node.store.shredding import shred_overviews
from anpr_node.store.silence import hidden_among
from anpr_node.units import NS_PER_DAY

BATCH = 20
"""Reads or pictures deleted in one transaction: the recorder waits no longer than that takes."""
VACUUM_PAGES = 256
MARGIN = 0.02
"""Room is made for so much of the quota at once, so that it is not made for every read."""
UNDELIVERED = """
    (EXISTS (SELECT 1 FROM outbox o WHERE o.ref = {0}.read_id)
     OR EXISTS (SELECT 1 FROM refused f WHERE f.ref = {0}.read_id)
     OR EXISTS (SELECT 1 FROM hit h JOIN outbox o ON o.ref = h.hit_id WHERE h.read_id = {0}.read_id)
     OR EXISTS (SELECT 1 FROM hit h JOIN refused f ON f.ref = h.hit_id WHERE h.read_id = {0}.read_id))
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """How large the record may grow, and how much of the card stays free whatever else grows."""

    quota_bytes: int
    free_bytes_min: int


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of thing to drop, what it is counted as, and how the oldest of it are found."""

    name: str
    what: str
    query: str


_UNDELIVERED_READ, _UNDELIVERED_PICTURE = UNDELIVERED.format("r"), UNDELIVERED.format("e")
_HIT = "EXISTS (SELECT 1 FROM shown_hit h WHERE h.read_id = {0}.read_id)"
"""A silent hit protects nothing: what is kept longer than its neighbours would tell of it."""
STEPS = (
    Step(
        "dropped_delivered_pictures",
        "picture",
        f"SELECT e.read_id, e.kind FROM evidence e WHERE NOT {_UNDELIVERED_PICTURE} AND NOT {_HIT.format('e')} "
        "ORDER BY e.read_id, e.kind LIMIT ?",
    ),
    Step(
        "dropped_delivered_reads",
        "read",
        f"SELECT r.read_id FROM read r WHERE NOT {_UNDELIVERED_READ} AND NOT {_HIT.format('r')} "
        "ORDER BY r.read_id LIMIT ?",
    ),
    Step(
        "dropped_delivered_hits",
        "read",
        f"SELECT r.read_id FROM read r WHERE NOT {_UNDELIVERED_READ} ORDER BY r.read_id LIMIT ?",
    ),
    Step(
        "dropped_overviews",
        "picture",
        "SELECT e.read_id, e.kind FROM evidence e WHERE e.kind = 'overview' ORDER BY e.read_id, e.kind LIMIT ?",
    ),
    Step(
        "dropped_undelivered_reads",
        "read",
        "SELECT r.read_id FROM read r WHERE NOT EXISTS (SELECT 1 FROM hit h WHERE h.read_id = r.read_id) "
        "ORDER BY r.read_id LIMIT ?",
    ),
    Step("dropped_undelivered_reads", "read", "SELECT r.read_id FROM read r ORDER BY r.read_id LIMIT ?"),
)
"""In this order: what the back office has goes first, a read that it does not have goes last, a hit last of each.

Where there is no back office everything counts as delivered after a day: there, too, hits go last.
"""


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
                _delete_reads(database, doomed)
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


def _delete_reads(database: Database, doomed: Sequence[str]) -> None:
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


def make_room(
    database: Database, folder: Path, limits: Limits, now_ns: int, batches: int | None = None
) -> dict[str, int]:
    """Drop the least needed until the record fits; returns how many of what. With `batches`, so many at most.

    Raises:
        StoreError: what was dropped until then stays dropped.

    """
    dropped: dict[str, int] = {}
    wanted = excess(database, folder, limits)
    target = wanted + round(limits.quota_bytes * MARGIN) if wanted > 0 else 0
    try:
        for step in STEPS:
            while target > 0 and (batches is None or batches > 0):
                before = _used(database)
                n = _drop(database, step, now_ns)
                if n == 0:
                    break
                dropped[step.name] = dropped.get(step.name, 0) + n
                target -= before - _used(database)
                batches = None if batches is None else batches - 1
    except sqlite3.Error as error:
        raise store_error("no room could be made", error) from error
    return dropped


def excess(database: Database, folder: Path, limits: Limits) -> int:
    """By how many bytes the record is too large; negative where there is room."""
    aside = sum(map(_folder_size, folder.glob(f"{ASIDE_PREFIX}*")))
    log_bytes = _size(folder / f"{FILE_NAME}-wal")
    free = shutil.disk_usage(folder).free + _unused(database)
    return max(_used(database) + log_bytes + aside - limits.quota_bytes, limits.free_bytes_min - free)


def _folder_size(folder: Path) -> int:
    """The bytes of its files; of those alone that a purge by hand does not delete meanwhile."""
    with suppress(FileNotFoundError, NotADirectoryError):
        return sum(map(_size, list(folder.iterdir())))
    return 0


def _size(file: Path) -> int:
    with suppress(FileNotFoundError):
        return file.stat().st_size
    return 0


def _pragma(database: Database, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])


def _unused(database: Database) -> int:
    return _pragma(database, "freelist_count") * _pragma(database, "page_size")


def _used(database: Database) -> int:
    return _pragma(database, "page_count") * _pragma(database, "page_size") - _unused(database)


def _drop(database: Database, step: Step, now_ns: int) -> int:
    """Drop the oldest few of a kind; returns how many."""
    with database.atomic():
        oldest = database.execute(step.query, [BATCH]).fetchall()
        if step.what == "read":
            _delete_reads(database, [read_id for (read_id,) in oldest])
        else:
            shred_overviews(database, [read_id for read_id, kind in oldest if kind == "overview"])
            for read_id, kind in oldest:
                database.execute("DELETE FROM evidence WHERE read_id = ? AND kind = ?", [read_id, kind])
                kinds = [kind, "night" if kind == "overview" else kind]
                database.execute("DELETE FROM outbox WHERE ref = ? AND kind IN (?, ?)", [read_id, *kinds])
        if oldest:
            count(database, step.name, len(oldest), now_ns)
    return len(oldest)


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
        for _ in range(0, _pragma(database, "freelist_count"), VACUUM_PAGES):
            database.conn.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")  # execute() frees one page only
    except sqlite3.Error as error:
        raise store_error("not all free pages could be given back", error) from error
