"""A camera that is watched: the loop captures through it, the supervision takes what it noted from another thread.

It costs the loop a few numbers a frame and one copy of the small plane twice a second. It measures nothing itself.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from anpr_node.drivers.camera import Camera, Restartable
from anpr_node.drivers.clock import Clock
from anpr_node.drivers.illuminator import Illuminator
from anpr_node.records import Frame, Plane
from anpr_node.supervision.limits import LOOK_PERIOD_S
from anpr_node.supervision.numbers import Mark
from anpr_node.units import NS_PER_S, NS_PER_US

MARKS_MAX = 4096
LOOKS_MAX = 16
"""What the supervision does not fetch in time is lost, the oldest first; the loop never waits for it."""

Step = Callable[[], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sample:
    """A small plane of its own, and the frame's mark."""

    mark: Mark
    small: Plane


class WatchedCamera:
    """Any camera, with its illuminator for the dark frames that are asked for."""

    def __init__(
        self,
        camera: Camera,
        clock: Clock,
        illuminator: Illuminator | None = None,
        period_us: Callable[[], int] | None = None,
    ) -> None:
        """`period_us` says how long the pulses of now take, None where there are none."""
        self._camera = camera
        self._clock = clock
        self._illuminator, self._period_us = illuminator, period_us
        self._marks: deque[Mark] = deque(maxlen=MARKS_MAX)
        self._samples: deque[Sample] = deque(maxlen=LOOKS_MAX)
        self._next_look_ns = 0
        self._was_dark = False
        self._exposure_us = 0
        self._dark_wanted = threading.Event()
        self._steps: deque[Step] = deque()
        self._stream = 0
        self.frames = 0

    def capture(self) -> Frame | None:
        """The next frame, noted; steps of recovery that were asked for come first, here in the loop's own thread."""
        while self._steps:
            self._steps.popleft()()
            self._stream += 1
        lit = self._illuminator is not None and self._illuminator.is_lit
        probe = lit and self._dark_wanted.is_set() and not self._was_dark
        frame = self._in_the_dark() if probe else self._camera.capture()
        self._was_dark = probe
        if frame is not None:
            self._note(frame, lit and not probe, probe)
        return frame

    def close(self) -> None:
        """Close the camera behind it."""
        self._camera.close()

    def replace(self, camera: Camera) -> None:
        """Go on with another one; call it from a step."""
        self._camera = camera

    def restart(self) -> None:
        """Restart the stream of a camera that can; call it from a step."""
        if isinstance(self._camera, Restartable):
            self._camera.restart()

    def ask_for_dark(self) -> None:
        """Take the next frame without the strobe; never two in a row."""
        self._dark_wanted.set()

    def ask_for(self, step: Step) -> None:
        """Let the loop's thread do something between two frames."""
        self._steps.append(step)

    def drain(self) -> tuple[list[Mark], list[Sample]]:
        """What was noted since the last call."""
        return _emptied(self._marks), _emptied(self._samples)

    def _in_the_dark(self) -> Frame | None:
        """A frame without the strobe; one that does not come in time is tried again."""
        assert self._illuminator is not None
        with self._illuminator.dark():
            frame = self._camera.capture()
        self._dark_wanted.clear()
        self._next_look_ns = 0
        return frame

    def _note(self, frame: Frame, lit: bool, probe: bool) -> None:
        """`lit` is what the pin was told, not what the driver believes."""
        now_ns = self._clock.monotonic_ns()
        period_ns = None if self._period_us is None else self._period_us() * NS_PER_US
        mark = Mark(frame.sequence, frame.captured_ns, now_ns, lit, probe, self._stream, period_ns)
        self.frames += 1
        self._marks.append(mark)
        is_short, self._exposure_us = frame.exposure_us < self._exposure_us, frame.exposure_us
        if now_ns >= self._next_look_ns and not is_short:  # of bracketed exposures only the longer ones are compared
            # the frame after a probe is measured too: the less has moved between them, the better they compare
            self._next_look_ns = now_ns + (0 if probe else int(LOOK_PERIOD_S * NS_PER_S))
            self._samples.append(Sample(mark, frame.small.copy()))


def _emptied(queue: deque[T]) -> list[T]:
    return [queue.popleft() for _ in range(len(queue))]
