"""Rendered plates of known geometry: a camera hung and set in a known way, vehicles that pass, and the truth."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from anpr_node.calibration.motion import MotionMeasures, measure_motions, passages
from anpr_node.calibration.path import Optics
from anpr_node.calibration.plate import PlateMeasures, _otsu, measure_plate
from anpr_node.calibration.plausible import is_plausible, without_lettering
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.gpio import Outputs, Pins
from anpr_node.drivers.simulated.camera import SimulatedCamera
from anpr_node.drivers.simulated.circuit import Circuit
from anpr_node.drivers.simulated.geometry import Mounting, View
from anpr_node.drivers.simulated.light import PEDESTAL, REFERENCE_DISTANCE_M
from anpr_node.drivers.simulated.plates import OTHER_STYLE, STYLES
from anpr_node.drivers.simulated.scene import BLOOM_SHARE, DEFOCUS_PER_M, DEFOCUS_PX
from anpr_node.drivers.simulated.traffic import Traffic, TrafficPlan, Vehicle
from anpr_node.records import PlateBox
from anpr_node.vision.reader import PlateReader

JUDGED_KMH = 156.0
USUAL = Mounting()
TEXT_X, TEXT_Y = (0.15, 0.93), (0.22, 0.78)


@dataclass(frozen=True, slots=True)
class Setup:
    """How the camera hangs and is set."""

    mounting: Mounting = USUAL
    light: str = "night"
    exposure_us: int = 200
    defocus_px: float = 0.0
    seed: int = 1
    vehicles: int = 5


@dataclass(frozen=True, slots=True)
class Sighting:
    """One plate in one frame: what was measured, and what is true."""

    measured: PlateMeasures
    truth: dict[str, float]
    vehicle: Vehicle


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything of one setup: sightings, and the passages with the truth about their middle."""

    sightings: list[Sighting]
    passages: list[tuple[MotionMeasures, dict[str, float]]]


class _Camera(SimulatedCamera):
    """A simulated camera behind a lens that is out of focus by a known blur, wherever it hangs."""

    def __init__(self, setup: Setup, circuit: Circuit, traffic: Traffic) -> None:
        super().__init__(circuit, traffic, setup.light, setup.seed)  # type: ignore[arg-type]
        self._defocus_px = setup.defocus_px

    @property
    def scene(self) -> Any:
        return self._scene


def watch(reader: PlateReader, setup: Setup) -> Seen:
    """Let vehicles pass and measure every plate that is seen whole."""
    clock, pins = SimulatedClock(), Pins(17, 27, 22)
    circuit, view = Circuit(clock, pins), View(setup.mounting)
    plan = TrafficPlan(count=setup.vehicles, neighbour_lane=False, speed_kmh=(40.0, 70.0), dirty_share=0.0)
    traffic = Traffic(plan, seed=setup.seed, view=view)
    camera, outputs = _Camera(setup, circuit, traffic), Outputs(pins, circuit.factory, clock)
    outputs.illuminator.on()
    circuit.trigger.start(33_333, setup.exposure_us)
    sightings: list[Sighting] = []
    while not traffic.is_over(clock.monotonic_ns()):
        frame = camera.capture()
        true = [t for t in camera.plates_in(frame) if t.visible and t.passage.lines == 1]
        if not true or frame.sequence % 2:
            continue
        boxes = [reader.detector.second_look(frame.pixels, box) for box in reader.detector.first_look(frame)]
        for box in without_lettering([box for box in boxes if box is not None]):
            best = max(true, key=lambda t: PlateBox(t.corners, 1.0).overlap(box))
            if PlateBox(best.corners, 1.0).overlap(box) < 0.4:
                continue
            measured = measure_plate(frame.pixels, box, frame.captured_ns)
            vehicle = next(v for v in traffic.vehicles_at(frame.captured_ns) if v.passage is best.passage)
            if is_plausible(measured):
                truth = truth_of(camera, view, vehicle, best.corners, frame.captured_ns, setup)
                sightings.append(Sighting(measured, truth, vehicle))
    outputs.close()
    return Seen(sightings, [(m, truth_of(camera, *where, setup)) for m, where in _passages(sightings, view)])


def _passages(sightings: list[Sighting], view: View) -> Any:
    """Each passage with its vehicle in the middle row of the picture: view, vehicle, corners, moment."""
    vehicles = {id(s.measured): s.vehicle for s in sightings}
    optics = Optics(view.focal_px, *view.size)
    for motion in measure_motions(passages([s.measured for s in sightings]), optics):
        vehicle = vehicles[id(motion.seen[0])]
        moment_ns = _in_the_middle_ns(view, vehicle)
        yield motion, (view, vehicle, view.project(vehicle.plate_world(moment_ns)), moment_ns)


def _in_the_middle_ns(view: View, vehicle: Vehicle) -> int:
    """When the plate crosses the middle row."""
    moments_ns = range(vehicle.passage.enters_ns, vehicle.passage.leaves_ns, 2_000_000)

    def off(moment_ns: int) -> float:
        rows = view.project(vehicle.plate_world(moment_ns))[:, 1]
        return abs(float(rows.mean()) - view.size[1] / 2)

    return min(moments_ns, key=off)


