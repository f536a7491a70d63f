"""Runs the couriers of all sinks, makes the heartbeat, and keeps the outbox free of what nobody will ever want.

Two threads a sink, so that a sink that hangs holds up neither another one nor a hit. Nothing above waits for any of
them: they find what is to be sent in the store.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from anpr_node.config import Settings
from anpr_node.drivers.clock import Clock
from anpr_node.errors import AnprError
from anpr_node.store import outbox
from anpr_node.units import NS_PER_S
from anpr_node.uplink.budget import Budget
from anpr_node.uplink.bulk import BulkCourier
from anpr_node.uplink.courier import Courier, Errand
from anpr_node.uplink.ledger import Ledger
from anpr_node.uplink.link import Link
from anpr_node.uplink.urgent import UrgentCourier
from anpr_node.whole_file import write_whole

log = logging.getLogger(__name__)

TICK_S = 0.5
TIDY_S = 60.0
UNCLAIMED_S = 86_400.0
"""A row that no sink takes waits so long, in case one was taken out of the settings by mistake."""
JOIN_S = 4.0
"""For all couriers together; one that hangs in the resolver is left behind."""
Health = Callable[[], Mapping[str, Any]]


class Uplink:
    """Call `run` in a thread of its own; it ends when it is told to, or when a courier died."""

    def __init__(self, settings: Settings, clock: Clock, health: Health | None = None) -> None:
        """`health` makes the heartbeat; it is called in the uplink's thread."""
        self._settings, self._clock, self._health = settings, clock, health
        link, budget = Link(settings.uplink.interface), Budget(settings.uplink)
        errands = [Errand(settings, sink, clock, link, budget) for sink in settings.sinks]
        self._urgent = [UrgentCourier(errand) for errand in errands]
        self._couriers: list[tuple[str, Courier]] = []
        for urgent, errand in zip(self._urgent, errands, strict=True):
            self._couriers += [(f"{errand.sink.name}-hits", urgent), (f"{errand.sink.name}-bulk", BulkCourier(errand))]
        self._ledger = Ledger(settings)
        self._died: Exception | None = None
        self._beat_due_ns = self._tidy_due_ns = 0

    def run(self, stopping: threading.Event) -> None:
        """Until `stopping`. Raises AnprError when a courier died."""
        threads = [
            threading.Thread(target=self._drive, args=(courier, stopping), name=f"uplink-{name}", daemon=True)
            for name, courier in self._couriers
        ]
        for thread in threads:
            thread.start()
        try:
            while not stopping.wait(TICK_S) and self._died is None:
                self._tick()
        finally:
            for _, courier in self._couriers:
                courier.abort()
            until_s = time.monotonic() + JOIN_S
            for thread in threads:
                thread.join(max(0.0, until_s - time.monotonic()))
            self._ledger.close()
        if self._died is not None:
            raise AnprError(f"the uplink failed: {self._died}") from self._died

    def _drive(self, courier: Courier, stopping: threading.Event) -> None:
        """A courier's thread; its one broad except."""
        try:
            wait_s = 0.0
            while not stopping.wait(wait_s) and self._died is None:
                wait_s = courier.step()
        except Exception as error:
            log.exception("thread %s died", threading.current_thread().name)
            self._died = error
        finally:
            courier.close()

    def _tick(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._beat_due_ns:
            self._beat_due_ns = now_ns + round(self._settings.uplink.heartbeat_s * NS_PER_S)
            self._make_heartbeat()
        if now_ns >= self._tidy_due_ns:
            self._tidy_due_ns = now_ns + round(TIDY_S * NS_PER_S)
            self._ledger.use(self._tidy, None)

    def _make_heartbeat(self) -> None:
        """One for all sinks; a store or a disk that fails now is no reason to end."""
        if self._health is None:
            return
        try:
            beat = self._health()
        except (AnprError, OSError) as error:
            log.warning("no heartbeat: %s", error)
            return
        for courier in self._urgent:
            courier.give_heartbeat(beat)
        if self._settings.uplink.prometheus_file is not None:
            self._write_figures(Path(self._settings.uplink.prometheus_file), beat)

    @staticmethod
    def _write_figures(path: Path, beat: Mapping[str, Any]) -> None:
        from anpr_node.uplink.prometheus import as_prometheus

        try:  # 0644 for a collector of another account; it names no plate
            write_whole(path, as_prometheus(beat), mode=0o644, durable=False)
        except OSError as error:
            log.warning("uplink.prometheus_file: %s", error)

    def _tidy(self, database: Database) -> None:
        names = [sink.name for sink in self._settings.sinks]
        takers = {kind: errand.takers(kind) for errand in self._errands[:1] for kind in (outbox.HIT, *outbox.IN_ORDER)}
        before_ns = self._clock.utc_ns(self._clock.monotonic_ns()) - round(UNCLAIMED_S * NS_PER_S)
        outbox.forget_sinks(database, names, before_ns)
        while outbox.drop_unclaimed(database, takers, before_ns):
            pass

    @property
    def _errands(self) -> list[Errand]:
        return [courier.errand for courier in self._urgent]
