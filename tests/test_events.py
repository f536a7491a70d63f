"""The event log, the proof that the card takes writes."""

from __future__ import annotations

import pytest
from sqlite_utils import Database

from anpr_node.errors import StoreError
from anpr_node.store import events
from anpr_node.store.events import Event, add_events, last_events, prove_writes


def test_events_come_back_newest_first(store: Database) -> None:
    raised, cleared = Event(1, "raised", "strobe_dead", "mean 13"), Event(2, "cleared", "strobe_dead", "mean 13")
    step = Event(3, "recovery", "stream", "camera_stalled")
    add_events(store, [raised, cleared, step])
    assert last_events(store) == [step, cleared, raised]
    assert last_events(store, what="recovery") == [step]
    assert last_events(store, limit=1, what="raised", since_ns=2) == []


def test_the_log_is_bounded(store: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "EVENTS_MAX", 10)
    for at_ns in range(25):
        add_events(store, [Event(at_ns, "raised", "throttled", "")])
    assert [event.at_ns for event in last_events(store, 100)] == list(range(24, 14, -1))


def test_a_card_that_takes_no_writes_is_said(store: Database) -> None:
    for table in ("event", "proof"):
        store.execute(f"CREATE TRIGGER full_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'full'); END")
    with pytest.raises(StoreError, match="full"):
        add_events(store, [Event(1, "raised", "throttled", "")])
    assert not prove_writes(store, 1)


def test_the_proof_is_one_row(store: Database) -> None:
    assert prove_writes(store, 1)
    assert prove_writes(store, 2)
    assert store.execute("SELECT * FROM proof").fetchall() == [(1, 2)]
