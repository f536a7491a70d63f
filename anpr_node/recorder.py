"""Plate read to store, match and signal, in that order: nothing is signalled that is not on the card.

It never looks at frames, and the loop never waits for it.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from dataclasses import dataclass, replace

from sqlite_utils import Database

from anpr_node import minimise, pictures
from anpr_node.alert.signals import Signals
from anpr_node.config import PolicySection
from anpr_node.drivers.clock import Clock
from anpr_node.errors import StoreError
from anpr_node.hotlist.matching import Matcher, sighting_of
from anpr_node.ids import uuid7
from anpr_node.records import Evidence, Hit, PlateRead
from anpr_node.store import reads, traffic
from anpr_node.store.database import store_error
from anpr_node.store.sealing import Seal
from anpr_node.units import NS_PER_US

log = logging.getLogger(__name__)

PATCH_JPEG_QUALITY = 92
OVERVIEW_JPEG_QUALITY = 60
"""Plates read the same from it, and it is half as large as at 75, of which most was noise: docs/decisions/0110."""
COUNT_EVERY_NS = 60_000_000_000
"""Counts of passages wait so long in memory: a power cut may cost them, and the card is spared a commit for each."""


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

    def __init__(  # noqa: PLR0913, PLR0917
        self,
        database: Database,
        signals: Signals,
        clock: Clock,
        matcher: Matcher,
        policy: PolicySection | None = None,
        seal: Seal | None = None,
    ) -> None:
        self._database = database
        self._signals = signals
        self._clock = clock
        self._matcher = matcher
        self._terms = (policy or PolicySection()).terms
        self._seal = seal
        self._passages: Counter[tuple[int, str]] = Counter()
        self._count_due_ns = clock.monotonic_ns() + COUNT_EVERY_NS
        # SQLite would write its log back within a commit, and a signal would wait for it: the keeper does it
        database.execute("PRAGMA wal_autocheckpoint=0")

    def record(self, read: PlateRead, evidence: Evidence, decided_ns: int | None = None) -> Recorded:
        """Commit the read with its evidence and hits in one transaction, as far as the law lets it, then signal.

        `decided_ns` is the monotonic end of the exposure that decided: from there on the relay's latency counts.

        Raises:
            StoreError: nothing was committed and nothing signalled.

        """
        hits = self._match(read)
        stored = minimise.storable(read, hits, self._terms, lambda read_id: reads.has_read(self._database, read_id))
        if stored is not None:
            reads.add_read(self._database, stored, self._encode(stored, evidence), hits, self._seal)
        log.info("read read_id=%s votes=%d confidence=%.3f", read.read_id, read.votes, read.confidence)
        self._signals.read_stored()
        if self._signals.raise_hits(read.vrm, hits, self._clock.monotonic_ns()) and decided_ns is not None:
            self._note_latency(hits, self._clock.monotonic_ns() - decided_ns)
        self._count(read)
        return Recorded(read, hits)

    def _count(self, read: PlateRead) -> None:
        """Every passage alike, whatever may be kept of it."""
        if read.corrects is None:
            self._passages[traffic.hour_of(read.first_seen_ns), read.lane] += 1
        if self._clock.monotonic_ns() >= self._count_due_ns:
            self.store_counts()

    def store_counts(self) -> None:
        """Put the counts of passages on the card; where it takes none they wait for the next minute."""
        self._count_due_ns = self._clock.monotonic_ns() + COUNT_EVERY_NS
        if not self._passages:
            return
        try:
            traffic.add_passages(self._database, self._passages)
        except StoreError as error:
            log.warning("%s", error)
        else:
            self._passages.clear()

    def _encode(self, read: PlateRead, evidence: Evidence) -> reads.EncodedEvidence:
        if not read.vrm:
            return reads.EncodedEvidence(None, None)
        encoded = encode(minimise.storable_evidence(evidence, read.box, self._terms))
        return encoded if self._terms.overview else replace(encoded, overview_jpeg=None)

    def _match(self, read: PlateRead) -> tuple[Hit, ...]:
        monotonic_ns = self._clock.monotonic_ns()
        now_ns = self._clock.utc_ns(monotonic_ns)
        try:
            found = self._matcher.match(sighting_of(read))
        except sqlite3.Error as error:
            raise store_error(f"read {read.read_id} not matched", error) from error
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
