"""What a hit does at the roadside: relay within its limits, LED patterns, restraint, and the last channel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from gpiozero.pins.mock import MockFactory
from makers import NS_PER_S, evidence, read
from sqlite_utils import Database

from anpr_node.alert.restraint import Restraint
from anpr_node.alert.signals import Signals
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.gpio import PATTERNS, Outputs, Pins, RelayLimits
from anpr_node.recorder import encode
from anpr_node.records import Hit, HotlistEntry
from anpr_node.store.reads import add_read

MS = 1_000_000
PINS = Pins(relay=17, led=27, illuminator=22)
ENTRY = HotlistEntry("l", "1ABC123", "B", "seize", 80, "stolen", "zone", None, None, ("relay", "led", "uplink", "sms"))


def hit(vrm: str = "1ABC123", *actions: str, **changes: object) -> Hit:
    entry = replace(ENTRY, vrm=vrm, **({"actions": actions} if actions else {}))
    return replace(Hit("h-1", "r1", entry, "exact", 0), **changes)  # type: ignore[arg-type]


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def outputs(clock: SimulatedClock) -> Iterator[Outputs]:
    opened = Outputs(PINS, MockFactory(), clock, RelayLimits(on_s_min=0.2, on_s_max=3.0, off_s_min=0.5))
    yield opened
    opened.close()


def relay_trace(outputs: Outputs, clock: SimulatedClock, milliseconds: int) -> list[tuple[int, bool]]:
    """Levels of the relay with how long they lasted, ticking every 20 ms."""
    trace: list[tuple[int, bool]] = []
    for _ in range(milliseconds // 20):
        outputs.tick()
        if trace and trace[-1][1] == outputs.relay.is_on:
            trace[-1] = (trace[-1][0] + 20, trace[-1][1])
        else:
            trace.append((20, outputs.relay.is_on))
        clock.advance_to(clock.monotonic_ns() + 20 * MS)
    return trace


def test_the_relay_stays_closed_for_its_minimum(outputs: Outputs, clock: SimulatedClock) -> None:
    outputs.relay.pulse(0.001)
    assert relay_trace(outputs, clock, 1000) == [(200, True), (800, False)]


def test_the_relay_rests_before_it_closes_again(outputs: Outputs, clock: SimulatedClock) -> None:
    outputs.relay.pulse(0.2)
    relay_trace(outputs, clock, 240)
    outputs.relay.pulse(0.2)
    assert relay_trace(outputs, clock, 1000) == [(460, False), (200, True), (340, False)]


def test_the_relay_opens_at_its_maximum_however_many_hits_follow(outputs: Outputs, clock: SimulatedClock) -> None:
    closed_ms = longest_ms = 0
    for _ in range(20):
        outputs.relay.pulse(1.0)
        for lasted_ms, closed in relay_trace(outputs, clock, 500):
            closed_ms = closed_ms + lasted_ms if closed else 0
            longest_ms = max(longest_ms, closed_ms)
    assert longest_ms == 3000


def test_off_is_at_once(outputs: Outputs, clock: SimulatedClock) -> None:
    outputs.relay.pulse(2.0)
    outputs.all_off()
    assert relay_trace(outputs, clock, 1000) == [(1000, False)]


def led_trace(outputs: Outputs, clock: SimulatedClock, milliseconds: int) -> str:
    """One character per 100 ms: # lit, . dark."""
    trace = ""
    for _ in range(milliseconds // 100):
        outputs.tick()
        trace += "#" if outputs.led.is_on else "."
        clock.advance_to(clock.monotonic_ns() + 100 * MS)
    return trace


@pytest.mark.parametrize(
    ("state", "trace"),
    [
        ("ok", "#............................." * 2),
        ("no_link", "#..#.........................." * 2),
        ("calibrating", "##########.........." * 3),
        ("fault", "#########." * 6),
    ],
)
def test_each_state_has_its_pattern(outputs: Outputs, clock: SimulatedClock, state: str, trace: str) -> None:
    outputs.led.show(state)
    assert led_trace(outputs, clock, 6000) == trace


def test_patterns_can_be_told_apart_and_the_manual_shows_them() -> None:
    from conftest import ROOT

    manual = (ROOT / "hw" / "led.md").read_text()
    assert len({tuple(pattern) for pattern in PATTERNS.values()}) == len(PATTERNS)
    for state in (*PATTERNS, "reading", "hit"):
        assert f"| {state.replace('_', ' ')} |" in manual


def test_the_most_important_state_is_shown(outputs: Outputs, clock: SimulatedClock) -> None:
    for state in ("ok", "no_link", "calibrating", "fault"):
        outputs.led.show(state)
    assert led_trace(outputs, clock, 1000) == "#########."
    outputs.led.show("fault", False)
    outputs.led.show("calibrating", False)
    assert led_trace(outputs, clock, 3000).count("#") == 2, "no link"
    outputs.led.show("no_link", False)
    assert led_trace(outputs, clock, 3000).count("#") == 1, "all is well"
    with pytest.raises(ValueError, match="no LED pattern"):
        outputs.led.show("party")


def test_a_hit_flickers_and_a_read_flashes_once(outputs: Outputs, clock: SimulatedClock) -> None:
    outputs.led.flash()
    assert led_trace(outputs, clock, 1000) == "###......."
    outputs.led.show("fault")
    outputs.led.flicker(0.6)
    assert led_trace(outputs, clock, 600) == "#.#.#."
    clock.advance_to(clock.monotonic_ns() + 300 * MS)
    outputs.led.flash()
    assert not outputs.led.is_on, "a fault goes before reads"


def test_the_same_vehicle_signals_once_in_a_while() -> None:
    restraint = Restraint(repeat_s=60)
    assert restraint.judge("1ABC123", hit(), 0).held_back is None
    assert restraint.judge("1ABC123", hit(), 0).held_back is None, "judged twice, signalled never"
    restraint.signalled("1ABC123", [hit()], 0)
    assert restraint.judge("1ABC123", hit(), 59 * NS_PER_S).held_back == "repeat"
    assert restraint.judge("1A8C123", hit(match="near"), NS_PER_S).held_back == "repeat", "read otherwise, same vehicle"
    assert restraint.judge("2DEF456", hit("2DEF456"), NS_PER_S).held_back is None
    assert restraint.judge("1ABC123", hit(), 60 * NS_PER_S).held_back is None
    wide = hit("1AB?123")
    restraint.signalled("1ABX123", [wide], 0)
    assert restraint.judge("1ABY123", wide, NS_PER_S).held_back is None, "another vehicle of the same pattern"


def test_no_more_than_so_many_signals_in_a_minute() -> None:
    restraint = Restraint(repeat_s=0, relay_per_minute_max=3)
    for second in range(3):
        assert restraint.judge("x", hit(), second * NS_PER_S).held_back is None
        restraint.signalled("x", [hit()], second * NS_PER_S)
    assert restraint.judge("x", hit(), 59 * NS_PER_S).held_back == "rate"
    assert restraint.judge("x", hit("y", "batch"), 59 * NS_PER_S).held_back is None, "it does not signal anyway"
    assert restraint.judge("x", hit(), 60 * NS_PER_S).held_back is None


def test_many_lesser_hits_hold_back_none_that_matters_more() -> None:
    restraint = Restraint(repeat_s=0, relay_per_minute_max=3)
    lesser, greater = hit("x", "relay"), replace(hit("y", "relay"), entry=replace(ENTRY, priority=ENTRY.priority + 10))
    for _ in range(3):
        restraint.signalled("x", [lesser], 0)
    assert restraint.judge("x", lesser, NS_PER_S).held_back == "rate"
    assert restraint.judge("y", greater, NS_PER_S).held_back is None
    assert restraint.judge("z", hit("z", "led"), NS_PER_S).held_back is None, "the limit is the relay's"
    for _ in range(3):
        restraint.signalled("y", [greater], NS_PER_S)
    assert restraint.judge("y", greater, NS_PER_S).held_back == "rate"


def test_what_is_held_back_is_not_signalled(outputs: Outputs) -> None:
    signals = Signals(outputs, 1.0, 1.0)
    assert not signals.raise_hits("1ABC123", [hit(held_back="repeat")], 0)
    assert not outputs.relay.is_on
    assert signals.raise_hits("1ABC123", [hit(held_back="repeat"), hit("1ABC123", "relay")], 0)
    assert outputs.relay.is_on


def test_one_silent_entry_silences_all(outputs: Outputs, caplog: pytest.LogCaptureFixture) -> None:
    signals = Signals(outputs, 1.0, 1.0)
    with caplog.at_level("DEBUG"):
        assert not signals.raise_hits("1ABC123", [hit(), hit("1ABC123", "silent")], 0)
    assert not outputs.relay.is_on
    assert not outputs.led.is_on
    assert caplog.text == ""


def put(store: Database, number: int, **changes: object) -> None:
    vrm = f"1ABC{number:03}"
    found = hit(vrm, *changes.pop("actions", ENTRY.actions), hit_id=f"0192-hit{number:05}", read_id=f"r{number}")  # type: ignore[arg-type, misc]
    add_read(store, read(vrm, f"r{number}"), encode(evidence()), [found])


@pytest.mark.parametrize(
    ("category", "actions", "lane"),
    [
        ("seize", ("relay", "led", "uplink", "sms"), "hit"),
        ("insurance", ("batch",), "batch"),
        ("discreet", ("silent",), "hit"),
        ("insurance", ("relay",), "batch"),
        ("insurance", ("relay", "uplink"), "hit"),
        ("seize", ("batch",), "batch"),
        ("local", ("relay",), "hit"),
    ],
)
def test_the_outbox_says_how_urgent_a_hit_is(
    store: Database, category: str, actions: tuple[str, ...], lane: str
) -> None:
    """An entry's own actions come first, then what its category does."""
    found = replace(hit(), entry=replace(ENTRY, category=category, actions=actions))
    add_read(store, read(), encode(evidence()), [found])
    kinds = [kind for (kind,) in store.execute("SELECT kind FROM outbox ORDER BY item_id")]
    assert kinds == [lane, *["sms"] * ("sms" in actions), "read"]
