"""Runs recorder and keeper over made-up reads in simulated time and counts, by cause, what they write; no test itself.

Bytes are those that this thread hands to the kernel: what the file system adds is measured on a card of its own, see
scripts/bench-wear.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

from gpiozero.pins.mock import MockFactory
from makers import NS_PER_S, read
from sqlite_utils import Database

from anpr_node.alert.signals import Signals
from anpr_node.config import Settings
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.gpio import Outputs, Pins
from anpr_node.hotlist.matching import open_matcher
from anpr_node.ids import Ids
from anpr_node.keeper import TICK_S, Keeper
from anpr_node.recorder import Recorder
from anpr_node.records import Evidence
from anpr_node.store.database import FILE_NAME, open_store

GAP_S = 2.88
"""30,000 reads a day."""
READS, SENT, DELETED, BACK = "reads, into the log", "sent, into the log", "deleted, into the log", "back into the file"
SENT_AT_ONCE = 20
PINS = Pins(relay=17, led=27, illuminator=22)


def written() -> int:
    """The bytes that this thread has handed to the kernel so far."""
    text = Path("/proc/thread-self/io").read_text("ascii")
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("wchar")))


@dataclass
class Wear:
    """What some reads wrote, by cause, and how many bytes of pictures were in them."""

    reads: int = 0
    picture_bytes: int = 0
    causes: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def count(self, cause: str) -> Iterator[None]:
        """Charge a cause with what is written within."""
        before = written()
        yield
        self.causes[cause] += written() - before

    def a_read(self) -> dict[str, float]:
        """Bytes a read, by cause."""
        return {cause: n / self.reads for cause, n in self.causes.items()}


class Card:
    """A state folder with a recorder and a keeper, and a sink that has taken every read a minute later."""

    def __init__(self, settings: Settings, database: Database, keeping: Database) -> None:
        self._database, self._clock, self._ids = database, SimulatedClock(), Ids()
        outputs = Outputs(PINS, MockFactory(), self._clock)
        matcher = open_matcher(database, settings)
        signals = Signals(outputs, relay_pulse_s=2.0, led_pulse_s=5.0)
        self._recorder = Recorder(database, signals, self._clock, matcher, settings.policy)
        self._keeper = Keeper(keeping, settings, self._clock, "boot")
        self._keeping = keeping
        self.reads = 0
        self._log = settings.state_folder / f"{FILE_NAME}-wal"
        self.log_bytes_max = 0

    def take(self, reads: int, pictures: Sequence[Evidence]) -> Wear:
        """Record so many reads, one every 2.88 s, with the keeper beside; what was written meanwhile."""
        wear = Wear(reads)
        for evidence in islice(cycle(pictures), reads):
            self.reads += 1
            self._record(wear, evidence)
            until_ns = round(self.reads * GAP_S * NS_PER_S)
            while self._clock.monotonic_ns() < until_ns:
                self._clock.advance_to(self._clock.monotonic_ns() + round(TICK_S * NS_PER_S))
                self._keep(wear)
            self.log_bytes_max = max(self.log_bytes_max, self._log.stat().st_size)
        return wear

    def _record(self, wear: Wear, evidence: Evidence) -> None:
        now_ns = self._clock.utc_ns(self._clock.monotonic_ns())
        made = read(f"1ABC{self.reads * 7919 % 1000:03}", self._ids.make(now_ns), now_ns / NS_PER_S)
        with wear.count(READS):
            self._recorder.record(made, evidence)
        query = "SELECT sum(length(jpeg)) FROM evidence WHERE read_id = ?"
        wear.picture_bytes += self._database.execute(query, [made.read_id]).fetchone()[0]
        if self.reads % SENT_AT_ONCE == 0:
            with wear.count(SENT), self._database.atomic():
                self._database.execute("DELETE FROM outbox")

    def _keep(self, wear: Wear) -> None:
        """A tick of the keeper; each statement is charged with what is written until the next one begins."""
        cause, before = DELETED, written()

        def begin(statement: str | None) -> None:
            nonlocal cause, before
            now = written()
            wear.causes[cause] += now - before
            cause, before = BACK if "wal_checkpoint" in str(statement) else DELETED, now

        self._keeping.conn.set_trace_callback(begin)
        self._keeper.tick()
        begin(None)
        self._keeping.conn.set_trace_callback(None)


@contextmanager
def open_card(settings: Settings, *, is_synchronous: bool = True) -> Iterator[Card]:
    """A new card. What is written does not depend on `is_synchronous`, how long it takes does."""
    folder = settings.state_folder
    with closing(open_store(folder)) as database, closing(open_store(folder)) as keeping:
        if not is_synchronous:
            for each in (database, keeping):
                each.execute("PRAGMA synchronous=OFF")
        yield Card(settings, database, keeping)
