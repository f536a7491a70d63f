"""The part of bench_hotlists that runs a node: full traffic in real time, alone and beside an import."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import count, pairwise
from pathlib import Path

import numpy as np
from bench_hotlists import plates, shares

from anpr_node import pictures
from anpr_node.alert.signals import Signals
from anpr_node.config import Settings
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.gpio import Outputs
from anpr_node.drivers.pacing import WallPacer
from anpr_node.drivers.platform import Platform, assemble
from anpr_node.drivers.simulated.camera import SimulatedCamera
from anpr_node.drivers.simulated.circuit import Circuit
from anpr_node.drivers.simulated.traffic import KINDS, KMH_PER_MPS, Traffic, TrafficPlan, Vehicle
from anpr_node.drivers.wiring import pins_of
from anpr_node.errors import FrameTimeout
from anpr_node.hotlist.matching import open_matcher
from anpr_node.node import Node
from anpr_node.pipeline import Pipeline
from anpr_node.recorder import Recorder
from anpr_node.records import Frame, Hit
from anpr_node.store.database import open_store
from anpr_node.units import NS_PER_S
from anpr_node.vision.reader import PlateReader

SECONDS = 60.0
PLANTED = 293
COMMIT_S = 0.006
"""A commit on an NVMe or SATA drive; a card takes 20 to 50 ms."""
FRAMES, PERIOD_US, FULL_AFTER_S = 450, 33_333, 6
SPEED_KMH, SPACING_M, LANES_M = 50.0, 10.0, (0.5, -0.3, -1.1, -1.9)


class Queue(Traffic):
    """One endless queue of cars, at one distance and speed."""

    def __init__(self, lane: int, x_m: float, planted: Sequence[str]) -> None:
        super().__init__(TrafficPlan(planted_share=0.5), seed=lane, planted=tuple(planted))
        self._streams = [self._queue(lane, x_m)]
        self._upcoming = [next(self._streams[0])]

    def _queue(self, lane: int, x_m: float) -> Iterator[Vehicle]:
        for number in count():
            arrives_ns = round((1.0 + (lane / 3 + number) * SPACING_M / (SPEED_KMH / KMH_PER_MPS)) * NS_PER_S)
            yield self._vehicle((3, lane, number * 3 + lane), ("1", x_m), KINDS[0], (True, SPEED_KMH, arrives_ns))


def _render(settings: Settings, planted: Sequence[str]) -> tuple[list[Frame], list[int]]:
    """Four roads drawn on top of each other beforehand, as cars side by side would hide each other's plates.

    Of each pixel the brightest is taken: at night that is the plates.
    """
    roads = [_draw(settings, Queue(lane, x_m, planted)) for lane, x_m in enumerate(LANES_M)]
    frames = []
    for layers in zip(*(road[0] for road in roads), strict=True):
        pixels = np.maximum.reduce([layer.pixels for layer in layers])
        frames.append(replace(layers[0], pixels=pixels, small=pictures.small_plane(pixels)))
    return frames, [sum(plates) for plates in zip(*(road[1] for road in roads), strict=True)]


def _draw(settings: Settings, traffic: Traffic) -> tuple[list[Frame], list[int]]:
    clock, pins = SimulatedClock(), pins_of(settings.outputs)
    circuit = Circuit(clock, pins)
    with closing(Outputs(pins, circuit.factory, clock)) as outputs:
        outputs.illuminator.on()
        clock.advance_to(FULL_AFTER_S * NS_PER_S)
        circuit.trigger.start(PERIOD_US, settings.camera.exposure_us)
        camera = SimulatedCamera(circuit, traffic, light="night", seed=1)
        frames, in_view = [], []
        for _ in range(FRAMES):
            frame = camera.capture()
            in_view.append(sum(plate.visible for plate in camera.plates_in(frame)))
            frames.append(replace(frame, pixels=frame.pixels.copy()))
    return frames, in_view


@dataclass
class RenderedCamera:
    """Shows the same stretch of traffic again and again, one frame a pulse; notes when each frame was asked for."""

    circuit: Circuit
    frames: Sequence[Frame]
    asked_s: list[float] = field(default_factory=list)

    def capture(self) -> Frame | None:
        """The frame of the next pulse."""
        self.asked_s.append(time.perf_counter())
        pulse = self.circuit.trigger.wait()
        self.circuit.check()
        if pulse is None:
            raise FrameTimeout("no pulse")
        drawn = self.frames[pulse.sequence % len(self.frames)]
        captured_ns = pulse.opened_ns + pulse.exposure_us * 500
        return replace(drawn, sequence=pulse.sequence, captured_ns=captured_ns, exposure_us=pulse.exposure_us)

    def close(self) -> None:
        """Nothing to give back."""


def run(settings: Settings, config: Path, state: Path, rows: int) -> dict[str, object]:
    """So long alone, then while an import of so many rows runs beside it at the priority that its timer gives it."""
    vrms = plates(PLANTED, seed=1234)
    _put(config, state / "planted.csv", [f"{vrm},B,seize" for vrm in vrms], wait=True)
    frames, in_view = _render(settings, vrms)
    platform, camera = _platform(settings, frames)
    with Node(settings, platform) as node:
        node.ended.wait(5)  # the first frames load what is loaded once
        alone = _phase(node, camera, lambda: node.ended.wait(SECONDS))
        beside = _beside(node, camera, config, state, rows) if rows else {}
    if node.failure is not None:
        raise SystemExit(f"the node failed: {node.failure}")
    return {
        "plates_in_view_mean": round(sum(in_view) / len(in_view), 2),
        "frames_with_three_or_more": round(sum(n >= 3 for n in in_view) / len(in_view), 2),
        "alone": alone | _latencies(settings, alone),
        "beside_an_import": beside and beside | _latencies(settings, beside),
    }


def _beside(node: Node, camera: RenderedCamera, config: Path, state: Path, rows: int) -> dict[str, object]:
    insured = [f"{vrm},B,insurance" for vrm in plates(rows, seed=77)]
    importing = _put(config, state / "beside.csv", insured, wait=False)
    return _phase(node, camera, importing.wait)


class _NotingSignals(Signals):
    """Notes the processor time at which the relay was closed."""

    closed_s = 0.0

    def raise_hits(self, vrm: str, hits: Sequence[Hit], now_ns: int) -> bool:
        """As ever."""
        closed = super().raise_hits(vrm, hits, now_ns)
        self.closed_s = time.thread_time()
        return closed


def processor_time(settings: Settings, config: Path, state: Path) -> dict[str, object]:
    """The same latency on a machine that does nothing else: two threads with a core each, and a given commit.

    Frame by frame each step takes the processor time that it takes here; what must wait for the step before it, waits.
    """
    vrms = plates(PLANTED, seed=1234)
    _put(config, state / "planted.csv", [f"{vrm},B,seize" for vrm in vrms], wait=True)
    frames, _ = _render(settings, vrms)
    clock, pins = SimulatedClock(time.time_ns()), pins_of(settings.outputs)
    circuit = Circuit(clock, pins)
    latencies_ms, loop_free_s, recorder_free_s = [], 0.0, 0.0
    with (
        closing(Outputs(pins, circuit.factory, clock)) as outputs,
        closing(open_store(settings.state_folder)) as database,
        closing(open_matcher(database, settings)) as matcher,
    ):
        signals = _NotingSignals(outputs, 0.2, 0.2)
        recorder = Recorder(database, signals, clock, matcher)
        pipeline = Pipeline(PlateReader(settings.models_folder), clock, settings)
        for number in range(4 * len(frames)):
            exposed_s = number * PERIOD_US / 1e6
            clock.advance_to(round(exposed_s * NS_PER_S))
            outputs.tick()
            drawn = frames[number % len(frames)]
            began_s = time.thread_time()
            ripe = pipeline.process(replace(drawn, sequence=number, captured_ns=clock.monotonic_ns()))
            loop_free_s = max(exposed_s, loop_free_s) + time.thread_time() - began_s
            for item in ripe:
                starts_s, began_s = max(loop_free_s, recorder_free_s), time.thread_time()
                hits = recorder.record(item.read, item.evidence, item.decided_ns).hits
                recorder_free_s = starts_s + time.thread_time() - began_s + COMMIT_S
                if hits:
                    latencies_ms.append((starts_s + signals.closed_s - began_s + COMMIT_S - exposed_s) * 1e3)
    return {"hits": len(latencies_ms), "commit_ms": COMMIT_S * 1e3, "exposure_end_to_relay_ms": shares(latencies_ms)}


def _platform(settings: Settings, frames: Sequence[Frame]) -> tuple[Platform, RenderedCamera]:
    clock, pacer = SimulatedClock(time.time_ns()), WallPacer()
    clock.go_on_by(pacer.now_ns)
    circuit = Circuit(clock, pins_of(settings.outputs), pacer)
    camera = RenderedCamera(circuit, frames)
    return assemble(settings, clock, circuit.factory, circuit.trigger, lambda _: camera), camera


def _put(config: Path, file: Path, rows: Sequence[str], *, wait: bool) -> subprocess.Popen[bytes]:
    file.write_text("vrm,country,category\n" + "\n".join(rows) + "\n")
    command = ["nice", "-n", "19", sys.executable, "-m", "anpr_node", "hotlist", "import", "--config", str(config)]
    process = subprocess.Popen([*command, str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if wait:
        process.wait()
    return process


def _phase(node: Node, camera: RenderedCamera, wait: object) -> dict[str, object]:
    """Let time pass and say how the loop did meanwhile."""
    first, before, began_ns = len(camera.asked_s), node.snapshot(), time.time_ns()
    wait()  # type: ignore[operator]
    asked, after = camera.asked_s[first:], node.snapshot()
    gaps_ms = [(b - a) * 1e3 for a, b in pairwise(asked)]
    return {
        "seconds": round(asked[-1] - asked[0], 1),
        "frames": after.frames - before.frames,
        "frames_lost": after.frames_lost - before.frames_lost,
        "between_frames_ms": shares(gaps_ms),
        "reads": after.reads - before.reads,
        "_from_to_ns": (began_ns, time.time_ns()),
    }


def _latencies(settings: Settings, phase: dict[str, object]) -> dict[str, object]:
    """What the hits of a phase have stored of themselves."""
    from_to = phase.pop("_from_to_ns")
    with closing(open_store(settings.state_folder)) as database:
        rows = database.execute(
            "SELECT relay_latency_us FROM hit WHERE raised_at_ns BETWEEN ? AND ?", from_to
        ).fetchall()
    times = [latency / 1e3 for (latency,) in rows if latency is not None]
    return {"hits": len(rows), "exposure_end_to_relay_ms": shares(times) if times else None}
