"""The simulated camera: exposes when the trigger pulses, by whatever light the circuit gives, and knows the truth.

It keeps no queue: pulses that come while a frame is being rendered are lost, and the gap shows in `Frame.sequence`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import ImageFilter

from anpr_node import pictures
from anpr_node.drivers.simulated.bench import Bench
from anpr_node.drivers.simulated.circuit import IDLE_WAIT_US, Circuit, Pulse
from anpr_node.drivers.simulated.geometry import Points, View, inside
from anpr_node.drivers.simulated.light import LIGHTS, Exposure, LightName
from anpr_node.drivers.simulated.scene import Scene
from anpr_node.drivers.simulated.traffic import Passage, Traffic, Vehicle
from anpr_node.errors import CameraClosed, FrameTimeout
from anpr_node.records import Corners, Frame, Plane
from anpr_node.units import NS_PER_US

NOISE_MARGIN = 256
NOISE_MAX = 10


@dataclass(frozen=True, slots=True)
class PlateTruth:
    """One plate in one frame. `visible`: whole, in the picture, lit, and hidden by no other vehicle."""

    passage: Passage
    corners: Corners
    visible: bool


class SimulatedCamera:
    """One camera over the simulated road. The planes of a frame are overwritten by the next one, as a driver's are."""

    def __init__(
        self, circuit: Circuit, traffic: Traffic, light: LightName = "night", seed: int = 1, bench: Bench | None = None
    ) -> None:
        """The picture size and the mounting are those of the traffic's view, or of a bench that was turned."""
        self._circuit = circuit
        self._traffic = traffic
        self._light = LIGHTS[light]
        self._view: View = bench.view() if bench else traffic.view
        self._defocus_px = bench.defocus_px if bench else 0.0
        self._scene = Scene(self._view, seed)
        self._seed = seed
        width, height = self._view.size
        self._noise = _noise((height + NOISE_MARGIN, width + NOISE_MARGIN), self._light.noise_sigma, seed)
        self._pixels = np.empty((height, width), np.uint8)
        self._closed = False

    def capture(self) -> Frame:
        """The next exposure.

        Raises FrameTimeout without a trigger pulse, CameraClosed after `close`, and WiringError when the circuit is
        used beyond its limits.
        """
        if self._closed:
            raise CameraClosed("the camera is closed; make a new one")
        pulse = self._circuit.trigger.wait()
        self._circuit.check()
        if pulse is None:
            raise FrameTimeout(f"no frame within {IDLE_WAIT_US // 1000} ms: start the trigger or check its wiring")
        return self._expose(pulse)

    def close(self) -> None:
        """No more frames."""
        self._closed = True

    def plates_in(self, frame: Frame) -> tuple[PlateTruth, ...]:
        """Where every plate near the camera is in a frame just captured."""
        vehicles = self._traffic.vehicles_at(frame.captured_ns)
        dark = not frame.illuminated and self._light.name == "night"
        return tuple(self._truth(index, vehicles, frame.captured_ns, dark) for index in range(len(vehicles)))

    def _expose(self, pulse: Pulse) -> Frame:
        captured_ns = pulse.opened_ns + pulse.exposure_us * NS_PER_US // 2
        illuminated = self._circuit.illuminator_on
        exposure = Exposure(self._light, illuminated, pulse.exposure_us)
        picture = self._scene.draw(self._traffic.vehicles_at(captured_ns), captured_ns, exposure)
        if self._defocus_px:
            picture = picture.filter(ImageFilter.GaussianBlur(self._defocus_px))
        self._develop(np.asarray(picture), pulse.sequence)
        pixels = self._pixels.view()
        pixels.flags.writeable = False
        return Frame(
            pulse.sequence,
            captured_ns,
            pulse.exposure_us,
            self._light.gain,
            illuminated,
            pixels,
            pictures.small_plane(pixels),
        )

    def _develop(self, clean: Plane, sequence: int) -> None:
        """Add sensor noise: one long tile, taken at another place for every frame."""
        top, left = np.random.default_rng((self._seed, sequence)).integers(0, NOISE_MARGIN, 2)
        height, width = clean.shape
        # The tile holds negative values as two's complement; the scene's level limits keep the sum from wrapping.
        np.add(clean, self._noise[top : top + height, left : left + width], out=self._pixels)

    def _truth(self, index: int, vehicles: list[Vehicle], monotonic_ns: int, dark: bool) -> PlateTruth:
        vehicle = vehicles[index]
        pixels = self._view.project(vehicle.plate_world(monotonic_ns))
        visible = not dark and self._view.contains(pixels)
        if visible:
            spots = np.vstack([pixels, pixels.mean(axis=0)])
            visible = not any(self._hides(nearer, spots, monotonic_ns) for nearer in vehicles[index + 1 :])
        corners = tuple((float(u), float(v)) for u, v in pixels)
        return PlateTruth(vehicle.passage, corners, visible)

    def _hides(self, nearer: Vehicle, spots: Points, monotonic_ns: int) -> bool:
        origin = nearer.origin(monotonic_ns)
        surfaces = self._scene.body(nearer).surfaces
        return any(bool(inside(self._view.project(surface.points + origin), spots).any()) for surface in surfaces)


def _noise(shape: tuple[int, int], sigma: float, seed: int) -> Plane:
    drawn = np.random.default_rng((seed, 13)).normal(0, sigma, shape)
    return np.clip(np.rint(drawn), -NOISE_MAX, NOISE_MAX).astype(np.int8).view(np.uint8)
