"""Writes a read with its evidence, hits and outbox rows in one transaction.

A read is never changed once written: a correction is a row of its own that names the one it corrects. The one exception
is its time, when the clock turns out to have been wrong. Finding reads again is in finding.py.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from anpr_node.policy import Terms
from anpr_node.records import Hit, PlateRead
from anpr_node.store.database import count, insert, keep_log, store_error
from anpr_node.store.outbox import lane_of, queue, requeue
from anpr_node.store.sealing import Seal, seal_row
from anpr_node.store.shredding import new_picture_key, turn
from anpr_node.store.silence import HIDDEN_READ


@dataclass(frozen=True, slots=True)
class EncodedEvidence:
    """The pictures of a read as they are stored: two grey JPEGs; None is one that is not kept."""

    patch_jpeg: bytes | None
    overview_jpeg: bytes | None


def add_read(
    database: Database, read: PlateRead, evidence: EncodedEvidence, hits: Sequence[Hit], seal: Seal | None = None
) -> None:
    """Commit one read and everything that belongs to it, or nothing. With a seal only its holder can read it again.

    Raises:
        StoreError: nothing was written: the card is full, read-only or failing.
        StoreDamaged, StoreLogLost: nothing was written, and trying again will not help.

    """
    try:
        keep_log(database)
        with database.atomic():
            pictures = _pictures(evidence)
            row = read_row(read)
            if seal is not None:
                row, pictures = seal_row(seal, row, pictures), {k: seal.close(jpeg) for k, jpeg in pictures.items()}
            keys = {"overview": new_picture_key()} if "overview" in pictures else {}
            insert(database, "read", {**row, "overview_key": keys.get("overview")})
            for kind, jpeg in pictures.items():
                digest, kept = hashlib.sha256(jpeg).hexdigest(), turn(keys.get(kind), jpeg)
                insert(database, "evidence", {"read_id": read.read_id, "kind": kind, "sha256": digest, "jpeg": kept})
            add_hits(database, hits, read.last_seen_ns)
            queue(database, "read", read.read_id, read.last_seen_ns)
    except sqlite3.Error as error:
        raise store_error(f"read {read.read_id} not stored", error) from error


def _pictures(evidence: EncodedEvidence) -> dict[str, bytes]:
    both = {"patch": evidence.patch_jpeg, "overview": evidence.overview_jpeg}
    return {kind: jpeg for kind, jpeg in both.items() if jpeg is not None}


def add_hits(database: Database, hits: Sequence[Hit], queued_ns: int) -> None:
    """Hits with their outbox rows. Use it within `database.atomic()`."""
    for hit in hits:
        insert(database, "hit", _hit_row(hit))
        queue(database, lane_of(hit.entry), hit.hit_id, queued_ns)
        if "sms" in hit.entry.actions and not hit.entry.is_silent:
            queue(database, "sms", hit.hit_id, queued_ns)


def note_latency(database: Database, hits: Sequence[Hit], latency_us: int) -> None:
    """Write down how long after the exposure of the deciding frame the relay closed for these hits."""
    with database.atomic():
        for hit in hits:
            database.execute("UPDATE hit SET relay_latency_us = ? WHERE hit_id = ?", [latency_us, hit.hit_id])


def read_row(read: PlateRead) -> dict[str, object]:
    """A read as its row of table read."""
    return {
        "read_id": read.read_id,
        "node_id": read.node_id,
        "vrm": read.vrm,
        "country": read.country,
        "confidence": read.confidence,
        "candidates": json.dumps([[c.text, round(c.score, 4)] for c in read.candidates]),
        "votes": read.votes,
        "first_seen_ns": read.first_seen_ns,
        "last_seen_ns": read.last_seen_ns,
        "clock_source": read.clock.source,
        "clock_offset_ms": read.clock.offset_ms,
        "clock_age_s": read.clock.age_s,
        "lane": read.lane,
        "direction": read.direction,
        "box": json.dumps([[round(x, 1), round(y, 1)] for x, y in read.box.corners]),
        "plate_width_px": read.plate_width_px,
        "exposure_us": read.exposure_us,
        "model_id": read.model_id,
        "software_version": read.software_version,
        "flags": json.dumps(read.flags),
        "corrects": read.corrects,
    }


def _hit_row(hit: Hit) -> dict[str, object]:
    entry = hit.entry
    return {
        "hit_id": hit.hit_id,
        "read_id": hit.read_id,
        "list_id": entry.list_id,
        "category": entry.category,
        "priority": entry.priority,
        "reason": entry.reason,
        "issuer": entry.issuer,
        "actions": json.dumps(entry.actions),
        "match": hit.match,
        "raised_at_ns": hit.raised_at_ns,
        "held_back": hit.held_back,
    }


def correct_times(database: Database, boot_id: str, true_offset_ns: int, terms: Terms, now_ns: int) -> int:
    """Move the reads that were taken since the boot without a time source to their true time, each once.

    Every start of the node notes UTC minus monotonic time as it believed it to be; the difference to the true one is
    what its reads are off by. They say so afterwards, keep their ids, and are queued again. Returns how many, those
    apart that a silent hit alone keeps: they must not show in any count.

    Raises:
        StoreError: nothing was corrected.

    """
    try:
        with database.atomic():
            starts = database.execute(
                """
                SELECT start_id, reads_before, offset_ns,
                       (SELECT min(n.reads_before) FROM node_start n WHERE n.start_id > s.start_id) AS reads_after
                FROM node_start s WHERE boot_id = ? AND corrected_ns IS NULL AND offset_ns IS NOT NULL
                """,
                [boot_id],
            ).fetchall()
            corrected = 0
            for start_id, before, offset_ns, after in starts:
                step_ns = true_offset_ns - offset_ns
                rowids = before, (1 << 62) if after is None else after
                _move(database, rowids, step_ns, now_ns)
                corrected += _count_moved(database, rowids, terms.only_hits_before_ns(now_ns))
                database.execute("UPDATE node_start SET corrected_ns = ? WHERE start_id = ?", [step_ns, start_id])
            count(database, "clock_corrected_reads", corrected, now_ns)
    except sqlite3.Error as error:
        raise store_error("times not corrected", error) from error
    return corrected


def _move(database: Database, rowids: tuple[int, int], step_ns: int, now_ns: int) -> None:
    """Move the free-running reads of one start."""
    early = database.execute(
        "SELECT read_id FROM read WHERE rowid > ? AND rowid <= ? AND clock_source = 'free'", rowids
    ).fetchall()
    for (read_id,) in early:
        database.execute(
            """
            UPDATE read SET first_seen_ns = first_seen_ns + :step_ns, last_seen_ns = last_seen_ns + :step_ns,
                            clock_corrected_ns = :step_ns WHERE read_id = :read_id
            """,
            {"step_ns": step_ns, "read_id": read_id},
        )
        requeue(database, "read", read_id, now_ns)


def _count_moved(database: Database, rowids: tuple[int, int], only_hits_before_ns: int) -> int:
    after, to = rowids
    query = (
        "SELECT count(*) FROM read r WHERE r.rowid > :after AND r.rowid <= :to AND r.clock_source = 'free' "
        f"AND NOT {HIDDEN_READ}"
    )
    values = {"after": after, "to": to, "only_hits_before_ns": only_hits_before_ns}
    return int(database.execute(query, values).fetchone()[0])


def has_read(database: Database, read_id: str) -> bool:
    """Whether a read is on the card."""
    return database.execute("SELECT 1 FROM read WHERE read_id = ?", [read_id]).fetchone() is not None


def newest_rowid(database: Database) -> int:
    """How far the table of reads has been filled; later reads lie beyond it."""
    return int(database.execute("SELECT coalesce(max(rowid), 0) FROM read").fetchone()[0])


def load_evidence(database: Database, read_id: str, kind: str) -> tuple[bytes, str] | None:
    """The stored JPEG and its SHA-256, or None when there is no such picture."""
    row = database.execute(
        "SELECT CASE e.kind WHEN 'overview' THEN r.overview_key END, e.jpeg, e.sha256 "
        "FROM evidence e JOIN read r ON r.read_id = e.read_id WHERE e.read_id = ? AND e.kind = ?",
        [read_id, kind],
    ).fetchone()
    return (turn(row[0], row[1]), row[2]) if row else None


def newest_id(database: Database) -> str:
    """The read id that sorts last; empty where there is no read."""
    return str(database.execute("SELECT coalesce(max(read_id), '') FROM read").fetchone()[0])
