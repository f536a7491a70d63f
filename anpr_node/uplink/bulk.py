"""The courier of everything that goes in order: batch hits, reads, pictures; oldest first, in batches fit for the link.

While a batch is under way the next is packed beside it. What the sink refuses as a whole is halved until the item at
fault is found, and set aside.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from anpr_node.store import outbox
from anpr_node.uplink.courier import LOOK_S, Courier, Errand
from anpr_node.uplink.formats import Refused
from anpr_node.uplink.ledger import STORE_PAUSE_S, Ledger
from anpr_node.uplink.line import Line, Outcome
from anpr_node.uplink.packer import GATHER_ROWS, OVERHEAD_BYTES, Packer, Parcel

HALVE_AFTER = 2
PROBE_EVERY = 3


@dataclass
class Slot:
    """A parcel on its way: who carries it, and what came of it once that is known."""

    parcel: Parcel
    answer: Future[Outcome] | None = None
    outcome: Outcome | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it waits to be sent."""
        return self.answer is None and self.outcome is None and self.parcel.request is not None

    @property
    def size(self) -> int:
        """The bytes of its body."""
        return len(self.parcel.request.body) if self.parcel.request is not None else 0


class BulkCourier(Courier):
    """Everything of one sink that goes in order.

    Two batches are under way at once where the format allows it, so that the link does not wait for the sink, the card
    or us. They are ticked off in their order: what was taken early waits for the one before it.
    """

    def __init__(self, errand: Errand, *, alone: bool = False) -> None:
        """`alone`: everything in the calling thread and one by one, for who steps it by hand."""
        super().__init__(errand)
        self._in_flight = 1 if alone else self.line.format.in_flight
        others = [self.make_line() for _ in range(self._in_flight - 1)]
        self._lines = [self.line, *others]
        self._carriers = None if alone else ThreadPoolExecutor(self._in_flight, f"uplink-{self.sink.name}-carrier")
        self._ahead_thread = None if alone else ThreadPoolExecutor(1, f"uplink-{self.sink.name}-packer")
        self._ahead_ledger = Ledger(errand.settings)
        self._ahead: Future[Parcel | None] | None = None
        self._slots: deque[Slot] = deque()
        self._packer = Packer(self, self._left)
        self._suspect_until = 0
        self._dry = False
        """Nothing more was there to be packed; asked again when something was ticked off."""
        self._busy: dict[Future[Outcome], Line] = {}

    def abort(self) -> None:
        """Break off what is under way."""
        for line in self._lines:
            line.transport.abort()

    def close(self) -> None:
        """Give back what is open."""
        if self._carriers is not None:
            self._carriers.shutdown(cancel_futures=True)
        if self._ahead_thread is not None:
            self._ahead_thread.submit(self._ahead_ledger.close)  # by who has opened it
            self._ahead_thread.shutdown()
        for line in self._lines:
            line.transport.close()
        super().close()

    def step(self) -> float:
        """Send what is next, wait for one answer, and act on it; or wait."""
        pause_s = self.pause_s()
        if pause_s:
            return min(pause_s, LOOK_S)
        self._fill_slots()
        if not self._slots:
            return LOOK_S
        head = self._slots[0]
        if head.parcel.request is None:
            head.outcome = Outcome("taken")
        if head.outcome is None:
            wait_s = self._send_slots()
            if wait_s:
                return wait_s
            self._wait_for(head)
        return 0.0 if head.outcome is None else self._judge(head.parcel, head.outcome)

    def _send_slots(self) -> float:
        """Let everything that may be under way be so; returns the seconds to wait where it may not."""
        head = self._slots[0]
        if head.answer is None:
            if not self._fits(head):
                self._forget()
                return LOOK_S
            if not self.ledger.use(lambda database: self._note_sending(database, head.parcel), otherwise=False):
                return STORE_PAUSE_S
        for slot in list(self._slots)[: self._in_flight]:
            free = [line for line in self._lines if line not in self._busy.values()]
            if free and slot.is_ready and (slot is head or self._fits(slot)):
                self._start(slot, free[0])
        return 0.0

    def _start(self, slot: Slot, line: Line) -> None:
        request = slot.parcel.request
        assert request is not None
        limit_s = self._packer.limit_s(slot.size, self.backoff.failures)
        if self._carriers is None:
            slot.outcome = line.send(request, limit_s)
            return
        slot.answer = self._carriers.submit(line.send, request, limit_s)
        self._busy[slot.answer] = line
        slot.answer.add_done_callback(lambda answer: self._busy.pop(answer, None))

    def _wait_for(self, head: Slot) -> None:
        """Until the first one is answered, or the next one is packed."""
        if head.answer is not None:
            first: list[Future[Any]] = [head.answer]
            if self._ahead is not None and not self._ahead.done():
                first.append(self._ahead)
            wait(first, return_when=FIRST_COMPLETED)
        for slot in self._slots:
            if slot.answer is not None and slot.answer.done():
                slot.outcome, slot.answer = slot.answer.result(), None

    def _judge(self, parcel: Parcel, outcome: Outcome) -> float:
        if outcome.what == "taken":
            self._packer.learn(parcel, outcome)
            self.succeeded()
            return 0.0 if self._settle(parcel, outcome) else STORE_PAUSE_S
        if outcome.what == "refused" or (outcome.what == "doubtful" and self._is_its_own_fault(parcel)):
            return self._refused(parcel, outcome)
        self._slots[0].outcome = None
        if outcome.what == "again" and self.backoff.failures >= HALVE_AFTER and len(parcel.rows) > GATHER_ROWS:
            self._packer.slow_down()
            self._halve(parcel)
        return self.failed(outcome)

    # what is next

    def _fill_slots(self) -> None:
        """One more batch, as far as it may be under way beside the others."""
        if not self._slots:
            self._ahead = None
            parcel = self.ledger.use(self._packer.choose, None)
            if parcel is not None:
                self._slots.append(Slot(parcel))
        elif len(self._slots) < self._in_flight and self._ahead is not None and self._ahead.done():
            ahead, self._ahead = self._ahead.result(), None
            self._dry = ahead is None
            if ahead is not None and ahead.rows[0].item_id > self._slots[-1].parcel.last_id:
                self._slots.append(Slot(ahead))
        self._pack_ahead()

    def _pack_ahead(self) -> None:
        """Let the next batch of the same kind be packed, if there may be one and nothing more urgent waits."""
        if self._ahead_thread is None or self._ahead is not None or not self._slots or self._dry:
            return
        last = self._slots[-1].parcel
        if len(last.rows) < min(GATHER_ROWS, self.line.format.items_max):
            return
        self._ahead = self._ahead_thread.submit(
            lambda: self._ahead_ledger.use(lambda database: self._packer.pack_behind(database, last), None)
        )

    def _left(self, database: Database, kind: str) -> int | None:
        unwritten = sum(line.transport.meter.sent + line.transport.meter.received for line in self._lines)
        return self.errand.budget.left(database, self.utc_ns(), kind, unwritten)

    def write_bytes(self, database: Database) -> None:
        """Of all lines."""
        for line in self._lines:
            self.write_bytes_of(line, database)

    # what came of it

    def _fits(self, slot: Slot) -> bool:
        """Whether the budget still allows it beside what is under way; where the store cannot say, it does not."""
        size = slot.size + sum(other.size for other in self._slots if other.answer is not None)

        def look(database: Database) -> bool:
            left = self._left(database, slot.parcel.kind)
            return left is None or size + OVERHEAD_BYTES <= left

        return self.ledger.use(look, otherwise=False)

    def _note_sending(self, database: Database, parcel: Parcel) -> bool:
        outbox.note_sending(database, self.sink.name, parcel.kind, parcel.last_id)
        return True

    def _settle(self, parcel: Parcel, outcome: Outcome) -> bool:
        """Write down that the sink has it; whether the store took that: if not, it is tried again before all else."""
        deleted = self.ledger.use(lambda database: self._write(database, parcel, outcome), otherwise=None)
        if deleted is None:
            return False
        if deleted >= outbox.DELETE_AT_ONCE:
            self._delete(parcel.kind)
        self._slots.popleft()
        self._packer.settled()
        self._dry = False
        return True

    def _delete(self, kind: str) -> None:
        """Delete what everybody has now; what is left of it goes the next time."""
        takers = self.errand.takers(kind)
        while self.ledger.use(lambda database: outbox.delete_taken(database, kind, takers), 0) >= outbox.DELETE_AT_ONCE:
            pass

    def _write(self, database: Database, parcel: Parcel, outcome: Outcome) -> int | None:
        """All that follows from an answer, in one commit; how many rows nobody waits for any more went with it."""
        reasons = {refused.id: refused.reason for refused in outcome.refused}
        kind, name = parcel.kind, self.sink.name
        good = [id_ for id_, _ in parcel.items if id_ not in reasons]
        with database.atomic():
            for row in parcel.rows:
                if row.ref in reasons:
                    self.refuse(database, kind, row.ref, reasons[row.ref])
            outbox.move_cursor(database, name, kind, parcel.last_id)
            if kind == "read":
                self._queue_pictures(database, good)
            self.write_bytes(database)
            if parcel.request is not None:
                outbox.note_answer(database, name, self.utc_ns())
            return outbox.delete_taken(database, kind, self.errand.takers(kind))

    def _queue_pictures(self, database: Database, read_ids: Sequence[str]) -> None:
        if "patch" in self.kinds:
            outbox.queue_pictures(database, self.sink.name, read_ids, "patch", self.utc_ns())
        if "night" in self.kinds and self.errand.settings.uplink.overviews == "night":
            outbox.queue_pictures(database, self.sink.name, read_ids, "night", self.utc_ns())

    def _refused(self, parcel: Parcel, outcome: Outcome) -> float:
        self.backoff.succeeded()
        if len(parcel.rows) > 1:
            self._suspect_until = parcel.last_id
            self._halve(parcel)
            return 0.0
        alone = Outcome("taken", refused=[Refused(parcel.rows[0].ref, outcome.reason)])
        self._slots[0].outcome = alone
        return 0.0 if self._settle(parcel, alone) else STORE_PAUSE_S

    def _halve(self, parcel: Parcel) -> None:
        """Put two halves in its place; what is under way behind it stays there."""
        middle = len(parcel.rows) // 2
        halves = [
            self.ledger.use(lambda database, rows=rows: self._packer.fill(database, parcel.kind, rows), None)  # type: ignore[misc]
            for rows in (parcel.rows[:middle], parcel.rows[middle:])
        ]
        if None in halves:
            return
        self._slots.popleft()
        self._slots.extendleft(Slot(half) for half in reversed(halves) if half is not None)

    def _forget(self) -> None:
        """What was packed is packed anew; what is under way is waited for."""
        for slot in self._slots:
            if slot.answer is not None:
                wait([slot.answer])
        self._slots.clear()
        self._ahead = None

    def _is_its_own_fault(self, parcel: Parcel) -> bool:
        """Asked now and then only, and at each half of a batch that was found to be at fault."""
        if parcel.last_id > self._suspect_until and self.backoff.failures % PROBE_EVERY != PROBE_EVERY - 1:
            return False
        return self.is_at_fault([row.ref for row in parcel.rows])
