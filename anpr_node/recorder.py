"""Plate read to store, match and signal, in that order: nothing is signalled that is not on the card.

It never looks at frames, and the loop never waits for it.
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass

from sqlite_utils import Database

from anpr_node import pictures
from anpr_node.alert.signals import Signals
from anpr_node.drivers.clock import Clock
from anpr_node.errors import StoreError
from anpr_node.hotlist import lists
from anpr_node.ids import uuid7
from anpr_node.records import Evidence, Hit, PlateRead
from anpr_node.store import reads

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

    def __init__(self, database: Database, signals: Signals, clock: Clock) -> None:
        self._database = database
        self._signals = signals
        self._clock = clock

    def record(self, read: PlateRead, evidence: Evidence) -> Recorded:
        """Commit the read with its evidence and hits in one transaction, then signal.

        Raises:
            StoreError: nothing was committed and nothing signalled.

        """
        hits = self._match(read)
        reads.add_read(self._database, read, encode(evidence), hits)
        log.info("read read_id=%s votes=%d confidence=%.3f", read.read_id, read.votes, read.confidence)
        self._signals.read_stored()
        self._signals.raise_hits(hits)
        return Recorded(read, hits)

    def _match(self, read: PlateRead) -> tuple[Hit, ...]:
        now_ns = self._clock.utc_ns(self._clock.monotonic_ns())
        try:
            entries = lists.match(self._database, read.vrm, read.country, read.last_seen_ns)
        except sqlite3.Error as error:
            raise StoreError(f"read {read.read_id} not matched: {error}") from error
        return tuple(Hit(uuid7(now_ns), read.read_id, entry, "exact", now_ns) for entry in entries)


def encode(evidence: Evidence) -> reads.EncodedEvidence:
    """Evidence as the JPEGs that are kept; they are never encoded again."""
    return reads.EncodedEvidence(
        pictures.encode_jpeg(evidence.patch, PATCH_JPEG_QUALITY),
        pictures.encode_jpeg(evidence.overview, OVERVIEW_JPEG_QUALITY),
    )
