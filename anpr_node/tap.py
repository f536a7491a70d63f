"""Takes copies of frames out of the running loop, when somebody asked for some; else it costs one look at a flag.

The loop never waits here. Whoever asked waits, for a limited time, on a thread of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from anpr_node.records import Frame, Plane, PlateBox

FRAMES_MAX = 8
"""Full planes that may be held at once: 1.6 MB each."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A frame of one's own, with the plates that the detector saw in it."""

    sequence: int
    captured_ns: int
    exposure_us: int
    gain: float
    illuminated: bool
    pixels: Plane
    boxes: tuple[PlateBox, ...]


class Tap:
    """One request at a time; a new one takes the place of one that nobody waits for any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left = self._every = self._skip = 0
        self._only_plates = False
        self._taken: list[Taken] = []
        self._full = threading.Event()

    def take(self, count: int, only_plates: bool, wait_s: float, every: int = 1) -> list[Taken]:
        """The next `count` frames, `only_plates`: of those with plates in them; fewer when they do not come in time.

        `every`: of two or three in a row only one, so that a whole passage is seen.
        """
        with self._lock:
            self._taken, self._only_plates, self._every, self._skip = [], only_plates, every, 0
            self._left = min(count, FRAMES_MAX)
            self._full.clear()
        self._full.wait(wait_s)
        with self._lock:
            self._left, taken, self._taken = 0, self._taken, []
        return taken

    def release(self) -> None:
        """Whoever waits gets what there is: the node stops."""
        self._full.set()

    def offer(self, frame: Frame, boxes: Callable[[], Sequence[PlateBox]]) -> None:
        """The loop's part: copy the frame if it is wanted."""
        if not self._left:
            return
        seen = tuple(boxes())
        if self._only_plates and not seen:
            return
        self._skip += 1
        if self._skip % self._every:
            return
        copy = Taken(
            frame.sequence,
            frame.captured_ns,
            frame.exposure_us,
            frame.gain,
            frame.illuminated,
            frame.pixels.copy(),
            seen,
        )
        with self._lock:
            if self._left:
                self._taken.append(copy)
                self._left -= 1
                if not self._left:
                    self._full.set()
