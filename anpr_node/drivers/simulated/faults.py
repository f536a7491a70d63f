"""What goes wrong at a roadside, for the simulation: a cut strobe wire, a faulty camera, a lens that is not clear.

A stopped or doubled trigger needs nothing from here: the simulated trigger can be set so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from anpr_node.drivers.camera import Camera
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.gpio import Pins
from anpr_node.drivers.pacing import Pacer, VirtualPacer
from anpr_node.drivers.simulated.circuit import Circuit, SimulatedTrigger
from anpr_node.drivers.simulated.light import PEDESTAL
from anpr_node.records import Frame, Plane
from anpr_node.units import NS_PER_S

Filter = Callable[[Plane, float], Plane]
"""Changes a plane, given the seconds since the fault began. Sizes are shares of the picture's width."""

Stream = Callable[[Frame], Frame | None]
"""Changes what the camera hands out; None when it hands out nothing yet."""


class WornTrigger(SimulatedTrigger):
    """A pulse generator that can become slow: its pulses come `slowness` periods apart, whatever it is told."""

    slowness = 1

    def wear(self, slowness: int) -> None:
        """Slow from now on, or as it should be with 1."""
        train, before = self._train, self.slowness
        self.slowness = slowness
        if train is not None:
            self._begin(train.period_us // before, train.exposure_us, train.bracket_us)

    def _begin(self, period_us: int, exposure_us: int, bracket_us: int) -> None:
        super()._begin(period_us * self.slowness, exposure_us, bracket_us)


class WornCircuit(Circuit):
    """A circuit whose strobe wire can break: the enable pin is high and no light comes."""

    strobe_cut = False

    def __init__(self, clock: SimulatedClock, pins: Pins, pacer: Pacer | None = None) -> None:
        super().__init__(clock, pins, pacer)
        self.trigger: WornTrigger = WornTrigger(clock, pacer or VirtualPacer())

    @property
    def illuminator_on(self) -> bool:
        """Whether a pulse would fire the strobe."""
        return super().illuminator_on and not self.strobe_cut


class FaultyCamera:
    """A camera behind a lens and a driver that can both be made to fail, and repaired."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._since_ns: int | None = None
        self.lens: Filter | None = None
        self.stream: Stream | None = None

    def repair(self) -> None:
        """Lens clear, stream as it should be."""
        self.lens, self.stream, self._since_ns = None, None, None

    def capture(self) -> Frame | None:
        """What comes through."""
        frame = self._camera.capture()
        while frame is not None:
            handed = self._spoil(frame)
            if handed is not None:
                return handed
            frame = self._camera.capture()
        return None

    def close(self) -> None:
        """Close the camera behind it."""
        self._camera.close()

    def _spoil(self, frame: Frame) -> Frame | None:
        if self.lens is not None:
            self._since_ns = frame.captured_ns if self._since_ns is None else self._since_ns
            seconds = (frame.captured_ns - self._since_ns) / NS_PER_S
            same = frame.small is frame.pixels
            small = self.lens(frame.small, seconds)
            frame = replace(frame, small=small, pixels=small if same else self.lens(frame.pixels, seconds))
        return frame if self.stream is None else self.stream(frame)


def covered(seconds: float) -> Filter:
    """Paint, snow or a bag closes in within so long."""

    def apply(plane: Plane, since_s: float) -> Plane:
        return _faded(plane, max(0.0, 1 - since_s / seconds) if seconds else 0.0)

    return apply


def _faded(plane: Plane, left: float) -> Plane:
    """What is left of the light; black level and noise stay."""
    noise = np.random.default_rng(int(plane[:8].sum())).normal(0, 0.6, plane.shape)
    faded: Plane = np.clip((plane - PEDESTAL) * left + PEDESTAL + noise * (1 - left), 0, 255).astype(np.uint8)
    return faded


def blurred(radius: float) -> Filter:
    """Out of focus, or a film on the window."""
    return lambda plane, _: np.asarray(Image.fromarray(plane).filter(ImageFilter.GaussianBlur(radius * plane.shape[1])))


def glaring(x: float, y: float, reach: float) -> Filter:
    """The low sun: a white spot with a halo, and a veil over everything."""

    def apply(plane: Plane, _: float) -> Plane:
        rows, columns = plane.shape
        u, v = np.arange(columns) / columns - x, (np.arange(rows)[:, None] - rows * y) / columns
        light = 700.0 * np.exp(-((u**2 + v**2) / reach**2)) + 25.0
        lit: Plane = np.minimum(plane + light, 250).astype(np.uint8)
        return lit

    return apply


def moved(right: float, down: float) -> Filter:
    """The mount has turned a little."""
    return lambda plane, _: _shifted(plane, right, down)


def shaken(reach: float, hertz: tuple[float, float] = (1.3, 1.9)) -> Filter:
    """The pole sways."""

    def apply(plane: Plane, since_s: float) -> Plane:
        phases: NDArray[np.float64] = np.sin(2 * np.pi * since_s * np.array(hertz) + (0.5, 1.3))
        return _shifted(plane, float(reach * phases[0]), float(reach * phases[1]))

    return apply


def _shifted(plane: Plane, right: float, down: float) -> Plane:
    width = plane.shape[1]
    return np.asarray(ImageChops.offset(Image.fromarray(plane), round(right * width), round(down * width)))


def repeating(buffers: int) -> Stream:
    """The same few buffers again and again, under fresh numbers and times."""
    kept: list[tuple[Plane, Plane]] = []

    def apply(frame: Frame) -> Frame:
        if len(kept) < buffers:
            kept.append((frame.pixels.copy(), frame.small.copy()))
            return frame
        pixels, small = kept[frame.sequence % buffers]
        return replace(frame, pixels=pixels, small=small)

    return apply


def disordered(every: int) -> Stream:
    """Now and then a frame comes two frames late, in the place of another one."""
    held: deque[Frame] = deque()

    def apply(frame: Frame) -> Frame | None:
        turn = frame.sequence % every
        if turn == 0:
            held.append(replace(frame, pixels=frame.pixels.copy(), small=frame.small.copy()))
            return None
        return held.popleft() if turn == 2 and held else frame

    return apply


def jumping(seconds: float, every: int) -> Stream:
    """Timestamps off by so long: for one frame in `every`, or for good with 1."""
    offset_ns = round(seconds * NS_PER_S)
    return lambda frame: (
        replace(frame, captured_ns=frame.captured_ns + offset_ns) if frame.sequence % every == 0 else frame
    )
