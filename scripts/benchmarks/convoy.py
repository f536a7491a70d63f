"""Dense traffic for the loop: three vehicles abreast, row after row, so that three plates are in view all the time.

The frames are rendered once, before anything is measured, and offered again and again; nothing here reads plates.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from anpr_node import pictures
from anpr_node.drivers.simulated.light import LIGHTS, Exposure
from anpr_node.drivers.simulated.scene import Scene
from anpr_node.drivers.simulated.traffic import KINDS, Traffic, TrafficPlan, Vehicle
from anpr_node.records import Frame
from anpr_node.units import NS_PER_S

FPS = 60
SPEED_KMH = 60.0
ROW_FRAMES = 45
ROWS = 5
ABREAST_X_M = (-1.75, -0.7, 0.35)
"""Nearer to each other than cars could drive, as the picture shows one lane; every plate can be seen all the same."""
EXPOSURE_US = 300


class Convoy(Traffic):
    """Rows of three cars, one row every 45 frames."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__(TrafficPlan(dirty_share=0.0), seed)
        self._streams = [self._lane(str(n + 1), x_m) for n, x_m in enumerate(ABREAST_X_M)]
        self._upcoming = [next(stream, None) for stream in self._streams]

    def _lane(self, lane: str, x_m: float) -> Iterator[Vehicle]:
        period_ns = ROW_FRAMES * NS_PER_S // FPS
        for row in range(ROWS * 3):  # the picture shows rows before and behind the five that are used
            key, motion = (self._seed, int(lane), row % ROWS), (True, SPEED_KMH, row * period_ns)
            yield replace(self._vehicle(key, (lane, x_m), KINDS[0], motion), x_m=x_m)


@dataclass(frozen=True, slots=True)
class Still:
    """One rendered moment: the full plane, and what the ISP makes of it."""

    pixels: np.ndarray
    small: np.ndarray


def render() -> list[Still]:
    """A cycle of frames that begins again without a jump. About 360 MB."""
    convoy = Convoy()
    scene, light = Scene(convoy.view, 1), LIGHTS["night"]
    noise = np.random.default_rng(1).normal(0, light.noise_sigma, (2, *reversed(convoy.view.size))).astype(np.int16)
    stills = []
    for number in range(ROWS * ROW_FRAMES, 2 * ROWS * ROW_FRAMES):
        at_ns = number * NS_PER_S // FPS
        clean = np.asarray(scene.draw(convoy.vehicles_at(at_ns), at_ns, Exposure(light, True, EXPOSURE_US)))
        pixels = np.clip(clean + noise[number % 2], 0, 255).astype(np.uint8)
        pixels.flags.writeable = False
        stills.append(Still(pixels, pictures.small_plane(pixels)))
    return stills


def frame_of(stills: list[Still], sequence: int, captured_ns: int) -> Frame:
    still = stills[sequence % len(stills)]
    return Frame(sequence, captured_ns, EXPOSURE_US, 4.0, True, still.pixels, still.small)


class RingCamera:
    """Offers the frames at their rate in real time, as a driver with one buffer: who comes late gets the latest.

    It notes how long each frame was in work: from the moment it was there to the moment the next one is asked for.
    """

    def __init__(self, stills: list[Still], count: int) -> None:
        self._stills, self._count = stills, count
        self._began_ns: int | None = None
        self._arrived_ns = 0
        self._next = 0
        self.decided_ms: list[float] = []
        self.lost = 0

    def capture(self) -> Frame | None:
        """The frame that is due now, or the next one when it is due; None at the end."""
        now_ns = time.monotonic_ns()
        if self._began_ns is None:
            self._began_ns = now_ns
        else:
            self.decided_ms.append((now_ns - self._arrived_ns) / 1e6)
        if self._next >= self._count:
            return None
        due = max(self._next, (now_ns - self._began_ns) * FPS // NS_PER_S)
        self.lost += min(due, self._count) - self._next
        self._next = due + 1
        if due >= self._count:
            return None
        self._arrived_ns = self._began_ns + due * NS_PER_S // FPS
        time.sleep(max(0, self._arrived_ns - time.monotonic_ns()) / NS_PER_S)
        return frame_of(self._stills, due, self._arrived_ns)

    def close(self) -> None:
        """Nothing to close."""
