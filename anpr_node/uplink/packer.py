"""Packs what goes in order: which kind is next, how many rows a batch may have, and what is too little to send yet.

A batch is as large as the link takes in some seconds, by what the last ones took. Nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from anpr_node.store import outbox
from anpr_node.store.outbox import IN_ORDER, Waiting
from anpr_node.units import NS_PER_S
from anpr_node.uplink.budget import is_night
from anpr_node.uplink.courier import Courier
from anpr_node.uplink.formats import Request
from anpr_node.uplink.items import Item
from anpr_node.uplink.line import Outcome

BATCH_S = 2.5
"""A batch takes about so long: long enough to fill the link, short enough that little is lost when it is broken off."""
BATCH_BYTES_MIN, BATCH_BYTES_MAX = 16_000, 800_000
FIRST_BYTES_PER_S = 30_000.0
ROWS_MAX = 4_000
GATHER_ROWS = 50
GATHER_S = 5.0
"""Few reads wait so long for others: a request of its own for each would cost more than the read."""
LIMIT_S, LIMIT_TIMES, LIMIT_MAX_S = 3.0, 1.7, 120.0
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


class Packer:
    """Packs for one courier: in its thread, and ahead in another one."""

    def __init__(self, courier: Courier, left: Callable[[Database, str], int | None]) -> None:
        """`left`: how many bytes of a kind the budget still allows; None: any number."""
        self._courier, self._errand, self._line = courier, courier.errand, courier.line
        self._sink, self._kinds, self._left = courier.sink.name, courier.kinds, left
        self._bytes_per_s = FIRST_BYTES_PER_S
        self._per_item = dict(GUESS_BYTES)
        self._gathered_ns = 0

    def choose(self, database: Database) -> Parcel | None:
        """What is next of all kinds, or nothing yet."""
        for kind in IN_ORDER:
            if kind not in self._kinds or (kind == "night" and not self._is_night()):
                continue
            left = self._left(database, kind)
            if left is not None and left < BUDGET_MIN_BYTES:
                continue
            after, to = outbox.cursor_of(database, self._sink, kind)
            parcel = self._pack(database, kind, after, to) or (self._pack(database, kind, after, None) if to else None)
            if parcel is not None:
                return None if self._must_gather(parcel) else parcel
        return None

    def _pack(self, database: Database, kind: str, after: int, to: int | None) -> Parcel | None:
        most = ROWS_MAX if to is not None else self._rows_for(database, kind)
        rows = outbox.waiting_within(database, self._sink, kind, (after, to), most)
        return self.fill(database, kind, rows) if rows else None

    def fill(self, database: Database, kind: str, rows: Sequence[Waiting]) -> Parcel:
        """These rows, as far as a request takes so many."""
        rows = rows[: self._line.format.items_max]
        items: list[Item] = list(
            self._courier.loader(database).load(kind, rows, inline=kind in self._line.format.inline)
        )
        request = self._line.pack(items, self._courier.utc_ns()) if items else None
        if request is not None:
            per_item = max(1, len(request.body) - OVERHEAD_BYTES) / len(items)
            self._per_item[kind] += LEARN * (per_item - self._per_item[kind])
        return Parcel(kind, rows, [(item.id, item.rev) for item in items], request)

    def _rows_for(self, database: Database, kind: str) -> int:
        size = min(max(self._bytes_per_s * BATCH_S, BATCH_BYTES_MIN), BATCH_BYTES_MAX)
        left = self._left(database, kind)
        if left is not None:
            size = min(size, max(0, left - OVERHEAD_BYTES))
        return max(1, min(ROWS_MAX, self._line.format.items_max, int(size / self._per_item[kind])))

    def _must_gather(self, parcel: Parcel) -> bool:
        """Whether this is too little to be worth a request yet."""
        few = len(parcel.rows) < min(GATHER_ROWS, self._line.format.items_max)
        if not few or parcel.kind not in {"batch", "read"}:
            return False
        now_ns = self._errand.clock.monotonic_ns()
        if not self._gathered_ns:
            self._gathered_ns = now_ns
        return now_ns - self._gathered_ns < GATHER_S * NS_PER_S

    def _is_night(self) -> bool:
        return is_night(self._courier.utc_ns(), self._errand.settings.uplink.night_utc)

    def pack_behind(self, database: Database, last: Parcel) -> Parcel | None:
        """The next of the same kind, if nothing more urgent waits."""
        return None if self._is_outranked(database, last.kind) else self._pack(database, last.kind, last.last_id, None)

    def _is_outranked(self, database: Database, kind: str) -> bool:
        for urgent in IN_ORDER[: IN_ORDER.index(kind)]:
            span = outbox.cursor_of(database, self._sink, urgent)[0], None
            if urgent in self._kinds and outbox.waiting_within(database, self._sink, urgent, span, 1):
                return True
        return False

    def settled(self) -> None:
        """Something was ticked off: whoever is gathered now has just begun to wait."""
        self._gathered_ns = 0

    def limit_s(self, size: int, failures: int) -> float:
        """How long a request of so many bytes may take after so many failures."""
        usual_s = LIMIT_S + LIMIT_TIMES * size / self._bytes_per_s
        return min(LIMIT_MAX_S, usual_s * 2.0 ** min(failures, 8))

    def learn(self, parcel: Parcel, outcome: Outcome) -> None:
        """How fast the link was with this one."""
        size = len(parcel.request.body) if parcel.request is not None else 0
        if size >= BATCH_BYTES_MIN / 2 and outcome.took_s > 0:
            self._bytes_per_s += LEARN * (size / outcome.took_s - self._bytes_per_s)

    def slow_down(self) -> None:
        """The link takes less than was thought."""
        self._bytes_per_s = max(self._bytes_per_s / 2, BATCH_BYTES_MIN / BATCH_S)
