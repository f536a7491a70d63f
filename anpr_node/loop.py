"""The loop's thread: captures frame after frame, lets the pipeline look at each, and hands its reads to the desk.

It waits for the camera alone, never for the card or a sink. Whoever starts the thread decides what its end means.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections import deque

from anpr_node.config import Settings
from anpr_node.daylight import DayNight, LightName
from anpr_node.desk import Desk
from anpr_node.drivers.platform import Platform
from anpr_node.errors import FrameTimeout
from anpr_node.pipeline import Pipeline
from anpr_node.records import Frame
from anpr_node.tap import Tap
from anpr_node.vision.reader import PlateReader

log = logging.getLogger(__name__)

TIMES_KEPT = 300


class Loop:
    """The loop of one node. `work` is the thread's body; the figures may be read from any thread."""

    def __init__(
        self, settings: Settings, platform: Platform, desk: Desk, tap: Tap, timeouts_max: int | None = None
    ) -> None:
        """Load the models. So many timeouts in a row end the thread; None: none do. Raises ModelError."""
        self._platform, self._desk, self._tap, self._timeouts_max = platform, desk, tap, timeouts_max
        reader = PlateReader(settings.models_folder, settings.models.threads)
        self.pipeline = Pipeline(reader, platform.clock, settings)
        self.times_ms: deque[float] = deque(maxlen=TIMES_KEPT)
        self.timeouts = self.frames_lost = 0
        self._daynight = DayNight(settings.daynight) if settings.daynight.mode == "auto" else None
        self._passages_seen = (0, 0)

    @property
    def light(self) -> LightName:
        """Whose exposures are in force."""
        return self._daynight.light if self._daynight is not None else "night"

    def work(self, stopping: threading.Event) -> None:
        """Until the node stops or a recording ends; the desk is closed then, for whatever reason. Raises AnprError."""
        try:
            self._capture_and_process(stopping)
        finally:
            self._desk.close()

    def _capture_and_process(self, stopping: threading.Event) -> None:
        timeouts, next_sequence = 0, 0
        while not stopping.is_set():
            try:
                frame = self._platform.camera.capture()
            except FrameTimeout:
                timeouts, self.timeouts = timeouts + 1, self.timeouts + 1
                if self._timeouts_max is not None and timeouts >= self._timeouts_max:
                    raise
                continue
            if frame is None:
                break
            timeouts = 0
            self.frames_lost += max(0, frame.sequence - next_sequence)
            next_sequence = frame.sequence + 1
            self._process(frame)
        self._desk.hand_over(self.pipeline.finish())

    def _process(self, frame: Frame) -> None:
        started_s = time.perf_counter()
        self._desk.hand_over(self.pipeline.process(frame))
        self._follow_daylight(frame)
        self._tap.offer(frame, functools.partial(self.pipeline.boxes_in, frame))
        self.times_ms.append((time.perf_counter() - started_s) * 1e3)

    def _follow_daylight(self, frame: Frame) -> None:
        if self._daynight is None:
            return
        counters, before, (read, unread) = self.pipeline.counters, self._daynight.light, self._passages_seen
        self._daynight.passed(counters.reads - read, counters.unread - unread)
        self._passages_seen = (counters.reads, counters.unread)
        light = self._daynight.look(frame)
        if light != before:
            log.info("light %s", light)
            self._platform.use_light(light)
