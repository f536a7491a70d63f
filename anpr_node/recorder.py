"""Plate read to store, match and signal, in that order: nothing is signalled that is not on the card.

It never looks at frames, and the loop never waits for it.
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass, replace

from sqlite_utils import Database

from anpr_node import minimise, pictures
from anpr_node.alert.signals import Signals
from anpr_node.config import PolicySection
from anpr_node.drivers.clock import Clock
from anpr_node.hotlist import lists
from anpr_node.ids import uuid7
from anpr_node.records import Evidence, Hit, PlateRead
from anpr_node.store import reads
from anpr_node.store.database import store_error
from anpr_node.store.sealing import Seal

log = logging.getLogger(__name__)

PATCH_JPEG_QUALITY = 92
OVERVIEW_JPEG_QUALITY = 75


@dataclass(frozen=True, slots=True)
class Recorded:
    """A read that is on the card, with the hits that were committed beside it."""

    read: PlateRead
    hits: tuple[Hit, ...]


class Recorder:
    """Owns the store's writing connection; use it from the thread that made it."""

    def __init__(self, database: Database, signals: Signals, clock: Clock, policy: PolicySection | None = None,
                 seal: Seal | None = None) -> None:  # fmt: skip
        self._database = database
        self._signals = signals
        self._clock = clock
        self._terms = (policy or PolicySection()).terms
        self._seal = seal

    def record(self, read: PlateRead, evidence: Evidence) -> Recorded:
        """Commit the read with its evidence and hits in one transaction, as far as the law lets it, then signal.

        Raises:
            StoreError: nothing was committed and nothing signalled.

        """
        hits = self._match(read)
        stored = minimise.storable(read, hits, self._terms, lambda read_id: reads.has_read(self._database, read_id))
        if stored is not None:
            reads.add_read(self._database, stored, self._encode(stored, evidence), hits, self._seal)
        log.info("read read_id=%s votes=%d confidence=%.3f", read.read_id, read.votes, read.confidence)
        self._signals.read_stored()
        self._signals.raise_hits(hits)
        return Recorded(read, hits)

    def _encode(self, read: PlateRead, evidence: Evidence) -> reads.EncodedEvidence:
        if not read.vrm:
            return reads.EncodedEvidence(None, None)
        encoded = encode(minimise.storable_evidence(evidence, read.box, self._terms))
        return encoded if self._terms.overview else replace(encoded, overview_jpeg=None)

    def _match(self, read: PlateRead) -> tuple[Hit, ...]:
        now_ns = self._clock.utc_ns(self._clock.monotonic_ns())
        try:
            entries = lists.match(self._database, read.vrm, read.country, read.last_seen_ns)
        except sqlite3.Error as error:
            raise store_error(f"read {read.read_id} not matched", error) from error
        return tuple(Hit(uuid7(now_ns), read.read_id, entry, "exact", now_ns) for entry in entries)


def encode(evidence: Evidence) -> reads.EncodedEvidence:
    """Evidence as the JPEGs that are kept; they are never encoded again."""
    return reads.EncodedEvidence(
        pictures.encode_jpeg(evidence.patch, PATCH_JPEG_QUALITY),
        pictures.encode_jpeg(evidence.overview, OVERVIEW_JPEG_QUALITY),
    )
