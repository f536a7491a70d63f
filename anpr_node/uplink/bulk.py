"""The courier of everything that goes in order: batch hits, reads, pictures; oldest first, in batches fit for the link.

A batch is as large as the link takes in some seconds. While one is under way the next is packed beside it. What the
sink refuses as a whole is halved until the item at fault is found, and set aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from sqlite_utils import Database

from anpr_node.store import outbox
from anpr_node.store.outbox import IN_ORDER, Waiting
from anpr_node.uplink.budget import is_night
from anpr_node.uplink.courier import LOOK_S, NS_PER_S, Courier, Errand
from anpr_node.uplink.formats import Refused, Request
from anpr_node.uplink.items import Item
from anpr_node.uplink.ledger import STORE_PAUSE_S, Ledger
from anpr_node.uplink.line import Outcome

BATCH_S = 3.0
"""A batch takes about so long: long enough to fill the link, short enough not to be broken off in vain."""
BATCH_BYTES_MIN, BATCH_BYTES_MAX = 16_000, 600_000
FIRST_BYTES_PER_S = 30_000.0
ROWS_MAX = 2_000
GATHER_ROWS = 50
GATHER_S = 5.0
"""Few reads wait so long for others: a request of its own for each would cost more than the read."""
LIMIT_S, LIMIT_TIMES, LIMIT_MAX_S = 5.0, 2.5, 120.0
HALVE_AFTER = 2
PROBE_EVERY = 3
LEARN = 0.3
GUESS_BYTES = {
    "verdict": 250.0, "batch": 700.0, "read": 300.0, "patch": 9_000.0, "overview": 90_000.0, "night": 90_000.0
}  # fmt: skip
BUDGET_MIN_BYTES = 4_000
OVERHEAD_BYTES = 700
"""Of a request: what its headers, its answer and the batch's own head take."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A run of rows of one kind, what of them is sent, and the request; None where nothing of them is."""

    kind: str
    rows: Sequence[Waiting]
    items: Sequence[tuple[str, int]]
    request: Request | None

    @property
    def last_id(self) -> int:
        """The row that it ends with."""
        return self.rows[-1].item_id


