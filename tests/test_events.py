"""The event log, the proof that the card takes writes, and the usual of an hour."""

from __future__ import annotations

import pytest
from makers import evidence, read
from sqlite_utils import Database

from anpr_node.errors import StoreError
from anpr_node.recorder import encode
from anpr_node.store import events
from anpr_node.store.events import NS_PER_DAY, NS_PER_HOUR, Event, add_events, last_events, prove_writes, usual_reads
from anpr_node.store.reads import add_read

DAY_S = 86_400


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


def test_the_usual_of_an_hour_is_its_second_quietest_of_a_week(store: Database) -> None:
    now_ns = 20 * NS_PER_DAY + 10 * NS_PER_HOUR
    assert usual_reads(store, now_ns) == 0
    for day, count in enumerate((5, 0, 3, 4, 6)):
        for number in range(count):
            at_s = (19 - day) * DAY_S + 10 * 3600 + number
            add_read(store, read(read_id=f"{day}-{number}", at_s=at_s), encode(evidence()), [])
    add_read(store, read(read_id="first", at_s=13 * DAY_S), encode(evidence()), [])
    assert usual_reads(store, now_ns + NS_PER_HOUR // 2) == 0  # two of seven days without any read
    add_read(store, read(read_id="b", at_s=18 * DAY_S + 10 * 3600), encode(evidence()), [])
    for day in (14, 13):
        for number in range(2):
            add_read(store, read(read_id=f"d{day}{number}", at_s=day * DAY_S + 36_000), encode(evidence()), [])
    assert usual_reads(store, now_ns) == 2
