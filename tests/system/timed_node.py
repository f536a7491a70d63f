"""A real node over a short stretch of road that comes again and again, and writes down what each frame costs its loop.

    python timed_node.py NODE.TOML COSTS.JSON

The same frames come in quiet and in noise, so that what they cost can be compared one by one. No test of its own.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from anpr_node.config import load
from anpr_node.drivers.clock import Clock
from anpr_node.drivers.platform import open_platform
from anpr_node.records import Frame
from anpr_node.service import supervise

PLAYED_FPS = 25.0
"""Faster than the road was seen: each frame comes often enough for its usual cost to show."""
FRAMES, EMPTY = 45, 15
"""Frames with traffic, then the empty road: every vehicle is gone before the first comes again."""


class RoundCamera:
    """Plays the same frames round and round, in real time.

    `costs`: index of a frame, when, the loop's processor time, and that of the yardstick at the same moment.
    """

    def __init__(self, frames: list[Frame], fps: float, clock: Clock) -> None:
        self._frames, self._period_s, self._clock = frames, 1 / fps, clock
        self._sequence, self._due_s = 0, time.monotonic()
        self._began_s: float | None = None
        self.costs: list[tuple[int, float, float, float]] = []

    def capture(self) -> Frame:
        if self._began_s is not None:
            index = (self._sequence - 1) % len(self._frames)
            cost_s = time.thread_time() - self._began_s
            self.costs.append((index, time.time(), cost_s, yardstick_s()))
        self._due_s = max(self._due_s + self._period_s, time.monotonic())
        time.sleep(self._due_s - time.monotonic() if self._due_s > time.monotonic() else 0)
        frame = replace(self._frames[self._sequence % len(self._frames)], sequence=self._sequence,
                        captured_ns=self._clock.monotonic_ns())  # fmt: skip
        self._sequence += 1
        self._began_s = time.thread_time()
        return frame

    def close(self) -> None:
        """Nothing to close."""


PLANE = np.random.default_rng(1).integers(0, 256, 60_000).astype(np.uint8)


def yardstick_s() -> float:
    """The processor time of something that is always the same: how fast a core is at this moment."""
    began_s = time.thread_time()
    np.partition(PLANE, 30_000)
    sum(number * number for number in range(2_000))
    return time.thread_time() - began_s


def rendered(config: Path) -> list[Frame]:
    """The stretch of road, rendered once."""
    settings = load(config)
    platform = open_platform(settings, realtime=False)
    platform.start(settings.camera)
    frames = []
    for _ in range(FRAMES):
        frame = platform.camera.capture()
        assert frame is not None
        frames.append(replace(frame, pixels=frame.pixels.copy(), small=frame.small.copy()))
    platform.outputs.close()
    empty = min(frames, key=lambda frame: float(np.quantile(frame.small, 0.995)))
    return [*frames, *[empty] * EMPTY]


def main() -> None:
    config, costs = Path(sys.argv[1]), Path(sys.argv[2])
    settings, stop = load(config), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    frames = rendered(config)
    platform = open_platform(settings)
    camera = RoundCamera(frames, PLAYED_FPS, platform.clock)
    try:
        supervise(settings, replace(platform, camera=camera, reopen=None), stop)
    finally:
        costs.write_text(json.dumps(camera.costs))


if __name__ == "__main__":
    main()
