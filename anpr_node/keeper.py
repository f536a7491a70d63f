"""Keeps house in the record while the node runs: retention, room, the log, corrected times; a little at a time.

`keep` is the body of thread `keeper`. It has a connection of its own and never holds the store for longer than one
small batch, so that the recorder goes on.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database

from anpr_node import audit
from anpr_node.config import Settings
from anpr_node.drivers.clock import Clock
from anpr_node.errors import StoreDamaged, StoreError
from anpr_node.hotlist.lists import FOLDER as LISTS_FOLDER
from anpr_node.hotlist.lists import sweep_parts
from anpr_node.policy import Terms
from anpr_node.store import day_keys, recovery, retention, room, wal
from anpr_node.store.database import count, open_store
from anpr_node.store.reads import correct_times
from anpr_node.store.scrub import Scrubber
from anpr_node.store.traffic import forget_passages
from anpr_node.units import NS_PER_S

log = logging.getLogger(__name__)

ACTOR = "node"
TICK_S = 0.5
RETRY_S = 1.0
BUSY_S = 0.05
"""It waits shorter for the store than the recorder: while it waits for a reader, nobody writes."""
CHECKPOINT_EVERY_S = 60.0
"""The recorder never writes the log back itself: this comes first, whatever else fails. Seldom, because pages that many
reads share are then written to the file once for all of them; not rarer, because hits wait for a card that is busy."""
ROOM_EVERY_S = 10.0
ASK_SOURCE_EVERY_S = 60.0
PURGE_EVERY_S = 600.0
FIRST_PURGE_S = 30.0
"""Not at once: a start has enough to do."""
SCRUB_EVERY_S = 86_400.0
LEAP_S = 3 * 86_400
"""A free-running clock that is so far ahead of the last purge, or of the first reads, may be wrong …"""
PATIENCE_S = 86_400.0
"""… and is believed after so long. Deleting a year of reads for a mistaken date cannot be undone."""
BATCHES = 5
SETTLE_S = 10.0


@dataclass
class _Every:
    """Something that is due every so often."""

    seconds: float
    next_ns: int = 0

    def is_due(self, now_ns: int) -> bool:
        if now_ns < self.next_ns:
            return False
        self.next_ns = now_ns + round(self.seconds * NS_PER_S)
        return True


def leap_s(database: Database, clock: Clock) -> float:
    """By how much a free-running clock is ahead of the record, where that is too much to delete anything; else 0.

    The record's own date is that of the last purge; before the first one, of the newest read.
    """
    row = database.execute("SELECT last_ns FROM figure WHERE name = 'purges'").fetchone()
    known_ns = row[0] if row else database.execute("SELECT max(first_seen_ns) FROM read").fetchone()[0]
    if known_ns is None or clock.state().source != "free":
        return 0.0
    ahead_s = (clock.utc_ns(clock.monotonic_ns()) - known_ns) / NS_PER_S
    return ahead_s if ahead_s > LEAP_S else 0.0


def delete_beside(folder: Path, terms: Terms, utc_ns: int) -> int:
    """Delete what is over age beside the store: damaged stores, broken-off downloads, keys of the audit's days.

    Returns how many stores. Raises StoreError.
    """
    aside = retention.delete_set_aside(folder, terms, utc_ns)
    sweep_parts(folder / LISTS_FOLDER)
    day_keys.erase(folder, terms.longest_days, utc_ns)
    return aside


def keep(settings: Settings, clock: Clock, boot_id: str, stopping: threading.Event) -> None:
    """Keep house until the node stops; what is full, busy or fails is tried again. Raises StoreDamaged."""
    with contextlib.closing(open_store(settings.state_folder, BUSY_S)) as database:
        keeper = Keeper(database, settings, clock, boot_id)
        while not stopping.wait(TICK_S):
            try:
                keeper.tick()
            except StoreDamaged:
                raise
            except (StoreError, sqlite3.Error, OSError) as error:
                log.error("the record is not kept in order now: %s", error)
                stopping.wait(RETRY_S)


class Keeper:
    """The housekeeping of one state folder; call `tick` a few times a second from the thread that opened `database`."""

    def __init__(self, database: Database, settings: Settings, clock: Clock, boot_id: str) -> None:
        self._database, self._clock, self._boot_id = database, clock, boot_id
        self._folder: Path = settings.state_folder
        self._terms = settings.policy.terms
        self._limits = room.Limits(settings.store.quota_mb * 1_000_000, settings.store.free_mb_min * 1_000_000)
        self._ask_source = _Every(ASK_SOURCE_EVERY_S)
        settled_ns = clock.monotonic_ns() + round(FIRST_PURGE_S * NS_PER_S)
        self._checkpoint, self._room = _Every(CHECKPOINT_EVERY_S), _Every(ROOM_EVERY_S)
        self._purge, self._scrub_day = _Every(PURGE_EVERY_S, settled_ns), _Every(SCRUB_EVERY_S, settled_ns)
        self._scrubber, self._scrubbing = Scrubber(database, self._folder), False
        self._purging, self._purged, self._salvaged = False, 0, False
        self._held_since_ns: int | None = None
        self._synchronised_ns: int | None = None
        self._corrected = False

    def tick(self) -> None:
        """Do what is due. Raises StoreError."""
        now_ns = self._clock.monotonic_ns()
        if self._checkpoint.is_due(now_ns):
            wal.write_back(self._database)
        if self._ask_source.is_due(now_ns):
            self._clock.ask_source()
        self._correct_times(now_ns)
        if not self._is_correction_due() and self._purge.is_due(now_ns) and self._is_believed(now_ns):
            self._purging = True
        if self._purging:
            self._purge_on()
        elif self._scrubbing or self._scrub_day.is_due(now_ns):
            self._scrub()
        if self._room.is_due(now_ns):
            self._make_room()
        if not self._salvaged:
            self._salvaged = recovery.salvage_pictures(self._folder, self._database, self._terms, self._utc_ns())

    def _utc_ns(self) -> int:
        return self._clock.utc_ns(self._clock.monotonic_ns())

    def _is_believed(self, now_ns: int) -> bool:
        """Whether the date may decide what is deleted."""
        ahead_s = leap_s(self._database, self._clock)
        if not ahead_s:
            self._held_since_ns = None
            return True
        if self._held_since_ns is None:
            self._held_since_ns = now_ns
            log.error("the clock is %.0f days ahead of the record and not synchronised: purge waits", ahead_s / 86_400)
        return now_ns - self._held_since_ns >= PATIENCE_S * NS_PER_S

    def _scrub(self) -> None:
        """A slice of what purged rows left between the others; the whole file once a day."""
        try:
            self._scrubbing = not self._scrubber.scrub()
            if not self._scrubbing:
                self._scrubber.finish()
        except StoreError:  # the card fails there: tomorrow again, and until then everything else
            self._scrubbing = False
            raise

    def _purge_on(self) -> None:
        """Some batches of the purge; at its end it is written down, without saying what was deleted."""
        purged = retention.purge(self._database, self._terms, self._utc_ns(), BATCHES)
        self._purged += purged
        if purged:
            return
        self._purging = not wal.leave_no_trace(self._database)
        if self._purging:
            return
        aside = delete_beside(self._folder, self._terms, self._utc_ns())
        forget_passages(self._database, self._utc_ns())
        with self._database.atomic():
            count(self._database, "purges", 1, self._utc_ns())
        if self._purged or aside:
            audit.append(self._folder, audit.Entry(ACTOR, "purge", rows=self._purged), self._utc_ns())
            log.info("purged %d reads over age, %d damaged stores", self._purged, aside)
        self._purged = 0

    def _make_room(self) -> None:
        dropped = room.make_room(self._database, self._folder, self._limits, self._utc_ns(), BATCHES)
        if dropped:
            self._room.next_ns = 0  # there may be more to do
            log.warning("the record is full: %s", ", ".join(f"{n} {name}" for name, n in dropped.items()))

    def _is_correction_due(self) -> bool:
        """Whether there may be reads with a mistaken time, which must not be taken for old ones."""
        return not self._corrected and self._clock.true_offset_ns() is not None

    def _correct_times(self, now_ns: int) -> None:
        """Once the clock is synchronised, and what was queued before it is on the card: move the reads before it."""
        offset_ns = self._clock.true_offset_ns()
        if self._corrected or offset_ns is None:
            return
        self._synchronised_ns = self._synchronised_ns or now_ns
        if now_ns - self._synchronised_ns < SETTLE_S * NS_PER_S:
            return
        corrected = correct_times(self._database, self._boot_id, offset_ns, self._terms, self._utc_ns())
        self._corrected = True
        if corrected:
            log.warning("the clock is synchronised: %d reads taken before were moved to their true time", corrected)
            audit.append(self._folder, audit.Entry(ACTOR, "clock corrected", rows=corrected), self._utc_ns())
