"""The recorder's thread: takes reads from the loop over a bounded queue and sees them onto the card, or counts them.

Never makes the loop wait, and never gives a read up while there is hope: a full card may get room again, a broken
store is replaced. Whoever starts the thread decides what its end means.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections import deque
from pathlib import Path

from anpr_node.alert.signals import signals_of
from anpr_node.config import Settings
from anpr_node.drivers.platform import Platform
from anpr_node.errors import StoreDamaged, StoreError, StoreLogLost
from anpr_node.hotlist.matching import open_matcher
from anpr_node.pipeline import Ripe
from anpr_node.recorder import Recorded, Recorder
from anpr_node.store import recovery
from anpr_node.store.database import checkpoint, open_store
from anpr_node.store.sealing import load_seal

log = logging.getLogger(__name__)

TICK_S = 0.02
STORE_RETRY_S = 1.0
STORE_BUSY_S = 0.2
"""The recorder waits no longer than this for another writer at once: pulses end by its tick."""
RECENT_KEPT = 200


class Desk:
    """Where the loop leaves its reads, and what became of them. `work` is the thread's body."""

    def __init__(self, settings: Settings, platform: Platform) -> None:
        """Load the key for which reads are sealed. Raises ConfigError where it is none."""
        self._settings = settings
        self._platform = platform
        self._seal = load_seal(Path(settings.store.sealed_for)) if settings.store.sealed_for else None
        self._queue: queue.Queue[Ripe] = queue.Queue(settings.queue.reads_max)
        self._waiting: Ripe | None = None
        """What the store did not take yet."""
        self._closed, self._giving_up = threading.Event(), threading.Event()
        self.recent: deque[Recorded] = deque(maxlen=RECENT_KEPT)
        self.reads = self.hits = self.dropped = self.store_failures = 0

    @property
    def depth(self) -> int:
        """Reads that wait."""
        return self._queue.qsize()

    def hand_over(self, ripe: list[Ripe]) -> None:
        """Leave reads here; what finds no room is dropped and counted. Never waits."""
        for item in ripe:
            try:
                self._queue.put_nowait(item)
            except queue.Full:
                self.dropped += 1
                log.error("read dropped: the recorder is %d reads behind", self.depth)

    def close(self) -> None:
        """Nothing more comes: the thread ends when all that came is on the card."""
        self._closed.set()

    def give_up(self) -> None:
        """End now, with what is on the card."""
        self._giving_up.set()

    def count_left(self) -> None:
        """After the thread's end: what is still here is lost, and counted."""
        left = self.depth + (self._waiting is not None)
        if left:
            log.error("%d reads dropped: they were not on the card when the node had to stop", left)
        self.dropped += left
        self._waiting = None
        with self._queue.mutex:
            self._queue.queue.clear()

    def work(self, stopping: threading.Event) -> None:
        """Record until closed and empty.

        A store that breaks is replaced by a sound one for what waits; then the node ends (`stopping` is set), so that
        everybody who had the broken one open begins anew.
        """
        try:
            self._record()
        except StoreDamaged:
            stopping.set()
            clock, settings = self._platform.clock, self._settings
            recovery.make_sound(settings.state_folder, clock.utc_ns(clock.monotonic_ns()), settings.policy.terms)
            self._record()
            raise

    def _record(self) -> None:
        """Store, match and signal until everything that was handed over is on the card."""
        outputs, settings = self._platform.outputs, self._settings
        outputs.led.show("ok")
        with contextlib.ExitStack() as open_now:
            database = open_now.enter_context(contextlib.closing(open_store(settings.state_folder, STORE_BUSY_S)))
            matcher = open_now.enter_context(contextlib.closing(open_matcher(database, settings)))
            signals = signals_of(outputs, settings)
            writer = Recorder(database, signals, self._platform.clock, matcher, settings.policy, self._seal)
            while self._has_work() and not self._giving_up.is_set():
                outputs.tick()
                self._waiting = self._waiting or self._next_ripe()
                if self._waiting and self._store(writer, self._waiting):
                    self._waiting = None
            writer.store_counts()
            checkpoint(database)

    def _has_work(self) -> bool:
        return self._waiting is not None or not self._closed.is_set() or not self._queue.empty()

    def _next_ripe(self) -> Ripe | None:
        try:
            return self._queue.get(timeout=TICK_S)
        except queue.Empty:
            return None

    def _store(self, writer: Recorder, ripe: Ripe) -> bool:
        """Whether the read is on the card now. A full card may get room again: it is tried until the node must stop."""
        try:
            recorded = writer.record(ripe.read, ripe.evidence, ripe.decided_ns)
        except StoreDamaged:
            recovery.mark_damaged(self._settings.state_folder)
            raise
        except StoreLogLost:
            raise
        except StoreError as error:
            self.store_failures += 1
            log.error("%s", error)
            if self._must_give_up(STORE_RETRY_S):
                raise
            return False
        self.reads += recorded.read.corrects is None
        self.hits += len(recorded.shown_hits)
        self.recent.append(recorded)
        return True

    def _must_give_up(self, wait_s: float) -> bool:
        """Wait before the store is tried again. Pulses end meanwhile: a relay must not stay closed for a full card."""
        for _ in range(round(wait_s / TICK_S)):
            self._platform.outputs.tick()
            if self._giving_up.wait(TICK_S):
                return True
        return False
