"""Days at the simulated roadside in virtual time, with full pictures, the real pipeline and faults at random; no test.

The road is quiet and the camera waits for presence, so that an empty hour is 3,600 frames and not 108,000. Whoever
passes must be read, or the node must have said that it was blind: an alarm that covers the moment.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from anpr_node.config import parse
from anpr_node.drivers.camera import Camera
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.illuminator import Illuminator
from anpr_node.drivers.platform import assemble
from anpr_node.drivers.simulated import faults
from anpr_node.drivers.simulated.camera import SimulatedCamera
from anpr_node.drivers.simulated.faults import FaultyCamera, WornCircuit
from anpr_node.drivers.simulated.traffic import Passage, Traffic, TrafficPlan
from anpr_node.drivers.wiring import pins_of
from anpr_node.errors import FrameTimeout
from anpr_node.pipeline import Pipeline, Ripe
from anpr_node.records import Frame
from anpr_node.supervision.alarms import Alarm
from anpr_node.supervision.limits import LIMITS
from anpr_node.supervision.numbers import measure
from anpr_node.supervision.recovery import Ladder
from anpr_node.supervision.supervisor import Supervisor
from anpr_node.vision.reader import PlateReader
from anpr_node.watch import watched

NS_PER_S = 1_000_000_000
BEAT_NS = NS_PER_S // 2
VISIBLE_FRAMES_MIN = 3
QUIET = TrafficPlan(gap_s_mean=400.0, neighbour_lane=False)
SETTLES_NS = 2 * NS_PER_S
"""A read is published so long after its vehicle has left, at the latest."""
SETS_NS = 5 * NS_PER_S
"""So near to a vehicle the pulses are set anew, to the full rate or to the idle one."""
HEALTHY_S, FAULTY_S = (600.0, 5400.0), (60.0, 900.0)
"""Least and most time between faults, and that a fault lasts."""

FAULTS = {
    "trigger stopped": "camera_stalled",
    "half rate": "trigger_lost",
    "strobe dead": "strobe_dead",
    "same buffers": "same_buffer",
    "disordered": "frames_disordered",
    "covered": "lens_covered",
    "blurred": "lens_blurred",
    "turned": "mount_moved",
}
"""And the one alarm that each raises."""


def differing(one: str, other: str) -> int:
    """Places where two texts of one length differ."""
    return sum(a != b for a, b in zip(one, other, strict=True))


@dataclass
class Haul:
    """The drive, and what became of everybody. Times are monotonic nanoseconds."""

    reader: PlateReader
    seed: int = 1
    faults: list[tuple[str, int, int]] = field(default_factory=list)
    reads: dict[str, Ripe] = field(default_factory=dict)
    seen: dict[int, int] = field(default_factory=dict)
    frames: int = 0
    _over: list[Alarm] = field(default_factory=list)

    def __post_init__(self) -> None:
        inputs = {"fitted": ["presence"]}
        self.settings = parse({"trigger": {"capture": "presence"}, "inputs": inputs}, "haul")
        self.clock = SimulatedClock(0)
        self.circuit = WornCircuit(self.clock, pins_of(self.settings.outputs))
        self.traffic = Traffic(QUIET, seed=self.seed)
        self.circuit.lay_loop(self.traffic, self.settings.inputs.presence_pin)
        self.camera = SimulatedCamera(self.circuit, self.traffic, seed=self.seed)
        self.faulty = FaultyCamera(self.camera)
        platform = assemble(self.settings, self.clock, self.circuit.factory, self.circuit.trigger, self._open)
        self.platform, self.watched = watched(platform)
        self.pipeline = Pipeline(self.reader, self.clock, self.settings)
        self.supervisor, self.ladder = Supervisor(self.clock), Ladder()
        self._next_beat_ns = 0
        self.platform.start(self.settings.camera)

    def _open(self, _: Illuminator) -> Camera:
        return self.faulty

    @property
    def alarms(self) -> list[Alarm]:
        """All of them, those raised now last."""
        return [*self._over, *self.supervisor.alarms]

    def drive(self, hours: float) -> None:
        """Healthy and faulty by turns."""
        rng = np.random.default_rng((self.seed, 72))
        ends_ns = round(hours * 3600 * NS_PER_S)
        for name in itertools.cycle(rng.permutation(list(FAULTS))):
            self._until(min(ends_ns, self._after(rng.uniform(*HEALTHY_S))))
            if self.clock.monotonic_ns() >= ends_ns:
                break
            began_ns = self.clock.monotonic_ns()
            self._break(str(name), rng)
            self._until(self._after(rng.uniform(*FAULTY_S)))
            self._repair()
            self.faults.append((str(name), began_ns, self.clock.monotonic_ns()))
        for ripe in self.pipeline.finish():
            self._keep(ripe)

    def _after(self, seconds: float) -> int:
        return self.clock.monotonic_ns() + round(seconds * NS_PER_S)

    def _until(self, until_ns: int) -> None:
        while self.clock.monotonic_ns() < until_ns:
            frame = self._capture()
            self.platform.tick()
            if frame is not None:
                self.frames += 1
                for truth in self.camera.plates_in(frame):
                    if truth.visible:
                        self.seen[truth.passage.number] = self.seen.get(truth.passage.number, 0) + 1
                for ripe in self.pipeline.process(frame):
                    self._keep(ripe)
            if self.clock.monotonic_ns() >= self._next_beat_ns:
                self._beat()

    def _capture(self) -> Frame | None:
        try:
            return self.watched.capture()
        except FrameTimeout:
            return None

    def _keep(self, ripe: Ripe) -> None:
        self.reads.pop(ripe.read.corrects or "", None)
        self.reads[ripe.read.read_id] = ripe

    def _beat(self) -> None:
        """What the watch does twice a second beside a node."""
        now_ns = self.clock.monotonic_ns()
        self._next_beat_ns = now_ns + BEAT_NS
        marks, samples = self.watched.drain()
        for mark in marks:
            self.supervisor.frame(mark)
        found = [alarm for sample in samples for alarm in self.supervisor.look(measure(sample.mark, sample.small))]
        found += self.supervisor.tick(now_ns)
        self._over += [alarm for alarm in found if alarm.cleared_ns is not None]
        if self.supervisor.wants_dark(now_ns):
            self.watched.ask_for_dark()
        kinds = [alarm.kind for alarm in self.supervisor.alarms]
        if self.ladder.next_step(now_ns, kinds) == "stream":
            self.platform.restart_pulses(self.settings.camera)

    def _break(self, name: str, rng: np.random.Generator) -> None:
        if name == "trigger stopped":
            self.circuit.trigger.stop()  # the first step of recovery starts it again
        elif name == "half rate":
            self.circuit.trigger.wear(2)
        elif name == "strobe dead":
            self.circuit.strobe_cut = True
        elif name == "same buffers":
            self.faulty.stream = faults.repeating(int(rng.integers(1, 5)))
        elif name == "disordered":
            self.faulty.stream = faults.disordered(int(rng.integers(4, 12)))
        elif name == "covered":
            self.faulty.lens = faults.covered(10)
        elif name == "blurred":
            self.faulty.lens = faults.blurred(0.008)
        else:
            self.faulty.lens = faults.moved(0.05, 0.02)

    def _repair(self) -> None:
        self.faulty.repair()
        self.circuit.strobe_cut = False
        self.circuit.trigger.wear(1)

    def missed(self) -> Iterator[Passage]:
        """Who was to be seen and has no read of its text."""
        read = {ripe.read.vrm for ripe in self.reads.values()}
        for passage in self.traffic.passages(self.clock.monotonic_ns()):
            if passage.vrm not in read and self._could_be_seen(passage):
                yield passage

    def misread_as(self, passage: Passage) -> Ripe | None:
        """The read that was published of it with one character wrong, if any: it is on record, with its picture."""
        for ripe in self.reads.values():
            in_time = passage.enters_ns <= (ripe.decided_ns or 0) <= passage.leaves_ns + SETTLES_NS
            if in_time and len(ripe.read.vrm) == len(passage.vrm) and differing(ripe.read.vrm, passage.vrm) == 1:
                return ripe
        return None

    def _could_be_seen(self, passage: Passage) -> bool:
        """In view at all: others are hidden behind a lorry, which is no fault. While blind, by its time alone."""
        blind = any(began <= passage.leaves_ns and passage.enters_ns <= ended for _, began, ended in self.faults)
        return passage.leaves_ns > passage.enters_ns and (
            blind or self.seen.get(passage.number, 0) >= VISIBLE_FRAMES_MIN
        )

    def is_accounted(self, passage: Passage) -> bool:
        """Whether an alarm says that the node could not see well then."""
        return any(
            alarm.raised_ns - LIMITS[alarm.kind].found_s * NS_PER_S <= passage.leaves_ns
            and passage.enters_ns <= (alarm.cleared_ns or passage.enters_ns)
            for alarm in self.alarms
        )

    def unnoticed(self) -> list[tuple[str, int, int]]:
        """Faults that raised no alarm although they had something to show."""
        return [
            (name, began, ended)
            for name, began, ended in self.faults
            if not any(a.kind == FAULTS[name] and began <= a.raised_ns <= ended + 5 * NS_PER_S for a in self.alarms)
            and self._shows(name, began, ended)
        ]

    def _shows(self, name: str, began_ns: int, ended_ns: int) -> bool:
        """At the idle rate frames are too far apart to be in disorder; a vehicle's coming and going sets the pulses."""
        if name not in {"disordered", "trigger stopped"}:
            return True
        first_ns, last_ns = (began_ns, ended_ns) if name == "disordered" else (began_ns - SETS_NS, began_ns + SETS_NS)
        passing = any(
            passage.enters_ns <= last_ns and first_ns <= passage.leaves_ns
            for passage in self.traffic.passages(self.clock.monotonic_ns())
        )
        return passing == (name == "disordered")

    def false_alarms(self) -> list[Alarm]:
        """Alarms that began while nothing was wrong that they stand for, nor a moment before."""
        grace_ns = 5 * NS_PER_S
        return [
            alarm
            for alarm in self.alarms
            if not any(
                FAULTS[name] == alarm.kind and began <= alarm.raised_ns <= ended + grace_ns
                for name, began, ended in self.faults
            )
        ]
