"""From the end of an exposure to the relay, on a node in real time. scripts/bench-hotlists --node measures it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from makers import put_list
from test_node import wait_until

from anpr_node.config import parse
from anpr_node.drivers.platform import open_platform
from anpr_node.node import Node
from anpr_node.store.database import open_store

pytestmark = pytest.mark.system

LATENCY_MAX_MS = 1000
"""For any machine under any load; what is aimed at stands with the measurement."""


def test_every_hit_that_closes_the_relay_stores_its_latency(tmp_path: Path) -> None:
    planted = tuple(f"{n % 2 + 1}VOL{n * 37 + 112}" for n in range(8))
    section = {"folder": str(tmp_path)}
    settings = parse({"store": section, "hotlists": {"repeat_s": 0.0}, "camera": {"seed": 3}}, "test")
    stored = "SELECT relay_latency_us FROM hit WHERE held_back IS NULL AND relay_latency_us IS NOT NULL"
    with closing(open_store(tmp_path)) as database:
        put_list(database, settings, "vrm,category\n" + "".join(f"{vrm},seize\n" for vrm in planted))
        with Node(settings, open_platform(settings, planted=planted)) as node:
            wait_until(lambda: bool(database.execute(stored).fetchall()))
        latencies_ms = [latency / 1000 for (latency,) in database.execute(stored)]
    assert node.failure is None
    assert all(1 < latency < LATENCY_MAX_MS for latency in latencies_ms), latencies_ms
