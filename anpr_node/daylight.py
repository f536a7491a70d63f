"""Day or night, from how bright the road is and from whether plates get read; slow to change its mind.

It switches nothing: the node asks it after each frame. Levels are grey values per 100 µs of exposure at gain 1, so that
going over to other exposures does not look like a change of light.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

import numpy as np

from anpr_node.config import DayNightSection
from anpr_node.records import Frame, Plane
from anpr_node.units import NS_PER_S

LightName = Literal["day", "night"]

LOOK_EVERY_NS = NS_PER_S
STEP_PX = 8
PEDESTAL = 13
SATURATED = 230
"""A picture this bright in the middle says nothing more exact than that it is day."""


class DayNight:
    """`light` is what is in force. Brightness decides outside the twilight, success within."""

    def __init__(self, section: DayNightSection) -> None:
        """It starts with the night, in which nothing is missed."""
        self._section = section
        self.light: LightName = "night"
        self._looked_ns: int | None = None
        self._beyond_since_ns: int | None = None
        self._changed_ns = 0
        self._try_s = section.twilight_try_s
        self._passages: deque[bool] = deque(maxlen=2 * section.passages_min)

    def passed(self, read: int, unread: int) -> None:
        """So many passages have been read, and so many seen and given up, since the last call."""
        self._passages.extend([True] * read + [False] * unread)

    def look(self, frame: Frame) -> LightName:
        """The light in force after this frame; one frame a second is looked at."""
        now_ns = frame.captured_ns
        if self._looked_ns is None or now_ns - self._looked_ns >= LOOK_EVERY_NS:
            self._looked_ns = now_ns
            self._judge(road_level(frame.small, frame.exposure_us, frame.gain), now_ns)
        return self.light

    def _judge(self, level: float, now_ns: int) -> None:
        section = self._section
        beyond = level > section.day_above if self.light == "night" else level < section.night_below
        if not beyond:
            self._beyond_since_ns = None
        elif self._beyond_since_ns is None:
            self._beyond_since_ns = now_ns
        elif now_ns - self._beyond_since_ns >= section.steady_s * NS_PER_S:
            self._change(now_ns)
        if not section.night_below <= level <= section.day_above:
            self._try_s = section.twilight_try_s
        elif self._fails(now_ns):
            self._change(now_ns)
            self._try_s *= 2  # neither reads well: change ever more rarely, until it is plain day or night again

    def _fails(self, now_ns: int) -> bool:
        judged = len(self._passages) >= self._section.passages_min
        tried = now_ns - self._changed_ns >= self._try_s * NS_PER_S
        return judged and tried and sum(self._passages) < self._section.success_min * len(self._passages)

    def _change(self, now_ns: int) -> None:
        self.light = "day" if self.light == "night" else "night"
        self._changed_ns, self._beyond_since_ns = now_ns, None
        self._passages.clear()


def road_level(small: Plane, exposure_us: int, gain: float) -> float:
    """How bright the middle of the picture's values is, whatever the exposure; plates and lamps do not move it."""
    middle = float(np.median(small[::STEP_PX, ::STEP_PX]))
    if middle >= SATURATED:
        return float("inf")
    return max(0.0, middle - PEDESTAL) * 100 / (exposure_us * gain)