class BulkCourier(Courier):
    """Everything of one sink that goes in order."""

    def __init__(self, errand: Errand, *, packs_ahead: bool = True) -> None:
        """`packs_ahead` false: everything in the calling thread, for who steps it by hand."""
        super().__init__(errand)
        self._packer = ThreadPoolExecutor(1, f"uplink-{self.sink.name}-packer") if packs_ahead else None
        self._packer_ledger = Ledger(errand.settings)
        self._ahead: Future[Parcel | None] | None = None
        self._parcel: Parcel | None = None
        self._halves: list[tuple[str, Sequence[Waiting]]] = []
        self._owed: tuple[Parcel, Outcome] | None = None
        self._bytes_per_s = FIRST_BYTES_PER_S
        self._per_item = dict(GUESS_BYTES)
        self._gathered_ns = 0

    def close(self) -> None:
        """Give back what is open."""
        if self._packer is not None:
            self._packer.submit(self._packer_ledger.close)
            self._packer.shutdown()
        super().close()

    def step(self) -> float:
        """Send one batch, or wait."""
        if self._owed is not None and not self._settle(*self._owed):
            return STORE_PAUSE_S
        pause_s = self.pause_s()
        if pause_s:
            return min(pause_s, LOOK_S)
        self._parcel = self._parcel or self._next()
        return LOOK_S if self._parcel is None else self._deliver(self._parcel)

    def _deliver(self, parcel: Parcel) -> float:
        if parcel.request is None:
            return 0.0 if self._settle(parcel, Outcome("taken")) else STORE_PAUSE_S
        if not self._fits(len(parcel.request.body)):
            self._forget()
            return LOOK_S
        if not self.ledger.use(lambda database: self._note_sending(database, parcel), otherwise=False):
            return STORE_PAUSE_S
        self._pack_ahead(parcel)
        return self._judge(parcel, self.line.send(parcel.request, self._limit_s(len(parcel.request.body))))

    def _judge(self, parcel: Parcel, outcome: Outcome) -> float:
        if outcome.what == "taken":
            self._learn(parcel, outcome)
            self.succeeded()
            return 0.0 if self._settle(parcel, outcome) else STORE_PAUSE_S
        if outcome.what == "refused" or (outcome.what == "doubtful" and self._is_its_own_fault()):
            return self._refused(parcel, outcome)
        if outcome.what == "again" and self.backoff.failures >= HALVE_AFTER and len(parcel.rows) > GATHER_ROWS:
            self._bytes_per_s = max(self._bytes_per_s / 2, BATCH_BYTES_MIN / BATCH_S)
            self._halve(parcel)
        return self.failed(outcome)

    # what is next

    def _next(self) -> Parcel | None:
        """The batch that was packed ahead, or the first of the most urgent kind that has something waiting."""
        ahead, self._ahead = self._ahead, None
        packed = ahead.result() if ahead is not None and not self._halves else None
        return self.ledger.use(lambda database: self._choose(database, packed), None)

    def _choose(self, database: Database, packed: Parcel | None) -> Parcel | None:
        if self._halves:
            kind, rows = self._halves.pop()
            return self._fill(database, kind, rows)
        left = self._left(database)
        if left is not None and left < BUDGET_MIN_BYTES:
            return None
        for kind in IN_ORDER:
            if kind not in self.kinds or (kind == "night" and not self._is_night()):
                continue
            if packed is not None and packed.kind == kind:
                return packed
            after, to = outbox.cursor_of(database, self.sink.name, kind)
            parcel = self._pack(database, kind, after, to) or (self._pack(database, kind, after, None) if to else None)
            if parcel is not None:
                return None if self._must_gather(parcel) else parcel
        return None

    def _pack(self, database: Database, kind: str, after: int, to: int | None) -> Parcel | None:
        most = ROWS_MAX if to is not None else self._rows_for(database, kind)
        rows = outbox.waiting_within(database, self.sink.name, kind, (after, to), most)
        return self._fill(database, kind, rows) if rows else None

    def _fill(self, database: Database, kind: str, rows: Sequence[Waiting]) -> Parcel:
        rows = rows[: self.line.format.items_max]
        items: list[Item] = list(self.loader(database).load(kind, rows, inline=kind in self.line.format.inline))
        request = self.line.pack(items, self.utc_ns()) if items else None
        if request is not None:
            per_item = max(1, len(request.body) - OVERHEAD_BYTES) / len(items)
            self._per_item[kind] += LEARN * (per_item - self._per_item[kind])
        return Parcel(kind, rows, [(item.id, item.rev) for item in items], request)

    def _rows_for(self, database: Database, kind: str) -> int:
        size = min(max(self._bytes_per_s * BATCH_S, BATCH_BYTES_MIN), BATCH_BYTES_MAX)
        left = self._left(database)
        if left is not None:
            size = min(size, max(0, left - OVERHEAD_BYTES))
        return max(1, min(ROWS_MAX, self.line.format.items_max, int(size / self._per_item[kind])))

    def _must_gather(self, parcel: Parcel) -> bool:
        """Whether this is too little to be worth a request yet."""
        few = len(parcel.rows) < min(GATHER_ROWS, self.line.format.items_max)
        if not few or parcel.kind not in {"batch", "read"}:
            return False
        now_ns = self.now_ns()
        if not self._gathered_ns:
            self._gathered_ns = now_ns
        return now_ns - self._gathered_ns < GATHER_S * NS_PER_S

    def _pack_ahead(self, parcel: Parcel) -> None:
        """Let the next batch of the same kind be packed while this one is under way."""
        if self._packer is None or self._halves or self._ahead is not None:
            return

        def pack() -> Parcel | None:
            return self._packer_ledger.use(
                lambda database: self._pack(database, parcel.kind, parcel.last_id, None), None
            )

        if len(parcel.rows) >= GATHER_ROWS or self.line.format.items_max < GATHER_ROWS:
            self._ahead = self._packer.submit(pack)

    def _is_night(self) -> bool:
        return is_night(self.utc_ns(), self.errand.settings.uplink.night_utc)

    def _left(self, database: Database) -> int | None:
        meter = self.line.transport.meter
        return self.errand.budget.left(database, self.utc_ns(), meter.sent + meter.received)

    # what came of it

    def _fits(self, size: int) -> bool:
        """Whether the budget still allows so much; where the store cannot say, it does not."""

        def look(database: Database) -> bool:
            left = self._left(database)
            return left is None or size + OVERHEAD_BYTES <= left

        return self.ledger.use(look, otherwise=False)

    def _note_sending(self, database: Database, parcel: Parcel) -> bool:
        outbox.note_sending(database, self.sink.name, parcel.kind, parcel.last_id)
        return True

    def _limit_s(self, size: int) -> float:
        usual_s = LIMIT_S + LIMIT_TIMES * size / self._bytes_per_s
        return min(LIMIT_MAX_S, usual_s * 2.0 ** min(self.backoff.failures, 8))

    def _learn(self, parcel: Parcel, outcome: Outcome) -> None:
        size = len(parcel.request.body) if parcel.request is not None else 0
        if size >= BATCH_BYTES_MIN / 2 and outcome.took_s > 0:
            self._bytes_per_s += LEARN * (size / outcome.took_s - self._bytes_per_s)

    def _settle(self, parcel: Parcel, outcome: Outcome) -> bool:
        """Write down that the sink has it; whether the store took that: if not, it is owed, and nothing is sent."""
        done = self.ledger.use(lambda database: self._write(database, parcel, outcome), otherwise=False)
        self._owed = None if done else (parcel, outcome)
        if done:
            self._parcel, self._gathered_ns = None, 0
        return done

    def _write(self, database: Database, parcel: Parcel, outcome: Outcome) -> bool:
        reasons = {refused.id: refused.reason for refused in outcome.refused}
        kind, name = parcel.kind, self.sink.name
        good = [id_ for id_, _ in parcel.items if id_ not in reasons]
        with database.atomic():
            for row in parcel.rows:
                if row.ref in reasons:
                    self.refuse(database, kind, row.ref, reasons[row.ref])
            outbox.move_cursor(database, name, kind, parcel.last_id, self.errand.takers(kind))
            if kind == "read":
                self._queue_pictures(database, good)
            self.write_bytes(database)
            if parcel.request is not None:
                outbox.note_answer(database, name, self.utc_ns())
        return True

    def _queue_pictures(self, database: Database, read_ids: Sequence[str]) -> None:
        if "patch" in self.kinds:
            outbox.queue_pictures(database, self.sink.name, read_ids, "patch", self.utc_ns())
        if "night" in self.kinds and self.errand.settings.uplink.overviews == "night":
            outbox.queue_pictures(database, self.sink.name, read_ids, "night", self.utc_ns())

    def _refused(self, parcel: Parcel, outcome: Outcome) -> float:
        self.backoff.succeeded()
        if len(parcel.rows) > 1:
            self._halve(parcel)
            return 0.0
        alone = Outcome("taken", refused=[Refused(parcel.rows[0].ref, outcome.reason)])
        return 0.0 if self._settle(parcel, alone) else STORE_PAUSE_S

    def _halve(self, parcel: Parcel) -> None:
        middle = len(parcel.rows) // 2
        self._forget()
        self._halves += [(parcel.kind, parcel.rows[middle:]), (parcel.kind, parcel.rows[:middle])]

    def _forget(self) -> None:
        """What was packed is packed anew."""
        self._parcel = None
        if self._ahead is not None:
            self._ahead.result()
            self._ahead = None

    def _is_its_own_fault(self) -> bool:
        """Whether the sink takes a heartbeat meanwhile; asked now and then, and at each half of a doubtful batch."""
        if not self._halves and self.backoff.failures % PROBE_EVERY != PROBE_EVERY - 1:
            return False
        request = self.line.pack_heartbeat({"probe": True}, self.utc_ns())
        return request is not None and self.line.send(request, LIMIT_MAX_S).what == "taken"
