"""What both couriers of a sink share: their ledger, their line, their patience, and how a problem is told.

A courier is a small machine that is stepped: `step` does one thing and says how long to wait before the next. It reads
time from the clock it was given, so that the tests let days pass in minutes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from anpr_node.config import Settings, SinkSection
from anpr_node.drivers.clock import Clock
from anpr_node.store import outbox
from anpr_node.units import NS_PER_S
from anpr_node.uplink.backoff import Backoff
from anpr_node.uplink.budget import Budget, day_of
from anpr_node.uplink.formats.registry import kinds_of
from anpr_node.uplink.items import Loader
from anpr_node.uplink.ledger import Ledger
from anpr_node.uplink.line import Line, Outcome
from anpr_node.uplink.link import Link

log = logging.getLogger(__name__)

LOOK_S = 1.0
PROBE_LIMIT_S = 5.0
DOUBTS = 3


@dataclass(frozen=True, slots=True)
class Errand:
    """Everything a courier needs: for whom, by which clock, over which link, at whose cost."""

    settings: Settings
    sink: SinkSection
    clock: Clock
    link: Link
    budget: Budget

    def takers(self, kind: str) -> list[str]:
        """The sinks that take a kind of the outbox."""
        return [sink.name for sink in self.settings.sinks if kind in kinds_of(sink)]


class Courier:
    """The base of both couriers of a sink."""

    def __init__(self, errand: Errand) -> None:
        self.errand, self.sink = errand, errand.sink
        self.line = self.make_line()
        self.kinds = kinds_of(errand.sink, self.line.format)
        self.ledger = Ledger(errand.settings)
        self.backoff = Backoff()
        self._not_before_ns = 0
        self._was_down = False
        self._told = ""
        self._doubted = ("", 0)

    def make_line(self) -> Line:
        """Another line to the sink."""
        return Line(self.errand.settings.node.id, self.errand.settings.uplink, self.sink)

    def abort(self) -> None:
        """Break off what is under way, and let nothing more begin; from any thread."""
        self.line.transport.abort()

    def step(self) -> float:
        """Do one thing; returns the seconds to wait before the next."""
        raise NotImplementedError

    def close(self) -> None:
        """Give back what is open; call it from the courier's own thread."""
        self.line.transport.close()
        self.ledger.close()

    def now_ns(self) -> int:
        """Monotonic."""
        return self.errand.clock.monotonic_ns()

    def utc_ns(self) -> int:
        """UTC."""
        return self.errand.clock.utc_ns(self.now_ns())

    def loader(self, database: Database) -> Loader:
        """Fetches what this sink may see."""
        only_hits = self.errand.settings.policy.terms.only_hits_before_ns(self.utc_ns())
        return Loader(database, self.sink, only_hits)

    def pause_s(self) -> float:
        """The seconds that this courier must still wait; a link that comes up again ends the waiting."""
        if not self.errand.link.is_up():
            self._was_down = True
            return LOOK_S
        if self._was_down:
            self._was_down, self._not_before_ns = False, 0
            self.backoff.succeeded()
        return max(0, self._not_before_ns - self.now_ns()) / NS_PER_S

    def failed(self, outcome: Outcome, *, told: bool = True) -> float:
        """Be patient, and say what is wrong once; returns the seconds to wait."""
        pause_s = self.backoff.failed(outcome.wish_s)
        self._not_before_ns = self.now_ns() + round(pause_s * NS_PER_S)
        self.ledger.use(lambda database: self._write_failure(database, outcome.problem if told else None), None)
        if told and outcome.problem != self._told:
            self._told = outcome.problem
            log.warning("sink %s: %s; it is tried again", self.sink.name, outcome.problem)
        return min(pause_s, LOOK_S)

    def succeeded(self, *, told: bool = True) -> None:
        """Begin anew with the next failure."""
        self.backoff.succeeded()
        self._not_before_ns = 0
        if told and self._told:
            self._told = ""
            log.info("sink %s answers again", self.sink.name)

    def _write_failure(self, database: Database, problem: str | None) -> None:
        with database.atomic():
            self.write_bytes(database)
            if problem is not None:
                outbox.note_problem(database, self.sink.name, problem, self.utc_ns())

    def write_bytes(self, database: Database) -> None:
        """Put down what went over the link since the last time."""
        self.write_bytes_of(self.line, database)

    def write_bytes_of(self, line: Line, database: Database) -> None:
        """The same for one line."""
        spent = line.transport.meter.take()
        if spent:
            outbox.add_bytes(database, day_of(self.utc_ns()), spent)

    def is_at_fault(self, refs: Sequence[str]) -> bool:
        """Whether a doubtful answer is due to what was sent: the sink takes a heartbeat right after it.

        One item alone gets several chances, because a proxy's mood may change between two requests.
        """
        request = self.line.pack_heartbeat({"probe": True}, self.utc_ns())
        if request is None or self.line.send(request, PROBE_LIMIT_S).what != "taken":
            return False
        if len(refs) > 1:
            return True
        self._doubted = (refs[0], self._doubted[1] + 1 if self._doubted[0] == refs[0] else 1)
        return self._doubted[1] >= DOUBTS

    def refuse(self, database: Database, kind: str, ref: str, reason: str) -> None:
        """Set something aside; the reason names no plate."""
        vrms = {row[0] for row in database.execute(_VRMS, {"ref": ref})}
        for vrm in sorted(vrms - {""}, key=len, reverse=True):
            reason = reason.replace(vrm, "[plate]").replace(vrm.lower(), "[plate]")
        outbox.refuse(database, outbox.Refusal(self.sink.name, kind, ref, reason), self.utc_ns())


_VRMS = """
SELECT r.vrm FROM read r WHERE r.read_id = :ref UNION SELECT r.vrm FROM hit h JOIN read r ON r.read_id = h.read_id
WHERE h.hit_id = :ref UNION SELECT c.value ->> 0 FROM read r, json_each(r.candidates) c WHERE r.read_id = :ref
"""
