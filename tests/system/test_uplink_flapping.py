"""Days on a link that comes and goes every 30 to 300 s, in simulated time: a day's bytes are kept to one per cent.

The link is a real one on the loopback, whose time is the simulation's: what passes moves the clock on, and when the
link goes down what is under way breaks off. Quick: a day, heartbeats every ten minutes. ANPR_FULL=1: two, every minute.
"""

from __future__ import annotations

import bisect
import contextlib
import itertools
import os
import random
import socket
import struct
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hostile import HostileServer, Plan
from makers import read
from uplink_kit import NS_PER_S, Node, hit, running, settings_for

from anpr_node.drivers.clock import SimulatedClock
from anpr_node.store.database import open_store
from anpr_node.store.reads import EncodedEvidence, add_read
from anpr_node.uplink import urgent
from anpr_node.uplink.link import Link

pytestmark = pytest.mark.system

BYTES_PER_S = 125_000
DAY_S = 86_400
BUDGET_MB = 20.0
FULL = bool(os.environ.get("ANPR_FULL"))
DAYS, HEARTBEAT_S = (2, 60) if FULL else (1, 600)
READS_AN_HOUR = 250
CHUNK = 4096


class FlappingLink(Link):
    """Up and down in turns; a proxy that carries what it can until it goes down."""

    def __init__(self, clock: SimulatedClock, port: int, seed: int) -> None:
        super().__init__(None)
        self._clock, self._port = clock, port
        rng = random.Random(seed)
        lasts = (rng.uniform(30, 300) for _ in itertools.count())
        self._changes_ns = [0]
        while self._changes_ns[-1] < 2 * DAY_S * NS_PER_S:
            self._changes_ns.append(self._changes_ns[-1] + round(next(lasts) * NS_PER_S))
        self.carried, self.broken = 0, 0
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CHUNK)
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()

    def is_up(self) -> bool:
        """What the kernel says is late by some seconds, as it is with modems: the link may be down all the same."""
        return self._is_up_at(self._clock.monotonic_ns() - 4 * NS_PER_S)

    def _is_up_at(self, now_ns: int) -> bool:
        return bisect.bisect_right(self._changes_ns, now_ns) % 2 == 1

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._forward, args=(connection,), daemon=True).start()

    def _forward(self, connection: socket.socket) -> None:
        with connection, socket.create_connection(("127.0.0.1", self._port)) as onward:
            back = threading.Thread(target=self._pump, args=(onward, connection))
            back.start()
            self._pump(connection, onward)
            back.join()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        """Everything that arrives has used the link, also what goes no further."""
        with contextlib.suppress(OSError):
            while chunk := source.recv(CHUNK):
                self._count(len(chunk))
                now_ns = self._clock.monotonic_ns()
                if not self._is_up_at(now_ns):
                    self.broken += 1
                    self._cut(source, target)
                    return
                self._clock.advance_to(now_ns + len(chunk) * NS_PER_S // BYTES_PER_S)
                target.sendall(chunk)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _count(self, size: int) -> None:
        """From all threads: none of them may write back what it read before another one added."""
        with self._lock:
            self.carried += size

    def _cut(self, source: socket.socket, target: socket.socket) -> None:
        source.setblocking(False)
        with contextlib.suppress(OSError):
            while chunk := source.recv(1 << 20):
                self._count(len(chunk))
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def state() -> Iterator[Path]:
    """In memory where there is some: two days are ten thousand commits."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


def test_a_day_on_a_flapping_link_keeps_to_its_bytes(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More waits than the day may carry: it is used to the full and not beyond; hits and heartbeats always go."""
    monkeypatch.setattr(urgent, "IDLE_S", 2.0)
    clock, plan = SimulatedClock(), Plan()
    noise = random.Random(3)
    with running(HostileServer(plan)) as server, closing(FlappingLink(clock, server.server_port, 7)) as link:
        settings = settings_for(
            state, {"name": "zone", "url": link.url}, uplink={"day_mb": BUDGET_MB, "heartbeat_s": float(HEARTBEAT_S)}
        )
        with closing(open_store(state)) as store, Node(settings, clock, link) as node:
            days, waits, hits = [], [], 0
            for hour in range(24 * DAYS):
                with store.atomic():
                    for number in range(READS_AN_HOUR):
                        read_id = f"{hour:02}-{number:04}"
                        pictures = EncodedEvidence(noise.randbytes(6_000), None)
                        found = [hit(read_id)] * (number % 50 == 0)
                        hits += len(found)
                        at_s = clock.utc_ns(hour * 3600 * NS_PER_S) / NS_PER_S
                        add_read(store, read(read_id=read_id, at_s=at_s), pictures, found)
                for beat in range(3600 // HEARTBEAT_S):
                    node.couriers[0].give_heartbeat(BEAT)  # type: ignore[attr-defined]
                    node.run(hour * 3600 + (beat + 1) * HEARTBEAT_S - clock.monotonic_ns() / NS_PER_S)
                if hour % 24 == 23:
                    days.append(link.carried - sum(days))
                    waits.append(store.execute("SELECT count(*) FROM outbox WHERE kind = 'read'").fetchone()[0])
            waiting = store.execute("SELECT count(*) FROM outbox WHERE kind = 'patch'").fetchone()[0]
            counted = [n for (n,) in store.execute("SELECT n FROM uplink_bytes ORDER BY day")]
    sent = {kind: sum(its == kind for its, _ in plan.taken) for kind in ("hit", "read", "patch", "heartbeat")}
    sys.stdout.write(
        f"days {days}, counted {counted}, sent {sent}, cut off {link.broken}, waiting {waiting}, reads {waits}\n"
    )
    assert waiting > 0, "there was more than the budget lets through"
    for day in days:
        assert abs(day / (BUDGET_MB * 1e6) - 1) <= 0.01
    assert sent["hit"] == hits
    assert sent["read"] + waits[-1] == 24 * DAYS * READS_AN_HOUR
    assert waits[-1] <= READS_AN_HOUR, "pictures leave room for reads"
    assert link.broken > 10, "so that what is cut off counts"


BEAT: dict[str, Any] = {"running": {"frames": 1}, "alarms": [], "filler": "x" * 900}
