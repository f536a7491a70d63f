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
from anpr_node.hotlist.matching import Matcher, sighting_of
from anpr_node.ids import uuid7
from anpr_node.records import Evidence, Hit, PlateRead
from anpr_node.store import reads

log = logging.getLogger(__name__)

PATCH_JPEG_QUALITY = 92
OVERVIEW_JPEG_QUALITY = 75
NS_PER_US = 1_000
READS_PER_CHECKPOINT = 16
"""A few megabytes of log, as SQLite itself would let it grow."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A read that is on the card, with the hits that were committed beside it."""

    read: PlateRead
    hits: tuple[Hit, ...]

    @property
    def shown_hits(self) -> tuple[Hit, ...]:
        """What may be shown and counted at the roadside: nothing where one entry is silent."""
        return () if any(hit.entry.is_silent for hit in self.hits) else self.hits


class Recorder:
    """Owns the store's writing connection; use it from the thread that made it."""

    def __init__(self, database: Database, signals: Signals, clock: Clock, matcher: Matcher) -> None:
        self._database = database
        self._signals = signals
        self._clock = clock
        self._matcher = matcher
        self._since_checkpoint = 0
        database.execute("PRAGMA wal_autocheckpoint=0")

    def record(self, read: PlateRead, evidence: Evidence, decided_ns: int | None = None) -> Recorded:
        """Commit the read with its evidence and hits in one transaction, then signal.

        `decided_ns` is the monotonic end of the exposure that decided: from there on the relay's latency counts.

        Raises:
            StoreError: nothing was committed and nothing signalled.

        """
        hits = self._match(read)
        reads.add_read(self._database, read, encode(evidence), hits)
        log.info("read read_id=%s votes=%d confidence=%.3f", read.read_id, read.votes, read.confidence)
        self._signals.read_stored()
        if self._signals.raise_hits(read.vrm, hits, self._clock.monotonic_ns()) and decided_ns is not None:
            self._note_latency(hits, self._clock.monotonic_ns() - decided_ns)
        self._checkpoint_now_and_then()
        return Recorded(read, hits)

    def _checkpoint_now_and_then(self) -> None:
        """SQLite would do so within a commit, and a signal would wait for it: on a card a large part of a second."""
        self._since_checkpoint += 1
        if self._since_checkpoint < READS_PER_CHECKPOINT:
            return
        self._since_checkpoint = 0
        try:
            self._database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            log.warning("the store's log is not written back yet: %s", error)

    def _match(self, read: PlateRead) -> tuple[Hit, ...]:
        monotonic_ns = self._clock.monotonic_ns()
        now_ns = self._clock.utc_ns(monotonic_ns)
        try:
            found = self._matcher.match(sighting_of(read))
        except sqlite3.Error as error:
            raise StoreError(f"read {read.read_id} not matched: {error}") from error
        hits = (Hit(uuid7(now_ns), read.read_id, match.entry, match.how, now_ns) for match in found)
        return tuple(self._signals.restraint.judge(read.vrm, hit, monotonic_ns) for hit in hits)

    def _note_latency(self, hits: tuple[Hit, ...], latency_ns: int) -> None:
        """After the signal, as it must not wait for the card; a card that fails now shows with the next read."""
        closing = [hit for hit in hits if hit.held_back is None and "relay" in hit.entry.actions]
        try:
            reads.note_latency(self._database, closing, latency_ns // NS_PER_US)
        except sqlite3.Error as error:
            log.warning("latency of a hit not stored: %s", error)


def encode(evidence: Evidence) -> reads.EncodedEvidence:
    """Evidence as the JPEGs that are kept; they are never encoded again."""
    return reads.EncodedEvidence(
        pictures.encode_jpeg(evidence.patch, PATCH_JPEG_QUALITY),
        pictures.encode_jpeg(evidence.overview, OVERVIEW_JPEG_QUALITY),
    )
