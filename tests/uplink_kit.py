"""A sink on the loopback, and a node's couriers stepped by hand against it; no test of its own."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from makers import evidence, read
from sqlite_utils import Database

from anpr_node.config import Settings, parse
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.recorder import encode
from anpr_node.records import Hit, HotlistEntry
from anpr_node.sink.server import Server, Tls
from anpr_node.sink.shelf import Shelf
from anpr_node.store.reads import EncodedEvidence, add_read
from anpr_node.uplink.budget import Budget
from anpr_node.uplink.bulk import BulkCourier
from anpr_node.uplink.courier import Courier, Errand
from anpr_node.uplink.link import Link
from anpr_node.uplink.urgent import UrgentCourier

NS_PER_S = 1_000_000_000
NOW_S = SimulatedClock().utc_ns(0) // NS_PER_S
ENTRY = HotlistEntry("l", "1ABC123", "B", "seize", 80, "stolen", "zone", None, None, ("relay", "uplink", "sms"))
PICTURES = encode(evidence())
NO_PICTURES = EncodedEvidence(None, None)


@contextmanager
def running(server: Any) -> Iterator[Any]:
    """A server of the standard library, served in a thread of its own."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def sink(folder: Path, token: str | None = None, tls: Tls | None = None) -> Iterator[str]:
    """The url of a running sink."""
    with closing(Shelf(folder)) as shelf, running(Server(("127.0.0.1", 0), shelf, token, tls)) as server:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/"


def kept(folder: Path, kind: str) -> dict[str, int]:
    """What a sink has of a kind, and how often it came."""
    with closing(sqlite3.connect(folder / "sink.sqlite")) as database:
        return dict(database.execute("SELECT id, times FROM item WHERE kind = ?", [kind]).fetchall())


def body_of(folder: Path, kind: str, id_: str) -> dict[str, Any]:
    """One item as a sink keeps it."""
    with closing(sqlite3.connect(folder / "sink.sqlite")) as database:
        row = database.execute("SELECT body FROM item WHERE kind = ? AND id = ?", [kind, id_]).fetchone()
    return dict(json.loads(row[0]))


def settings_for(folder: Path, *sinks: dict[str, Any], **sections: Any) -> Settings:
    """Settings with some sinks."""
    return parse({"store": {"folder": str(folder)}, "sinks": list(sinks), **sections}, "test")


class Node:
    """The couriers of a node in simulated time; everything in the test's own thread."""

    def __init__(self, settings: Settings, clock: SimulatedClock | None = None, link: Link | None = None) -> None:
        self.clock = clock or SimulatedClock()
        self.settings = settings
        link = link or Link(None)
        self.budget = Budget(settings.uplink)
        self.couriers: list[Courier] = []
        for section in settings.sinks:
            errand = Errand(settings, section, self.clock, link, self.budget)
            self.couriers += [UrgentCourier(errand), BulkCourier(errand, alone=True)]

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_: object) -> None:
        for courier in self.couriers:
            courier.close()

    def line_limits(self, seconds: float) -> None:
        """Let every request be broken off after so long, in real time."""
        for courier in self.couriers:
            send = courier.line.send
            courier.line.send = lambda request, _, send=send: send(request, seconds)  # type: ignore[method-assign, misc]

    def run(self, seconds: float) -> None:
        """Let so much time pass; whoever is not waiting is stepped."""
        until_ns = self.clock.monotonic_ns() + round(seconds * NS_PER_S)
        due = [self.clock.monotonic_ns()] * len(self.couriers)
        while (now_ns := min(due)) <= until_ns:
            self.clock.advance_to(max(now_ns, self.clock.monotonic_ns()))
            turn = due.index(now_ns)
            wait_s = self.couriers[turn].step()
            due[turn] = max(self.clock.monotonic_ns(), now_ns) + max(1_000_000, round(wait_s * NS_PER_S))
        self.clock.advance_to(until_ns)


def add(store: Database, read_id: str, *hits: Hit, pictures: bool = False, **changes: Any) -> None:
    """A read with its hits."""
    vrm = changes.pop("vrm", "1ABC123")
    changes.setdefault("at_s", NOW_S)
    add_read(store, read(vrm, read_id, **changes), PICTURES if pictures else NO_PICTURES, hits)


def hit(read_id: str, category: str = "seize", *actions: str, match: str = "exact") -> Hit:
    """A hit of that read."""
    does = actions or ENTRY.actions
    entry = HotlistEntry("l", "1ABC123", "B", category, 80, "stolen", "zone", None, None, does)
    return Hit(f"h-{read_id}-{category}", read_id, entry, match, 1000 * NS_PER_S)


def outbox(store: Database) -> Counter[str]:
    """What waits, by kind."""
    return Counter(kind for (kind,) in store.execute("SELECT kind FROM outbox"))
