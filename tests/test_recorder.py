"""Store, match, signal: in that order, on the simulated pins."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory
from makers import NS_PER_S, evidence, put_list, read
from sqlite_utils import Database

from anpr_node.alert.signals import Signals
from anpr_node.config import Settings
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.gpio import Outputs, Pins
from anpr_node.drivers.simulated.circuit import Circuit
from anpr_node.errors import StoreError, WiringError
from anpr_node.hotlist.matching import open_matcher
from anpr_node.recorder import Recorder

PINS = Pins(relay=17, led=27, illuminator=22)


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def outputs(clock: SimulatedClock) -> Iterator[Outputs]:
    opened = Outputs(PINS, MockFactory(), clock)
    yield opened
    opened.close()


@pytest.fixture
def recorder(store: Database, settings: Settings, outputs: Outputs, clock: SimulatedClock) -> Iterator[Recorder]:
    put_list(store, settings, "vrm,category\n1ABC123,seize\n2DEF456,inspection\n3GHI789,discreet\n")
    with closing(open_matcher(store, settings)) as matcher:
        yield Recorder(store, Signals(outputs, relay_pulse_s=2.0, led_pulse_s=5.0), clock, matcher)


def test_a_hit_pulses_relay_and_led_and_both_fall_off(
    recorder: Recorder, outputs: Outputs, clock: SimulatedClock
) -> None:
    recorded = recorder.record(read("1ABC123"), evidence())
    assert [hit.entry.category for hit in recorded.hits] == ["seize"]
    assert outputs.relay.is_on
    assert outputs.led.is_on
    clock.advance_to(2 * NS_PER_S)
    outputs.tick()
    assert not outputs.relay.is_on
    assert outputs.led.is_on
    clock.advance_to(5 * NS_PER_S)
    outputs.tick()
    assert not outputs.led.is_on


def test_a_second_hit_prolongs_the_pulse(recorder: Recorder, outputs: Outputs, clock: SimulatedClock) -> None:
    recorder.record(read("1ABC123", "r1"), evidence())
    clock.advance_to(NS_PER_S)
    recorder.record(read("1ABC123", "r2"), evidence())
    clock.advance_to(2 * NS_PER_S)
    outputs.tick()
    assert outputs.relay.is_on


@pytest.mark.parametrize("vrm", ["9ZZZ999", "2DEF456", "3GHI789"])
def test_strangers_inspection_and_discreet_entries_leave_the_relay_alone(
    recorder: Recorder, outputs: Outputs, vrm: str
) -> None:
    recorder.record(read(vrm), evidence())
    assert not outputs.relay.is_on


def test_a_discreet_hit_is_stored_and_leaves_no_local_trace(
    recorder: Recorder, outputs: Outputs, store: Database, caplog: pytest.LogCaptureFixture, clock: SimulatedClock
) -> None:
    """The same pins and log lines as for a vehicle that nobody watches."""
    traces = []
    for vrm, read_id in (("9ZZZ999", "r0"), ("3GHI789", "r1")):
        caplog.clear()
        with caplog.at_level(logging.DEBUG):
            recorder.record(read(vrm, read_id), evidence())
        traces.append(([r.msg for r in caplog.records], outputs.relay.is_on, outputs.led.is_on))
        clock.advance_to(clock.monotonic_ns() + NS_PER_S)
        outputs.tick()
    assert traces[0] == traces[1]
    assert store.execute("SELECT category FROM hit").fetchall() == [("discreet",)]


def test_nothing_is_signalled_that_is_not_on_the_card(recorder: Recorder, outputs: Outputs, store: Database) -> None:
    store.execute("PRAGMA query_only=1")
    with pytest.raises(StoreError):
        recorder.record(read("1ABC123"), evidence())
    assert not outputs.relay.is_on
    assert not outputs.led.is_on


def test_the_hit_is_committed_before_the_relay_closes(recorder: Recorder, outputs: Outputs, tmp_path: Path) -> None:
    """What another connection sees on disk at the moment the relay's pin rises."""
    import sqlite3

    seen = []
    with closing(sqlite3.connect(tmp_path / "state" / "anpr-node.sqlite")) as other:
        pulse = outputs.relay.pulse
        outputs.relay.pulse = lambda seconds: (  # type: ignore[method-assign]
            seen.append(other.execute("SELECT count(*) FROM hit").fetchone()[0]),
            pulse(seconds),
        )[1]
        recorder.record(read("1ABC123"), evidence())
    assert seen == [1]


def test_no_plate_in_the_log(recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        recorder.record(read("1ABC123"), evidence())
    assert caplog.text
    assert "1ABC123" not in caplog.text


def test_closed_outputs_are_off_and_a_pin_in_use_is_an_error(clock: SimulatedClock) -> None:
    factory = MockFactory()
    outputs = Outputs(PINS, factory, clock)
    outputs.relay.pulse(9)
    outputs.illuminator.on()
    with pytest.raises(WiringError, match="hw/README"):
        Outputs(PINS, factory, clock)
    outputs.close()
    outputs.close()
    assert not any(factory.pin(number).state for number in (17, 27, 22))


def test_the_relay_opens_in_time_however_many_hits_follow_each_other(clock: SimulatedClock) -> None:
    """A hit a second for half a minute, watched by the circuit that allows ten seconds."""
    circuit = Circuit(clock, PINS)
    wired = Outputs(PINS, circuit.factory, clock)
    closed_s = 0.0
    for step in range(300):
        clock.advance_to(step * NS_PER_S // 10)
        wired.tick()
        if step % 10 == 0:
            wired.relay.pulse(2.0)
        circuit.check()
        closed_s += wired.relay.is_on / 10
    assert closed_s > 25, "it takes short breaks only"
    wired.close()


def test_no_signal_waits_for_the_stores_log(recorder: Recorder, store: Database) -> None:
    """SQLite writes its log back within a commit; here the keeper does, beside the recorder (test_retention.py)."""
    assert recorder is not None
    assert store.execute("PRAGMA wal_autocheckpoint").fetchone()[0] == 0


def test_a_hit_knows_how_long_after_the_exposure_the_relay_closed(
    recorder: Recorder, store: Database, clock: SimulatedClock
) -> None:
    clock.advance_to(NS_PER_S)
    recorder.record(read("1ABC123", "r1"), evidence(), decided_ns=NS_PER_S - 42_000_000)
    recorder.record(read("3GHI789", "r2"), evidence(), decided_ns=NS_PER_S - 42_000_000)
    recorder.record(read("1ABC123", "r3"), evidence())
    stored = dict(store.execute("SELECT read_id, relay_latency_us FROM hit").fetchall())
    assert stored == {"r1": 42_000, "r2": None, "r3": None}, "a silent hit has none, nor has one without a moment"
