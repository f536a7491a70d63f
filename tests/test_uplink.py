"""From the outbox to a sink: lanes, order, exactly once, and nothing gone before its acknowledgement."""

from __future__ import annotations

from pathlib import Path

from sqlite_utils import Database
from uplink_kit import Node, add, hit, kept, outbox, settings_for, sink

from anpr_node.store.outbox import queue


def test_everything_arrives_and_the_outbox_is_empty(store: Database, tmp_path: Path) -> None:
    for number in range(5):
        add(store, f"r{number}", pictures=True)
    add(store, "r5", hit("r5"), hit("r5", "insurance", "batch"), pictures=True)
    with store.atomic():
        queue(store, "overview", "r3", 0)
    folder = tmp_path / "sink"
    with sink(folder) as url, Node(settings_for(tmp_path / "state", {"name": "zone", "url": url})) as node:
        node.run(30)
    assert kept(folder, "read") == {f"r{number}": 1 for number in range(6)}
    assert kept(folder, "hit") == {"h-r5-seize": 1, "h-r5-insurance": 1}
    assert kept(folder, "patch") == {f"r{number}": 1 for number in range(6)}
    assert kept(folder, "overview") == {"r3": 1}
    assert not outbox(store)
    assert store.execute("SELECT count(*) FROM refused").fetchone()[0] == 0
