"""Makes room where the record has grown too large, or the card too full: the least needed goes first.

In small transactions, each of them whole: what is interrupted goes on at the next call. Nothing is dropped that is
still owed to the back office before everything else has gone.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database

from anpr_node.store.database import FILE_NAME, count, store_error
from anpr_node.store.recovery import ASIDE_PREFIX
from anpr_node.store.retention import BATCH, delete_reads
from anpr_node.store.shredding import shred_overviews
from anpr_node.store.wal import pragma, unused_bytes

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
    free = shutil.disk_usage(folder).free + unused_bytes(database)
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


def _used(database: Database) -> int:
    return pragma(database, "page_count") * pragma(database, "page_size") - unused_bytes(database)


def _drop(database: Database, step: Step, now_ns: int) -> int:
    """Drop the oldest few of a kind; returns how many."""
    with database.atomic():
        oldest = database.execute(step.query, [BATCH]).fetchall()
        if step.what == "read":
            delete_reads(database, [read_id for (read_id,) in oldest])
        else:
            shred_overviews(database, [read_id for read_id, kind in oldest if kind == "overview"])
            for read_id, kind in oldest:
                database.execute("DELETE FROM evidence WHERE read_id = ? AND kind = ?", [read_id, kind])
                kinds = [kind, "night" if kind == "overview" else kind]
                database.execute("DELETE FROM outbox WHERE ref = ? AND kind IN (?, ?)", [read_id, *kinds])
        if oldest:
            count(database, step.name, len(oldest), now_ns)
    return len(oldest)
