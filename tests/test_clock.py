"""The clock: steps change nothing measured, ids never go back, and what was early is corrected once."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from makers import NS_PER_S, evidence, read
from sqlite_utils import Database

from anpr_node.config import Settings
from anpr_node.drivers.clock import Discipline, LinuxClocks, SystemClock
from anpr_node.drivers.time_source import Source
from anpr_node.ids import Ids, uuid7
from anpr_node.keeper import SETTLE_S, Keeper
from anpr_node.policy import presets
from anpr_node.recorder import encode
from anpr_node.records import ClockState
from anpr_node.store.database import figures, note_start
from anpr_node.store.finding import Criteria, find_reads
from anpr_node.store.reads import add_read, correct_times, newest_rowid

HOUR_NS = 3600 * NS_PER_S
START_NS = 1_767_225_600 * NS_PER_S


@dataclass
class Machine:
    """A machine whose clocks are set by hand."""

    monotonic: int = 0
    realtime: int = START_NS
    synchronised: bool = False
    error_max_us: int = 1000
    kind: Source = "ntp"

    def monotonic_ns(self) -> int:
        return self.monotonic

    def realtime_ns(self) -> int:
        return self.realtime

    def discipline(self) -> Discipline:
        return Discipline(self.synchronised, 0.5, self.error_max_us)

    def source(self) -> Source:
        return self.kind

    def pass_time(self, seconds: float) -> None:
        self.monotonic += int(seconds * NS_PER_S)
        self.realtime += int(seconds * NS_PER_S)


@pytest.mark.parametrize("step_ns", [HOUR_NS, -HOUR_NS, 300 * 24 * HOUR_NS])
def test_a_step_without_a_source_moves_nothing(step_ns: int) -> None:
    machine = Machine()
    clock = SystemClock(machine)
    machine.pass_time(10)
    machine.realtime += step_ns
    machine.pass_time(10)
    assert clock.utc_ns(machine.monotonic) == START_NS + 20 * NS_PER_S
    assert clock.state() == ClockState("free", 0.5, 20.0)
    assert clock.true_offset_ns() is None


def test_a_small_difference_is_followed() -> None:
    machine = Machine()
    clock = SystemClock(machine)
    machine.pass_time(2)
    machine.realtime += 3_000_000
    assert clock.utc_ns(machine.monotonic) == machine.realtime


def test_a_source_is_followed_and_past_moments_move_with_it() -> None:
    machine = Machine()
    clock = SystemClock(machine)
    machine.pass_time(10)
    machine.realtime += HOUR_NS
    machine.synchronised = True
    assert clock.utc_ns(5 * NS_PER_S) == START_NS + 5 * NS_PER_S + HOUR_NS
    assert clock.true_offset_ns() == START_NS + HOUR_NS
    assert clock.state() == ClockState("ntp", 0.5, 0.0)


def test_a_source_that_falls_silent_ages_and_then_the_clock_is_free() -> None:
    machine = Machine(synchronised=True)
    clock = SystemClock(machine)
    for n in range(20):
        machine.pass_time(60)
        machine.error_max_us += 30_000
        assert clock.state() == ClockState("ntp", 0.5, 60.0 * (n + 1))
    machine.synchronised = False
    machine.pass_time(60)
    machine.realtime -= HOUR_NS
    assert clock.state() == ClockState("free", 0.5, 1260.0)
    assert clock.utc_ns(machine.monotonic) == START_NS + 1260 * NS_PER_S


def test_this_machine_answers() -> None:
    discipline = LinuxClocks().discipline()
    assert isinstance(discipline.synchronised, bool)
    before_ns = LinuxClocks().realtime_ns()
    ours_ns = SystemClock().utc_ns(LinuxClocks().monotonic_ns())
    assert before_ns - NS_PER_S < ours_ns < LinuxClocks().realtime_ns() + NS_PER_S


def test_ids_never_go_back_whatever_the_clock_does() -> None:
    ids = Ids()
    made = [ids.make(START_NS + n * NS_PER_S) for n in range(10)]
    made += [ids.make(START_NS - HOUR_NS + n) for n in range(20_000)]
    made += [ids.make(START_NS + HOUR_NS)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert all(read_id[14] == "7" and read_id[19] in "89ab" for read_id in made)


def test_ids_go_on_after_a_restart_with_an_earlier_clock() -> None:
    last = uuid7(START_NS)
    ids = Ids()
    ids.start_after(last)
    ids.start_after("no uuid")
    assert ids.make(START_NS - HOUR_NS) > last


def start(store: Database, offset_ns: int, boot_id: str = "boot") -> None:
    row = {"started_ns": offset_ns, "node_id": "n", "software_version": "0", "model_id": "m", "boot_id": boot_id}
    note_start(store, {**row, "offset_ns": offset_ns, "reads_before": newest_rowid(store)})


def add(store: Database, read_id: str, at_ns: int, source: str = "free") -> None:
    made = read(read_id=read_id, at_s=at_ns / NS_PER_S, clock=ClockState(source, 0.0, 0.0))
    add_read(store, made, encode(evidence()), [])


def times(store: Database) -> dict[str, tuple[int, int | None]]:
    return {
        r.read_id: ((r.first_seen_ns - START_NS) // NS_PER_S, r.clock_corrected_ns)
        for r in find_reads(store, Criteria("*"))
    }


def test_reads_before_the_first_synchronisation_are_corrected_once_and_say_so(store: Database) -> None:
    """Two starts of one boot with different mistakes; an earlier boot and a synchronised read stay as they are."""
    add(store, "r0", START_NS)
    start(store, START_NS, "earlier boot")
    add(store, "r1", START_NS + NS_PER_S)
    start(store, START_NS - HOUR_NS)
    add(store, "r2", START_NS - HOUR_NS + 2 * NS_PER_S)
    start(store, START_NS - 2 * HOUR_NS)
    add(store, "r3", START_NS - 2 * HOUR_NS + 3 * NS_PER_S)
    add(store, "r4", START_NS + 4 * NS_PER_S, source="ntp")
    store.execute("DELETE FROM outbox WHERE ref = 'r2'")
    store.conn.commit()
    assert correct_times(store, "boot", START_NS, presets()["BE"], 9) == 2
    expected = {"r0": (0, None), "r1": (1, None), "r2": (2, HOUR_NS), "r3": (3, 2 * HOUR_NS), "r4": (4, None)}
    assert times(store) == expected
    add(store, "r5", START_NS + 5 * NS_PER_S)
    assert correct_times(store, "boot", START_NS + HOUR_NS, presets()["BE"], 9) == 0, "once"
    assert times(store)["r5"] == (5, None)
    assert store.execute("SELECT count(*) FROM outbox WHERE ref = 'r2'").fetchone()[0] == 1, "told to who has it"
    assert figures(store)["clock_corrected_reads"] == 2


def test_the_keeper_corrects_when_the_source_comes(store: Database, settings: Settings) -> None:
    machine = Machine()
    clock = SystemClock(machine)
    start(store, clock.utc_ns(0))
    keeper = Keeper(store, settings, clock, "boot")
    add(store, "r1", clock.utc_ns(0))
    machine.pass_time(5)
    keeper.tick()
    assert times(store) == {"r1": (0, None)}
    machine.realtime += HOUR_NS
    machine.synchronised = True
    for _ in range(3):
        machine.pass_time(SETTLE_S)
        keeper.tick()
    assert times(store) == {"r1": (3600, HOUR_NS)}


def test_reads_of_1970_are_corrected_before_anything_is_purged(store: Database, settings: Settings) -> None:
    """A node without a clock of its own starts in 1970; its reads must not be taken for fifty years old."""
    machine = Machine(realtime=0)
    clock = SystemClock(machine)
    start(store, clock.utc_ns(0))
    keeper = Keeper(store, settings, clock, "boot")
    add(store, "r1", clock.utc_ns(0))
    for _ in range(104):  # just before a purge is due
        machine.pass_time(6)
        keeper.tick()
    machine.realtime += START_NS
    machine.synchronised = True
    for _ in range(400):
        machine.pass_time(2)
        keeper.tick()
    assert times(store) == {"r1": (0, START_NS)}
    assert figures(store)["purges"] >= 2