def truth_of(
    camera: _Camera, view: View, vehicle: Vehicle, corners: Any, captured_ns: int, setup: Setup
) -> dict[str, float]:
    """What the geometry and the paints say."""
    plate = PlateBox(corners, 1.0)
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners
    world = vehicle.plate_world(captured_ns)
    sight = world.mean(axis=0) - view.mounting.position
    distance_m = float(np.linalg.norm(sight))
    travel = np.array([0.0, JUDGED_KMH / 3.6 * setup.exposure_us * 1e-6 / 2, 0.0])
    middle = world.mean(axis=0)
    early, late = view.project(np.stack([middle - travel, middle + travel]))
    cap_mm = STYLES.get(vehicle.issue.country, OTHER_STYLE).cap_mm
    own_blur = DEFOCUS_PX * (1 + DEFOCUS_PER_M * abs(distance_m - REFERENCE_DISTANCE_M))
    return {
        "width_px": plate.width_px,
        "char_height_px": cap_mm / 110 * plate.height_px,
        "roll_deg": math.degrees(math.atan2(by - ay + cy - dy, bx - ax + cx - dx)),
        "tilt_deg": math.degrees(math.asin(-sight[2] / distance_m)),
        "side_deg": math.degrees(math.asin(sight[0] / distance_m)),
        "distance_m": distance_m,
        "blur_px": float(np.hypot(*(late - early))),
        "edge_px": math.hypot(own_blur, setup.defocus_px),
        "contrast": _contrast(camera, view, vehicle, captured_ns),
    }


def _contrast(camera: _Camera, view: View, vehicle: Vehicle, captured_ns: int) -> float:
    """Of the plate's own face in this light, before any blur; the glow of a bright plate lies over both."""
    model = camera.scene._kept(vehicle)
    exposure = model.exposure
    distance_m = view.distance_m(vehicle.plate_world(captured_ns)[0])
    face = np.asarray(
        exposure.mix(model.plate.albedo, model.plate.retro).point(exposure.curve(distance_m, model.shade))
    )
    rows, columns = face.shape
    text = face[
        round(rows * TEXT_Y[0]) : round(rows * TEXT_Y[1]), round(columns * TEXT_X[0]) : round(columns * TEXT_X[1])
    ]
    threshold = _otsu(text)
    glow = BLOOM_SHARE * (float(face[24:-24, 24:-24].mean()) - PEDESTAL) if exposure.illuminated else 0.0
    ground, ink = float(np.median(text[text > threshold])) + glow, float(np.median(text[text <= threshold])) + glow
    return (ground - ink) / (ground + ink)


def errors(seen: Seen) -> dict[str, float]:
    """Median error of each value: a share for lengths and contrast, degrees for angles, pixels for blur."""
    shares = {"width_px": "width_px", "char_height_px": "char_height_px", "contrast": "contrast"}
    found = {
        name: statistics.median(getattr(s.measured, name) / s.truth[truth] - 1 for s in seen.sightings)
        for name, truth in shares.items()
    }
    for name in ("roll_deg", "edge_px"):
        found[name] = statistics.median(getattr(s.measured, name) - s.truth[name] for s in seen.sightings)
    for name in ("tilt_deg", "side_deg"):
        found[name] = statistics.median(getattr(m, name) - t[name] for m, t in seen.passages)
    found["tilt_share"] = statistics.median(m.tilt_deg / t["tilt_deg"] - 1 for m, t in seen.passages)
    found["distance"] = statistics.median(m.distance_m / t["distance_m"] - 1 for m, t in seen.passages)
    return found


def blur_errors(seen: Seen, exposure_us: int) -> float:
    """Median error of the smear at the judged speed, in pixels."""
    return statistics.median(m.blur_px(JUDGED_KMH, exposure_us) - t["blur_px"] for m, t in seen.passages)


def setups() -> dict[str, Setup]:
    """The scenes by name: distances, heights, rolls, lenses, blurs, lights, exposures."""
    usual, found = USUAL, {}
    for focal_mm, aim_m in ((12.0, 9.0), (16.0, 11.0), (18.0, 12.5), (25.0, 16.0), (25.0, 18.0)):
        for height_m in (4.0, 5.0, 6.0):
            mounting = replace(usual, focal_mm=focal_mm, aim_y_m=aim_m, height_m=height_m)
            found[f"{focal_mm:g} mm, {aim_m:g} m away, {height_m:g} m high"] = Setup(mounting)
    for roll_deg in (-12.0, -8.0, -5.0, -2.0, 2.0, 5.0, 8.0, 12.0):
        found[f"roll {roll_deg:g}"] = Setup(replace(usual, roll_deg=roll_deg))
    for defocus_px in (0.3, 0.6, 0.9, 1.2, 1.5, 1.8, 2.1):
        found[f"defocus {defocus_px:g} px"] = Setup(defocus_px=defocus_px)
    for exposure_us in (80, 120, 150, 180, 250, 300):
        found[f"night {exposure_us} us"] = Setup(exposure_us=exposure_us)
    for exposure_us in (100, 200, 300):
        found[f"day {exposure_us} us"] = Setup(light="day", exposure_us=exposure_us)
    for offset_m in (1.5, 2.0, 3.5, 4.5):
        found[f"{offset_m:g} m beside"] = Setup(replace(usual, offset_m=offset_m))
    for seed in range(2, 11):
        found[f"other traffic {seed}"] = Setup(seed=seed)
    return found


__all__ = ["Setup", "blur_errors", "errors", "setups", "watch"]
