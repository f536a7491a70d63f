"""The composition root: builds the node from its settings, starts its threads, watches them, stops them.

Two threads with a bounded queue between them: the loop (`loop.py`: camera to plate read) and the recorder (`desk.py`:
match, store, signal). A third one looks at the inputs, as either of the two may wait, for a camera or for the card; a
fourth keeps the record in order (`keeper.py`); a fifth, with threads of its own for each sink, sends what waits
(`uplink/`); a sixth keeps the modem where there is one. Any thread that ends, ends the node; systemd starts it again.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
from collections.abc import Callable
from functools import partial

from anpr_node import __version__, audit
from anpr_node.config import Settings
from anpr_node.desk import TICK_S, Desk
from anpr_node.drivers.platform import Platform
from anpr_node.drivers.pwm_trigger import PwmTrigger
from anpr_node.errors import AnprError, PowerFailing, StoreError
from anpr_node.keeper import keep
from anpr_node.loop import Loop
from anpr_node.modem_keeper import ModemKeeper, as_row
from anpr_node.snapshot import BOOT_ID, Snapshot
from anpr_node.store import reads, recovery
from anpr_node.store.database import note_start, open_store
from anpr_node.tap import Tap
from anpr_node.uplink.uplink import Health, Uplink

log = logging.getLogger(__name__)

Body = Callable[[threading.Event], None]
"""What a thread does until the event is set."""
TIMEOUTS_MAX = 30
"""So many trigger periods in a row without a frame end the node: only a restart can bring a stalled camera back."""
JOIN_S = 5.0
"""At the stop each thread gets so long; what the recorder has not written by then is dropped and counted."""
START_FREE_MB_MIN = 10


class Node:
    """One running node. `start` it, wait for `ended`, then `stop` it; use it as a context manager."""

    def __init__(
        self,
        settings: Settings,
        platform: Platform,
        timeouts_max: int | None = TIMEOUTS_MAX,
        health: Health | None = None,
    ) -> None:
        """Load the models and open the store once, so that what is wrong shows before any thread runs.

        `timeouts_max` is None where a supervision decides what a missing frame means. `health` makes the heartbeats.

        Raises:
            ModelError: a model does not fit its contract.
            StoreError: the state folder cannot be written.

        """
        self._settings = settings
        self.platform = platform
        self.desk = Desk(settings, platform)
        self.tap = Tap()
        self._loop = Loop(settings, platform, self.desk, self.tap, timeouts_max)
        self._uplink = Uplink(settings, platform.clock, health)
        self._note_start()
        self._stopping = threading.Event()
        self.ended = threading.Event()
        self.failure: Exception | None = None
        self.is_alarmed = self.is_unlinked = False
        """What the watch says; the LED shows it."""
        self.modem = ModemKeeper(settings, platform.modem, platform.clock) if platform.modem is not None else None
        bodies: dict[str, Body] = {"modem": self.modem.work} if self.modem is not None else {}
        bodies |= {
            "uplink": self._uplink.run,
            "inputs": self._watch_inputs,
            "keeper": partial(keep, settings, platform.clock, BOOT_ID),
            "recorder": self.desk.work,
            "loop": self._loop.work,
        }
        self._threads = {
            name: threading.Thread(target=self._guard, args=(body,), name=name) for name, body in bodies.items()
        }

    def _note_start(self) -> None:
        """Write down that this node started: the record's first question, and the proof that the card takes writes."""
        clock, folder = self.platform.clock, self._settings.state_folder
        monotonic_ns = clock.monotonic_ns()
        recovery.make_sound(folder, clock.utc_ns(monotonic_ns), self._settings.policy.terms)
        with contextlib.closing(open_store(folder)) as database:
            free_mb = shutil.disk_usage(folder).free // 1_000_000
            if free_mb < START_FREE_MB_MIN:
                raise StoreError(f"{folder}: {free_mb} MB free, {START_FREE_MB_MIN} needed to start; free some space")
            note_start(
                database,
                {
                    "started_ns": clock.utc_ns(monotonic_ns),
                    "boot_id": BOOT_ID,
                    "offset_ns": clock.utc_ns(monotonic_ns) - monotonic_ns,
                    "reads_before": reads.newest_rowid(database),
                    "node_id": self._settings.node.id,
                    "software_version": __version__,
                    "model_id": self._loop.pipeline.model_id,
                },
            )
            self._loop.pipeline.ids.start_after(reads.newest_id(database))
        audit.note_configuration(folder, "node", self._settings.model_dump(mode="json"), clock.utc_ns(monotonic_ns))

    def __enter__(self) -> Node:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Light, trigger, threads. What cannot start leaves everything off.

        Raises:
            ConfigError: an exposure is beyond the limits.
            PowerFailing: the supply is going already.

        """
        try:
            self._expect_power()
            self.platform.start(self._settings.camera)
        except AnprError:
            self.platform.close()
            raise
        for thread in self._threads.values():
            thread.start()

    def stop(self) -> None:
        """Ask all threads first, then wait for each; then the safe state.

        What is queued is still recorded as far as time allows, and counted where it does not.
        """
        self._stopping.set()
        for thread in reversed(self._threads.values()):  # the loop first: it feeds the recorder
            self._join(thread)
        self.desk.give_up()
        self._join(self._threads["recorder"])  # the pins are its own until its last commit is over
        self.desk.count_left()
        self.platform.close()

    @staticmethod
    def _join(thread: threading.Thread) -> None:
        if thread.ident is not None:
            thread.join(JOIN_S)

    def _guard(self, body: Body) -> None:
        """The one broad except of a thread: whatever ends it is logged and ends the node."""
        try:
            body(self._stopping)
        except AnprError as error:
            log.error("%s", error)
            self.failure = error
        except Exception as error:
            log.exception("thread %s died", threading.current_thread().name)
            self.failure = error
        finally:
            self._stopping.set()
            self.ended.set()

    def _expect_power(self) -> None:
        if self.platform.power_failing:
            self.platform.make_dark()  # what draws most goes first, long before the threads have ended
            raise PowerFailing("the supply fails; without a wire to it, take power_fail out of inputs.fitted")

    def _watch_inputs(self, stopping: threading.Event) -> None:
        """Follow faults and presence, and end the node in order when the supply gives its warning."""
        while not stopping.wait(TICK_S):
            self.platform.tick()
            self.platform.outputs.led.show("fault", self.is_alarmed or self._is_faulty())
            self.platform.outputs.led.show("no_link", self.is_unlinked)
            self._expect_power()

    def _is_faulty(self) -> bool:
        return self.platform.illuminator is not None and self.platform.illuminator.is_faulty

    def new_read_id(self, utc_ns: int) -> str:
        """The id of a read that is not the loop's own."""
        return self._loop.pipeline.ids.make(utc_ns)

    def _missed_turns(self) -> int:
        trigger = self.platform.trigger
        return trigger.missed_turns if isinstance(trigger, PwmTrigger) else 0

    def snapshot(self) -> Snapshot:
        """How the node is doing; safe to call from any thread."""
        loop, outputs = self._loop, self.platform.outputs
        counters, times = loop.pipeline.counters, sorted(loop.times_ms) or [0.0]
        return Snapshot(
            frames=counters.frames,
            frames_lost=loop.frames_lost,
            timeouts=loop.timeouts,
            loop_ms_median=times[len(times) // 2],
            loop_ms_max=times[-1],
            queue_depth=self.desk.depth,
            queue_max=self._settings.queue.reads_max,
            reads_dropped=self.desk.dropped,
            unread=counters.unread,
            reads=self.desk.reads,
            hits=self.desk.hits,
            store_failures=self.desk.store_failures,
            relay_on=outputs.relay.is_on,
            led_on=outputs.led.is_on,
            illuminator_on=outputs.illuminator.is_on,
            illuminator_faults=self.platform.illuminator.faults if self.platform.illuminator else 0,
            repeats=counters.repeats,
            missed_turns=self._missed_turns(),
            light=loop.light,
            modem=as_row(self.modem.report) if self.modem is not None else None,
        )
