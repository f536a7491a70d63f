"""Replays passages through the recorder with given lists, and keeps whatever could be noticed at the roadside."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from makers import evidence, put_list, read

from anpr_node import pictures, status
from anpr_node.alert.signals import signals_of
from anpr_node.config import Settings, parse
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.gpio import Outputs
from anpr_node.drivers.simulated.camera import SimulatedCamera
from anpr_node.drivers.simulated.circuit import Circuit
from anpr_node.drivers.simulated.traffic import Kind, Traffic, TrafficPlan, Vehicle
from anpr_node.drivers.wiring import pins_of
from anpr_node.hotlist import verdicts
from anpr_node.hotlist.matching import open_matcher
from anpr_node.live import LiveView
from anpr_node.pipeline import Pipeline, Ripe
from anpr_node.recorder import Recorded, Recorder
from anpr_node.records import Evidence
from anpr_node.snapshot import Snapshot
from anpr_node.store.database import open_store
from anpr_node.store.finding import Criteria, find_reads
from anpr_node.vision.reader import PlateReader

NS_PER_S = 1_000_000_000
TICK_NS = 100_000_000
BETWEEN_NS = 2 * NS_PER_S

WATCHED = {
    "insurance": tuple(f"1INS{n:03}" for n in range(100, 140)),
    "seize": ("1STL111", "1STL222", "1STL333"),
    "discreet": ("1DSC111", "1DSC222"),
    "expired": tuple(f"1EXP{n}" for n in range(111, 116)),
}


@dataclass(frozen=True)
class Passing:
    """A read at the moment when the recorder gets it."""

    at_ns: int
    ripe: Ripe


@dataclass
class Trace:
    """What a person with a scope, a terminal, the log and a stopwatch would have."""

    pins: list[tuple[int, bool, bool]] = field(default_factory=list)
    """Every change of relay and LED with its moment."""
    console: str = ""
    log: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    """What `status`, `hotlist hits` and `search` say afterwards."""
    to_back_office: list[tuple[str, str]] = field(default_factory=list)
    """Category and actions of every hit in the outbox."""
    recorded: list[Recorded] = field(default_factory=list)

    @property
    def relay_closings(self) -> int:
        """How often the contact closed."""
        levels = [False, *(relay for _, relay, _ in self.pins)]
        return sum(not before and now for before, now in pairwise(levels))


def made_up_passages(count: int) -> list[Passing]:
    """So many vehicles, the watched ones spread among them."""
    watched = [vrm for vrms in WATCHED.values() for vrm in vrms]
    every = count // len(watched)
    passing = []
    for number in range(count):
        at_ns = (number + 1) * BETWEEN_NS
        vrm = watched[number // every] if number % every == 0 and number // every < len(watched) else f"2ZZ{number:04}"
        seen = read(vrm, f"read-{number:05}", at_s=1_767_225_600 + at_ns / NS_PER_S)
        passing.append(Passing(at_ns, Ripe(seen, SMALL_EVIDENCE, at_ns - 30_000_000)))
    return passing


SMALL_EVIDENCE = evidence()


class Scheduled(Traffic):
    """Traffic in which the watched vehicles pass once each, at equal distances."""

    def __init__(self, count: int) -> None:
        watched = [vrm for vrms in WATCHED.values() for vrm in vrms]
        every = count // len(watched)
        self._due = {number * every + every // 2: vrm for number, vrm in enumerate(watched)}
        plan = TrafficPlan(count=count, speed_kmh=(80.0, 130.0), planted_share=1.0, neighbour_lane=False)
        super().__init__(plan, seed=11)

    def _vehicle(
        self, key: tuple[int, int, int], lane: tuple[str, float], kind: Kind, motion: tuple[bool, float, int]
    ) -> Vehicle:
        due = self._due.get(key[2]) if key[1] == 1 else None
        self._planted = (due,) if due else ()
        return super()._vehicle(key, lane, kind, motion)


def road_passages(reader: PlateReader, count: int) -> list[Passing]:
    """So many vehicles on the simulated road, read by the real pipeline."""
    settings, clock = Settings(), SimulatedClock()
    circuit = Circuit(clock, pins_of(settings.outputs))
    traffic = Scheduled(count)
    camera = SimulatedCamera(circuit, traffic, light="night", seed=1)
    pipeline = Pipeline(reader, clock, settings)
    passing: list[Passing] = []
    with closing(Outputs(pins_of(settings.outputs), circuit.factory, clock)) as outputs:
        outputs.illuminator.on()
        circuit.trigger.start(33_333, settings.camera.exposure_us)
        while not traffic.is_over(clock.monotonic_ns()):
            clock.advance_to(_next_in_view(traffic, clock.monotonic_ns()) - NS_PER_S // 12)
            for ripe in pipeline.process(camera.capture()):
                small = Evidence(ripe.evidence.patch, pictures.small_plane(ripe.evidence.overview))
                passing.append(Passing(clock.monotonic_ns(), replace(ripe, evidence=small)))
    return passing


def _next_in_view(traffic: Traffic, now_ns: int) -> int:
    """Now, or when the next plate comes into view: an empty road is not drawn."""
    soon = [p.enters_ns for p in traffic.passages(now_ns + 9 * NS_PER_S) if p.leaves_ns + NS_PER_S // 12 > now_ns]
    return min(soon, default=now_ns)


def rows(*categories: str) -> str:
    """A list file with the watched vehicles of these categories."""
    lines = ["vrm,category,valid_to"]
    for name in categories:
        category, until = ("seize", "2025-12-31") if name == "expired" else (name, "")
        lines += [f"{vrm},{category},{until}" for vrm in WATCHED[name]]
    return "\n".join(lines) + "\n"


def replay(
    folder: Path, passing: Sequence[Passing], lists: str, meanwhile: Callable[[int], None] = lambda _: None
) -> Trace:
    """Record the passages one after the other in virtual time, ticking the outputs as the node does."""
    settings = parse({"store": {"folder": str(folder)}}, "test")
    clock, trace = SimulatedClock(), Trace()
    circuit = Circuit(clock, pins_of(settings.outputs))
    with (
        closing(open_store(folder)) as database,
        closing(Outputs(pins_of(settings.outputs), circuit.factory, clock)) as outputs,
        closing(open_matcher(database, settings)) as matcher,
        _logged(trace),
    ):
        put_list(database, settings, lists, "watched")
        recorder = Recorder(database, signals_of(outputs, settings), clock, matcher)
        outputs.led.show("ok")
        for number, due in enumerate(passing):
            _wait(clock, outputs, circuit, trace, due.at_ns)
            meanwhile(number)
            trace.recorded.append(recorder.record(due.ripe.read, due.ripe.evidence, due.ripe.decided_ns))
            _look(clock, outputs, trace)
        _wait(clock, outputs, circuit, trace, clock.monotonic_ns() + 20 * NS_PER_S)
        _ask(database, settings, trace)
    trace.console = _console(trace.recorded)
    return trace


def _wait(clock: SimulatedClock, outputs: Outputs, circuit: Circuit, trace: Trace, until_ns: int) -> None:
    while clock.monotonic_ns() < until_ns:
        clock.advance_to(min(until_ns, clock.monotonic_ns() + TICK_NS))
        outputs.tick()
        circuit.check()
        _look(clock, outputs, trace)


def _look(clock: SimulatedClock, outputs: Outputs, trace: Trace) -> None:
    levels = (outputs.relay.is_on, outputs.led.is_on)
    if not trace.pins or trace.pins[-1][1:] != levels:
        trace.pins.append((clock.monotonic_ns(), *levels))


class _Collect(logging.Handler):
    """Every log line, DEBUG included, without what is random in it."""

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self._trace = trace

    def emit(self, record: logging.LogRecord) -> None:
        self._trace.log.append(re.sub(r"hit_id=\S+", "hit_id=…", record.getMessage()))


@contextmanager
def _logged(trace: Trace) -> Iterator[None]:
    logger, handler = logging.getLogger("anpr_node"), _Collect(trace)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def _ask(database: Any, settings: Settings, trace: Trace) -> None:
    now = status.collect(settings)
    trace.commands = [f"{now['reads']} reads {now['hits']} hits {now['outbox']} waiting"]
    shown = verdicts.hits(database, 9999, unverified=False)
    trace.commands += [f"{hit.category} {hit.read_id} {hit.match} {hit.held_back}" for hit in shown]
    trace.commands += [f"{r.vrm} {r.hit_categories}" for r in find_reads(database, Criteria("*", limit=9999))]
    trace.to_back_office = database.execute(
        "SELECT h.category, h.actions FROM outbox o JOIN hit h ON o.kind IN ('hit', 'batch') AND o.ref = h.hit_id"
    ).fetchall()


def _console(recorded: Sequence[Recorded]) -> str:
    out = io.StringIO()
    idle = Snapshot(0, 0, 0, 0.0, 0.0, 0, 0, 0, 0, 0, 0, 0, False, False, False)
    desk = SimpleNamespace(recent=list(recorded))
    view = LiveView(SimpleNamespace(desk=desk, snapshot=lambda: idle), out)  # type: ignore[arg-type]
    view.finish()
    return out.getvalue()
