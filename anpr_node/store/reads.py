"""Writes a read with its evidence, hits and outbox rows in one transaction, and finds reads again.

A read is never changed once written: a correction is a row of its own that names the one it corrects.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from sqlite_utils import Database

from anpr_node.errors import StoreError
from anpr_node.records import Hit, PlateRead
from anpr_node.store.database import insert


@dataclass(frozen=True, slots=True)
class EncodedEvidence:
    """The pictures of a read as they are stored: two grey JPEGs."""

    patch_jpeg: bytes
    overview_jpeg: bytes


@dataclass(frozen=True, slots=True)
class Criteria:
    """What to look for. In `pattern` `?` is one character and `*` any; times are UTC nanoseconds, None is open."""

    pattern: str
    from_ns: int | None = None
    to_ns: int | None = None
    country: str | None = None
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class FoundRead:
    """What a search shows of a read. `hit_categories` are those of its hits; none where one is silent."""

    read_id: str
    vrm: str
    country: str | None
    confidence: float
    first_seen_ns: int
    lane: str
    direction: str
    hit_categories: tuple[str, ...]


def add_read(database: Database, read: PlateRead, evidence: EncodedEvidence, hits: Sequence[Hit]) -> None:
    """Commit one read and everything that belongs to it, or nothing.

    Raises:
        StoreError: nothing was written: the card is full, read-only or failing.

    """
    try:
        with database.atomic():
            insert(database, "read", _read_row(read))
            for kind, jpeg in (("patch", evidence.patch_jpeg), ("overview", evidence.overview_jpeg)):
                digest = hashlib.sha256(jpeg).hexdigest()
                insert(database, "evidence", {"read_id": read.read_id, "kind": kind, "sha256": digest, "jpeg": jpeg})
            add_hits(database, hits, read.last_seen_ns)
            _queue(database, "read", read.read_id, read.last_seen_ns)
    except sqlite3.Error as error:
        raise StoreError(f"read {read.read_id} not stored: {error}; free space or replace the card") from error


def add_hits(database: Database, hits: Sequence[Hit], queued_ns: int) -> None:
    """Hits with their outbox rows. Use it within `database.atomic()`."""
    for hit in hits:
        insert(database, "hit", _hit_row(hit))
        _queue(database, "hit", hit.hit_id, queued_ns)


def note_latency(database: Database, hits: Sequence[Hit], latency_us: int) -> None:
    """Write down how long after the exposure of the deciding frame the relay closed for these hits."""
    with database.atomic():
        for hit in hits:
            database.execute("UPDATE hit SET relay_latency_us = ? WHERE hit_id = ?", [latency_us, hit.hit_id])


def _queue(database: Database, kind: str, ref: str, queued_ns: int) -> None:
    insert(database, "outbox", {"kind": kind, "ref": ref, "queued_ns": queued_ns})


def _read_row(read: PlateRead) -> dict[str, object]:
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


def find_reads(database: Database, wanted: Criteria) -> Iterator[FoundRead]:
    """The reads that fit, newest first; rows that were corrected later are left out."""
    rows = database.query(
        """
        SELECT r.read_id, r.vrm, r.country, r.confidence, r.first_seen_ns, r.lane, r.direction,
               (SELECT group_concat(DISTINCT h.category) FROM hit h
                WHERE h.read_id = r.read_id AND NOT EXISTS (
                    SELECT 1 FROM hit s WHERE s.read_id = r.read_id AND s.actions LIKE '%silent%')) AS categories
        FROM read r
        WHERE r.vrm GLOB :pattern
          AND r.first_seen_ns >= coalesce(:from_ns, r.first_seen_ns)
          AND r.first_seen_ns < coalesce(:to_ns, r.first_seen_ns + 1)
          AND (:country IS NULL OR r.country = :country)
          AND NOT EXISTS (SELECT 1 FROM read newer WHERE newer.corrects = r.read_id)
        ORDER BY r.first_seen_ns DESC, r.read_id DESC LIMIT :limit
        """,
        asdict(wanted),
    )
    for row in rows:
        categories = tuple((row.pop("categories") or "").split(",")) if row.get("categories") else ()
        row.pop("categories", None)
        yield FoundRead(**row, hit_categories=categories)


def log_search(database: Database, row: dict[str, object]) -> None:
    """Write down who searched for what and why; the columns are those of table search_log."""
    with database.atomic():
        insert(database, "search_log", row)


def load_evidence(database: Database, read_id: str, kind: str) -> tuple[bytes, str] | None:
    """The stored JPEG and its SHA-256, or None when there is no such picture."""
    row = database.execute(
        "SELECT jpeg, sha256 FROM evidence WHERE read_id = ? AND kind = ?", [read_id, kind]
    ).fetchone()
    return (row[0], row[1]) if row else None
