"""The courier of a sink's hits and heartbeats: the newest hit first, at once, whatever else is under way.

It has a line of its own, so that no batch stands before a hit. Its hits show in no log and in no state: one of them may
be silent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from anpr_node.store import outbox
from anpr_node.store.outbox import Waiting
from anpr_node.units import NS_PER_S
from anpr_node.uplink.courier import Courier, Errand
from anpr_node.uplink.items import Item
from anpr_node.uplink.line import Outcome

IDLE_S = 0.2
"""A hit waits no longer than this before it is noticed."""
HITS_AT_ONCE = 10
HITS_BYTES_MAX = 60_000
LIMIT_S, LIMIT_MAX_S = 3.0, 30.0
"""The first try is broken off soon, as the second one may do better; every further one gets twice the time."""
SLOWEST_BYTES_PER_S = 10_000
GOOD_BEFORE_MORE = 20


@dataclass(frozen=True, slots=True)
class _Pack:
    """Some hits: the rows to tick off, and what of them is sent."""

    rows: Sequence[Waiting]
    items: Sequence[Item]


class UrgentCourier(Courier):
    """Hits and heartbeats of one sink."""

    def __init__(self, errand: Errand) -> None:
        super().__init__(errand)
        self._most, self._good = HITS_AT_ONCE, 0
        self._newest = 0
        self._wish_until_ns = 0
        self._idle = False
        self._beat: Mapping[str, Any] | None = None

    def give_heartbeat(self, beat: Mapping[str, Any]) -> None:
        """The heartbeat to send next; one that was not sent until then is dropped. From any thread."""
        self._beat = beat

    def step(self) -> float:
        """Send hits, or a heartbeat, or wait for either."""
        pause_s = self.pause_s()
        beat = self._beat
        if beat is not None and not pause_s:
            self._beat = None
            self._send_heartbeat(beat)
        if "hit" not in self.kinds or not self.errand.link.is_up():
            return IDLE_S
        if (self._idle or pause_s) and not self.ledger.has_changed():
            return IDLE_S
        if pause_s and not self.ledger.use(self._has_news, otherwise=False):
            return IDLE_S
        pack = self.ledger.use(self._next, None)
        self._idle = pack is None and self.ledger.is_well
        return IDLE_S if pack is None else self._send(pack)

    def _has_news(self, database: Database) -> bool:
        """Whether a hit has come since the last try: it is tried at once, unless the sink asked for a pause."""
        newest = outbox.waiting_hits(database, self.sink.name, 1)
        return bool(newest) and newest[0].item_id > self._newest and self.now_ns() >= self._wish_until_ns

    def _next(self, database: Database) -> _Pack | None:
        rows = outbox.waiting_hits(database, self.sink.name, self._most)
        if not rows:
            return None
        chosen: list[Item] = []
        taken: list[Waiting] = []
        loader, size = self.loader(database), 0
        for row in rows:
            items = list(loader.load("hit", [row], inline="hit" in self.line.format.inline))
            size += sum(len(item.patch or b"") + 1000 for item in items)
            if (taken and size > HITS_BYTES_MAX) or len(chosen) >= self.line.format.items_max:
                break
            taken.append(row)
            chosen += items
        return _Pack(taken, chosen)

    def _send(self, pack: _Pack) -> float:
        self._newest = max(self._newest, *(row.item_id for row in pack.rows))
        request = self.line.pack(pack.items, self.utc_ns()) if pack.items else None
        if request is None:
            self._tick_off(pack, ())
            return 0.0
        limit_s = min(LIMIT_MAX_S, LIMIT_S * 2.0 ** min(self.backoff.failures, 8))
        outcome = self.line.send(request, limit_s + len(request.body) / SLOWEST_BYTES_PER_S)
        if outcome.what == "doubtful" and self.is_at_fault([row.ref for row in pack.rows]):
            outcome = Outcome("refused", outcome.problem, outcome.reason)
        if outcome.what == "taken":
            return self._taken(pack, outcome)
        if outcome.what == "refused":
            return self._refused(pack, outcome)
        if outcome.wish_s:
            self._wish_until_ns = self.now_ns() + round(outcome.wish_s * NS_PER_S)
        return min(self.failed(outcome, told=False), IDLE_S)

    def _taken(self, pack: _Pack, outcome: Outcome) -> float:
        self._good += 1
        if self._good >= GOOD_BEFORE_MORE:
            self._most, self._good = HITS_AT_ONCE, 0
        self.succeeded(told=False)
        reasons = {refused.id: refused.reason for refused in outcome.refused}
        return (
            0.0
            if self._tick_off(pack, [(row.ref, reasons[row.ref]) for row in pack.rows if row.ref in reasons])
            else 1.0
        )

    def _refused(self, pack: _Pack, outcome: Outcome) -> float:
        """One hit is at fault: they are sent one by one until it is found."""
        self._good = 0
        if len(pack.rows) > 1:
            self._most = 1
            return 0.0
        return 0.0 if self._tick_off(pack, [(pack.rows[0].ref, outcome.reason)]) else 1.0

    def _tick_off(self, pack: _Pack, refused: Sequence[tuple[str, str]]) -> bool:
        """Write down that the sink has these hits; whether the store took it: if not, they are sent again."""

        def write(database: Database) -> bool:
            bad = {ref for ref, _ in refused}
            with database.atomic():
                for ref, reason in refused:
                    self.refuse(database, "hit", ref, reason)
                ids = [row.item_id for row in pack.rows]
                outbox.pass_hits(database, self.sink.name, ids, self.errand.takers("hit"))
                outbox.settle_sms(database, [item.id for item in pack.items if item.id not in bad])
                self.write_bytes(database)
            return True

        return self.ledger.use(write, otherwise=False)

    def _send_heartbeat(self, beat: Mapping[str, Any]) -> None:
        """Send it once, and not for long: a hit may be waiting behind it, and the next one is a minute away."""
        request = self.line.pack_heartbeat(beat, self.utc_ns())
        if request is None:
            return
        before = self.line.transport.meter.sent + self.line.transport.meter.received
        outcome = self.line.send(request, LIMIT_S + len(request.body) / SLOWEST_BYTES_PER_S)
        after = self.line.transport.meter.sent + self.line.transport.meter.received
        if outcome.what != "taken":
            self.failed(outcome)
            return
        self.errand.budget.heartbeat_bytes = max(0, after - before)
        self.succeeded()
        self.ledger.use(self._note_answer, None)

    def _note_answer(self, database: Database) -> None:
        with database.atomic():
            self.write_bytes(database)
            outbox.note_answer(database, self.sink.name, self.utc_ns())
