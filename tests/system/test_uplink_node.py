"""The whole node on the simulated roadside with a sink: what it stores arrives, and it starts and ends in time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from makers import put_list
from stalls import Stalls
from uplink_kit import kept, outbox, settings_for, sink

from anpr_node.drivers.platform import open_platform
from anpr_node.node import Node
from anpr_node.status import collect
from anpr_node.store.database import open_store

pytestmark = pytest.mark.system

PLANTED = ("1XYZ987",)


def wait_until(happened: Callable[[], object], seconds: float = 180) -> None:
    """Or fail."""
    until_s = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until_s
        time.sleep(0.05)


def test_what_the_node_reads_is_at_the_sink(tmp_path: Path) -> None:
    folder = tmp_path / "sink"
    with sink(folder) as url:
        settings = settings_for(tmp_path / "state", {"name": "zone", "url": url})
        with closing(open_store(tmp_path / "state")) as store:
            put_list(store, settings, f"vrm,category\n{PLANTED[0]},seize\n")
        platform = open_platform(settings, planted=PLANTED)
        with Node(settings, platform, health=lambda: collect(settings)) as node:
            wait_until(lambda: kept(folder, "hit"))
            wait_until(lambda: len(kept(folder, "read")) >= 3)
            wait_until(lambda: len(kept(folder, "patch")) >= 3)
            assert kept(folder, "heartbeat")
            assert node.failure is None
            with Stalls() as stalls:
                started_s = time.monotonic()
                node.stop()
                took_s = time.monotonic() - started_s
            assert took_s < 8 or stalls.waited_s > 3
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("uplink")]
    with closing(open_store(tmp_path / "state")) as store:
        waiting = outbox(store)
        reads = {row[0] for row in store.execute("SELECT read_id FROM read")}
        owed = {row[0] for row in store.execute("SELECT ref FROM outbox WHERE kind = 'read'")}
    assert set(kept(folder, "read")) | owed == reads, f"each is there or still owed ({waiting})"


def test_a_sink_that_is_not_there_changes_nothing(tmp_path: Path) -> None:
    """The node runs, stores and ends as without one."""
    with socket.socket() as kept_free:
        kept_free.bind(("127.0.0.1", 0))  # nobody listens there, and nobody else can begin to
        _runs_as_without_one(tmp_path, f"http://127.0.0.1:{kept_free.getsockname()[1]}/")


def _runs_as_without_one(tmp_path: Path, url: str) -> None:
    settings = settings_for(tmp_path / "state", {"name": "zone", "url": url})
    with Node(settings, open_platform(settings, realtime=False), health=lambda: collect(settings)) as node:
        wait_until(lambda: node.snapshot().reads >= 2)
        wait_until(lambda: "no connection" in _problem(tmp_path / "state"))
        assert node.failure is None
    assert node.snapshot().reads_dropped == 0
    with closing(open_store(tmp_path / "state")) as store:
        assert outbox(store)["read"] >= 2


def _problem(state: Path) -> str:
    with closing(open_store(state)) as store:
        row = store.execute("SELECT problem FROM sink_state").fetchone()
    return row[0] if row else ""
