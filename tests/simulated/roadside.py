"""A simulated roadside for tests: half the picture size, virtual time, nothing that sleeps."""

from __future__ import annotations

from dataclasses import dataclass

from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.gpio import Outputs, Pins
from anpr_node.drivers.simulated.camera import PlateTruth, SimulatedCamera
from anpr_node.drivers.simulated.circuit import Circuit
from anpr_node.drivers.simulated.geometry import View
from anpr_node.drivers.simulated.light import LightName
from anpr_node.drivers.simulated.traffic import Traffic, TrafficPlan
from anpr_node.records import Frame, Plane

PINS = Pins(relay=17, led=27, illuminator=22)
PERIOD_US = 33_333
VIEW = View(size=(728, 544))
FRAMES_MAX = 300


@dataclass
class Roadside:
    """One lane, wired as a node wires it."""

    clock: SimulatedClock
    circuit: Circuit
    outputs: Outputs
    traffic: Traffic
    camera: SimulatedCamera

    def first_plate(self) -> tuple[Frame, PlateTruth]:
        """The first frame in which a plate of the observed lane is well inside the picture."""
        for _ in range(FRAMES_MAX):
            frame = self.camera.capture()
            for plate in self.camera.plates_in(frame):
                if plate.passage.lane == "1" and plate.visible and 150 < plate.corners[0][1] < 400:
                    return frame, plate
        raise AssertionError("no plate came by")


def make_roadside(
    light: LightName = "night",
    *,
    seed: int = 1,
    exposure_us: int = 300,
    lit: bool = True,
    plan: TrafficPlan | None = None,
) -> Roadside:
    clock = SimulatedClock()
    circuit = Circuit(clock, PINS)
    outputs = Outputs(PINS, circuit.factory, clock)
    if lit:
        outputs.illuminator.on()
    traffic = Traffic(plan, seed=seed, view=VIEW)
    camera = SimulatedCamera(circuit, traffic, light=light, seed=seed)
    circuit.trigger.start(PERIOD_US, exposure_us)
    return Roadside(clock, circuit, outputs, traffic, camera)


def plate_pixels(frame: Frame, plate: PlateTruth) -> Plane:
    """The upright rectangle around a plate, and no more."""
    xs, ys = zip(*plate.corners, strict=True)
    return frame.pixels[round(min(ys)) : round(max(ys)), round(min(xs)) : round(max(xs))]
