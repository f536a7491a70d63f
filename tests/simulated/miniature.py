"""The simulated roadside in miniature, for hours of supervision in virtual time; no test of its own.

The picture is the small plane itself, with the noise that averaging leaves of the sensor's; circuit, trigger, pins and
scene are the real simulation's. What is slow in it is vehicles, so the traffic is a parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.gpio import Outputs, Pins
from anpr_node.drivers.illuminator import Illuminator
from anpr_node.drivers.simulated import camera as simulated
from anpr_node.drivers.simulated import scene
from anpr_node.drivers.simulated.camera import SimulatedCamera
from anpr_node.drivers.simulated.faults import FaultyCamera, WornCircuit
from anpr_node.drivers.simulated.geometry import REFERENCE_WIDTH_PX, View
from anpr_node.drivers.simulated.light import LIGHTS, Light
from anpr_node.drivers.simulated.scene import Scene
from anpr_node.drivers.simulated.traffic import Traffic, TrafficPlan
from anpr_node.drivers.thermal import Heat
from anpr_node.errors import FrameTimeout
from anpr_node.records import Frame, Plane
from anpr_node.supervision.alarms import Alarm
from anpr_node.supervision.numbers import measure
from anpr_node.supervision.supervisor import Supervisor
from anpr_node.supervision.watched import WatchedCamera

NS_PER_S = 1_000_000_000
PINS = Pins(relay=17, led=27, illuminator=22)
VIEW = View(size=(320, 240))
BEAT_S = 0.5
EXPOSURE_US = 300
SCENE_SEED = 1
TRAFFIC_SEEDS = 10
"""So many different streams of vehicles; drawn once, seen at other moments by every run."""

scene.CACHE_VEHICLES = 100


class MiniatureCamera(SimulatedCamera):
    """The simulated camera with a picture of small size, whose light may change while it runs."""

    def __init__(self, circuit: WornCircuit, traffic: Traffic, light: Light, seed: int) -> None:
        self._light, self._circuit, self._traffic, self._view = light, circuit, traffic, traffic.view
        self._scene, self._seed, self._closed, self._defocus_px = _scene(), seed, False, 0.0
        self._pixels = np.empty(VIEW.size[::-1], np.uint8)
        self.shine(light)

    def shine(self, light: Light) -> None:
        """Another light from now on; averaging 20 pixels into one leaves a fraction of the noise."""
        self._light = light
        self._noise = _averaged_noise(light.noise_sigma)


@cache
def _scene() -> Scene:
    """One road for all rigs, that keeps more vehicles than a node would: drawing each for the first time is slow."""
    return Scene(VIEW, SCENE_SEED)


@cache
def _averaged_noise(sigma: float) -> Plane:
    """One tile; every frame takes it at another place."""
    width, height = VIEW.size
    shape = (height + simulated.NOISE_MARGIN, width + simulated.NOISE_MARGIN)
    return simulated._noise(shape, sigma * width / REFERENCE_WIDTH_PX, SCENE_SEED)


@dataclass
class Rig:
    """A supervised roadside; `changes` are the alarms raised and cleared so far, with the seconds when."""

    light: Light = LIGHTS["night"]
    seed: int = 1
    fps: float = 2.0
    folder: Path | None = None
    plan: TrafficPlan = field(default_factory=lambda: TrafficPlan(gap_s_mean=25.0))
    usual: Callable[[int], float] = lambda _: 0.0
    heat: Heat | None = None

    def __post_init__(self) -> None:
        self.clock = SimulatedClock()
        self.circuit = WornCircuit(self.clock, PINS)
        self.outputs = Outputs(PINS, self.circuit.factory, self.clock)
        self.illuminator = Illuminator(self.outputs.illuminator, None, self.clock)
        self.illuminator.on()
        self.traffic = Traffic(self.plan, seed=self.seed % TRAFFIC_SEEDS, view=VIEW)
        self.miniature = MiniatureCamera(self.circuit, self.traffic, self.light, self.seed)
        self.faulty = FaultyCamera(self.miniature)
        self.camera = WatchedCamera(self.faulty, self.clock, self.illuminator, lambda: self.period_us)
        self.period_us = round(1e6 / self.fps)
        self.circuit.trigger.start(self.period_us, EXPOSURE_US)
        self.supervisor = Supervisor(self.clock, self.usual, self.folder)
        self.changes: list[tuple[float, Alarm]] = []
        self._next_beat_ns = 0
        self.looks = 0

    @property
    def now_s(self) -> float:
        return self.clock.monotonic_ns() / NS_PER_S

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let the loop's thread and the supervision's take turns."""
        ends_ns = self.clock.monotonic_ns() + int(seconds * NS_PER_S)
        while self.clock.monotonic_ns() < ends_ns and not until():
            self._capture()
            if self.clock.monotonic_ns() >= self._next_beat_ns:
                self.beat()

    def _capture(self) -> Frame | None:
        try:
            return self.camera.capture()
        except FrameTimeout:
            return None

    def beat(self) -> None:
        """What the supervision's thread does twice a second."""
        now_ns = self.clock.monotonic_ns()
        self._next_beat_ns = now_ns + int(BEAT_S * NS_PER_S)
        marks, samples = self.camera.drain()
        for mark in marks:
            self.supervisor.frame(mark)
        found: list[Alarm] = []
        for sample in samples:
            self.looks += 1
            found += self.supervisor.look(measure(sample.mark, sample.small))
        found += self.supervisor.tick(now_ns, self.heat)
        self.changes += [(self.now_s, alarm) for alarm in found]
        if self.supervisor.wants_dark(now_ns):
            self.camera.ask_for_dark()

    def kinds(self) -> list[str]:
        """What was raised, in order."""
        return [alarm.kind for _, alarm in self.changes if alarm.cleared_ns is None]


def learn_the_view(folder: Path, light: Light) -> None:
    """Let a healthy rig learn its reference picture, once for many runs."""
    rig, kept = Rig(light, folder=folder, seed=99), folder / f"view-{light.name}.npz"
    rig.run(600, until=kept.exists)
    assert kept.exists()
    assert not rig.changes
