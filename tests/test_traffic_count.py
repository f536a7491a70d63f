"""Passages counted by the hour: every one alike, also where nothing of it may be kept, and the usual of an hour."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory
from makers import NS_PER_S, evidence, put_list, read
from sqlite_utils import Database

from anpr_node.alert.signals import Signals
from anpr_node.config import PolicySection, parse
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.gpio import Outputs, Pins
from anpr_node.hotlist.matching import open_matcher
from anpr_node.recorder import COUNT_EVERY_NS, Recorder
from anpr_node.store.traffic import KEPT_DAYS, add_passages, forget_passages, passages_in, usual_reads
from anpr_node.units import NS_PER_DAY, NS_PER_H
from anpr_node.uplink.standing import reads_per_hour

TEN = 20 * 24 + 10
NOW_NS = TEN * NS_PER_H


def bring(store: Database, days_ago: int, passages: int, hour: int = TEN) -> None:
    add_passages(store, {(hour - 24 * days_ago, "1"): passages})


def test_the_usual_of_an_hour_is_its_second_quietest_of_a_week(store: Database) -> None:
    assert usual_reads(store, NOW_NS) == 0
    for days_ago, passages in enumerate((5, 0, 3, 4, 6), 1):
        bring(store, days_ago, passages)
    bring(store, 7, 1, TEN - 3)
    assert usual_reads(store, NOW_NS + NS_PER_H // 2) == 0, "two of seven days without any passage"
    for days_ago in (2, 6, 7):
        bring(store, days_ago, 2)
    assert usual_reads(store, NOW_NS + NS_PER_H // 2) == 2
    assert usual_reads(store, NOW_NS + NS_PER_H) == 0
    assert passages_in(store, TEN - 48) == 2


def test_a_first_week_is_no_quiet_one_and_what_is_long_ago_counts_for_nothing(store: Database) -> None:
    bring(store, 19, 9)
    bring(store, 2, 9)
    bring(store, 1, 9)
    assert usual_reads(store, NOW_NS) == 0, "two days are too few"
    bring(store, 3, 9)
    assert usual_reads(store, NOW_NS) == 9


def test_old_counts_go_and_those_of_a_mistaken_clock(store: Database) -> None:
    now = 400 * 24
    for hour in (now - 24 * KEPT_DAYS - 1, now - 24 * KEPT_DAYS, now, now + 25):
        add_passages(store, {(hour, "1"): 1})
    forget_passages(store, now * NS_PER_H)
    assert store.execute("SELECT hour - ? FROM traffic ORDER BY hour", [now]).fetchall() == [(-24 * KEPT_DAYS,), (0,)]


@pytest.fixture
def german(store: Database, tmp_path: Path) -> Callable[[SimulatedClock], Recorder]:
    settings = parse({"store": {"folder": str(tmp_path / "state")}}, "test")
    put_list(store, settings, "vrm,category\n1ABC123,discreet\n")

    def make(clock: SimulatedClock) -> Recorder:
        signals = Signals(Outputs(Pins(17, 27, 22), MockFactory(), clock), 2.0, 5.0)
        return Recorder(store, signals, clock, open_matcher(store, settings), PolicySection(preset="DE"))

    return make


def test_where_no_read_is_kept_the_usual_is_known_all_the_same(
    store: Database, german: Callable[[SimulatedClock], Recorder]
) -> None:
    for days_ago in (1, 2, 3):
        clock = SimulatedClock(NOW_NS - days_ago * NS_PER_DAY)
        recorder = german(clock)
        for n in range(4):
            recorder.record(read("7QZX001", f"{days_ago}-{n}", at_s=clock.utc_ns(0) / NS_PER_S), evidence())
        recorder.store_counts()
    assert store.execute("SELECT count(*) FROM read").fetchone() == (0,)
    assert usual_reads(store, NOW_NS) == 4
    assert reads_per_hour(store, NOW_NS + NS_PER_H) == {"reads_last_hour": 0, "reads_usual_hour": 4}


def test_a_silent_hit_counts_as_every_passage_and_a_correction_does_not(
    store: Database, german: Callable[[SimulatedClock], Recorder]
) -> None:
    clock = SimulatedClock(NOW_NS)
    recorder = german(clock)
    recorder.record(read("7QZX001", "r1", at_s=NOW_NS / NS_PER_S), evidence())
    recorder.record(read("1ABC123", "r2", at_s=NOW_NS / NS_PER_S, lane="2"), evidence())
    assert store.execute("SELECT * FROM traffic").fetchall() == [], "not a commit for each passage"
    clock.advance_to(COUNT_EVERY_NS)
    recorder.record(read("7QZX001", "r3", corrects="r2", at_s=NOW_NS / NS_PER_S), evidence())
    assert store.execute("SELECT * FROM traffic").fetchall() == [(TEN, "1", 1), (TEN, "2", 1)]
    recorder.store_counts()
    assert store.execute("SELECT sum(passages) FROM traffic").fetchone() == (2,), "each once"


def test_counts_that_the_card_does_not_take_wait(
    store: Database, german: Callable[[SimulatedClock], Recorder], caplog: pytest.LogCaptureFixture
) -> None:
    recorder = german(SimulatedClock(NOW_NS))
    recorder.record(read("7QZX001", "r1", at_s=NOW_NS / NS_PER_S), evidence())
    store.execute("CREATE TRIGGER full BEFORE INSERT ON traffic BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    recorder.store_counts()
    assert "disk is full" in caplog.text
    store.execute("DROP TRIGGER full")
    recorder.store_counts()
    assert passages_in(store, TEN) == 1
