"""Runs the whole node on the simulated roadside in virtual time and compares with the truth; no test of its own."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from makers import put_list

from anpr_node import config
from anpr_node.alert.signals import Signals
from anpr_node.config import Settings
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.gpio import Outputs
from anpr_node.drivers.simulated.camera import SimulatedCamera
from anpr_node.drivers.simulated.circuit import Circuit
from anpr_node.drivers.simulated.traffic import Passage, Traffic, TrafficPlan
from anpr_node.drivers.wiring import pins_of
from anpr_node.hotlist.matching import open_matcher
from anpr_node.pipeline import Pipeline, Ripe
from anpr_node.recorder import Recorder
from anpr_node.store.database import open_store
from anpr_node.vision.reader import PlateReader
from anpr_node.vrm import edit_distance

NS_PER_S = 1_000_000_000
VISIBLE_FRAMES_MIN = 3
MISREAD_EDITS_MAX = 2


@dataclass
class Outcome:
    """What happened: truth, reads in force, and the moments at which the relay closed."""

    expected: list[Passage] = field(default_factory=list)
    passed: list[Passage] = field(default_factory=list)
    """Also those that were in view too briefly to be expected."""
    reads: list[tuple[str, str]] = field(default_factory=list)
    """Text and direction."""
    relay_closings: int = 0
    hit_vrms: list[str] = field(default_factory=list)

    @property
    def right(self) -> int:
        """Passages whose plate was read right."""
        return sum((Counter(p.vrm for p in self.expected) & Counter(vrm for vrm, _ in self.reads)).values())

    @property
    def wrong(self) -> list[str]:
        """Reads that match no passage: misread, doubled or invented."""
        return list((Counter(vrm for vrm, _ in self.reads) - Counter(p.vrm for p in self.expected)).elements())

    @property
    def doubled(self) -> list[str]:
        """Plates that were read more often than they passed."""
        passed = Counter(p.vrm for p in self.passed)
        return [vrm for vrm, n in Counter(vrm for vrm, _ in self.reads).items() if 0 < passed[vrm] < n]

    @property
    def invented(self) -> list[str]:
        """Reads that are no passing vehicle's plate, nor a misread of one that was missed; each may be misread once."""
        passed, missed = {p.vrm for p in self.passed}, self.missed
        invented = []
        for text in (vrm for vrm, _ in self.reads if vrm not in passed):
            misread = min(missed, key=lambda vrm: edit_distance(vrm, text), default=None)
            if misread is None or edit_distance(misread, text) > MISREAD_EDITS_MAX:
                invented.append(text)
            else:
                missed.remove(misread)
        return invented

    @property
    def wrong_way(self) -> list[str]:
        """Plates that passed once, and not in the direction of their read."""
        once = {vrm for vrm, n in Counter(p.vrm for p in self.passed).items() if n == 1}
        way = {p.vrm: "approaching" if p.approaching else "receding" for p in self.passed if p.vrm in once}
        return [vrm for vrm, direction in self.reads if way.get(vrm, direction) != direction]

    @property
    def missed(self) -> list[str]:
        """Passages without a right read."""
        return list((Counter(p.vrm for p in self.expected) - Counter(vrm for vrm, _ in self.reads)).elements())


def drive(reader: PlateReader, folder: Path, light: str, passages: int, planted: tuple[str, ...], seed: int) -> Outcome:
    """Let so many vehicles pass the node, record everything, and collect the outcome."""
    settings = config.parse({"camera": {"light": light, "seed": seed}, "store": {"folder": str(folder)}}, "test")
    clock, pins = SimulatedClock(), pins_of(settings.outputs)
    circuit = Circuit(clock, pins)
    traffic = Traffic(TrafficPlan(count=passages), seed=seed, planted=planted)
    camera = SimulatedCamera(circuit, traffic, light="day" if light == "day" else "night", seed=seed)
    outputs = Outputs(pins, circuit.factory, clock)
    outputs.illuminator.on()
    circuit.trigger.start(33_333, settings.camera.exposure_us)
    outcome, seen = Outcome(), Counter[int]()
    with closing(open_store(folder)) as database:
        put_list(database, settings, "vrm,category\n" + "".join(f"{vrm},seize\n" for vrm in planted), "planted")
        recorder = Recorder(database, Signals(outputs, 0.2, 0.2), clock, open_matcher(database, settings))
        pipeline = Pipeline(reader, clock, settings)
        while not traffic.is_over(clock.monotonic_ns()):
            frame = camera.capture()
            for truth in camera.plates_in(frame):
                seen[truth.passage.number] += truth.visible
            store(recorder, pipeline.process(frame), outputs, outcome)
        store(recorder, pipeline.finish(), outputs, outcome)
        rows = database.execute(
            "SELECT vrm, direction FROM read r WHERE NOT EXISTS (SELECT 1 FROM read n WHERE n.corrects = r.read_id)"
        ).fetchall()
    outcome.reads = rows
    outcome.passed = list(traffic.passages(clock.monotonic_ns()))
    outcome.expected = [p for p in outcome.passed if seen[p.number] >= VISIBLE_FRAMES_MIN]
    outputs.close()
    return outcome


def store(recorder: Recorder, ripe: list[Ripe], outputs: Outputs, outcome: Outcome) -> None:
    """Record as the recorder's thread does, and watch the relay's own pin."""
    outputs.tick()
    for item in ripe:
        before = outputs.relay.is_on
        recorded = recorder.record(item.read, item.evidence, item.decided_ns)
        outcome.relay_closings += outputs.relay.is_on and not before
        outcome.hit_vrms += [item.read.vrm] * bool(recorded.hits)


__all__ = ["Outcome", "Settings", "drive"]
