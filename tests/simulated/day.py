"""A whole day at the simulated roadside in miniature: night, dawn, day with clouds, dusk, rush hours, an empty road.

The light is a table of its own; day and night settings of the camera change by brightness, with hysteresis, as on a
node. No test of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from miniature import Rig

from anpr_node.drivers.simulated.light import LIGHTS, Light
from anpr_node.drivers.simulated.traffic import TrafficPlan
from anpr_node.drivers.thermal import Heat

NS_PER_S = 1_000_000_000
NIGHT_AMBIENT, NOON_AMBIENT = LIGHTS["night"].ambient, LIGHTS["day"].ambient
DAWN_H, DUSK_H, TWILIGHT_H = 6.5, 19.5, 1.5
TO_NIGHT_BELOW, TO_DAY_ABOVE = 30.0, 110.0
ROAD_ALBEDO, STEP_S = 0.27, 20.0
GAPS_S = [*[1800] * 5, 240, 60, 60, 60, *[120] * 7, 60, 60, 60, 120, 240, 240, 600, 900]
"""Mean pause between platoons, by hour of the day: next to nobody from midnight to five."""


@dataclass
class Sky:
    """Light by the time of day, with clouds; what the camera is set to follows the brightness of the road."""

    seed: int
    clouds: float = 0.0
    settings: str = "night"
    _rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    def at(self, hour: float) -> Light:
        self.clouds = 0.97 * self.clouds + 0.03 * float(self._rng.normal(0, 1.2))
        share = _smooth((hour - DAWN_H) / TWILIGHT_H + 0.5) - _smooth((hour - DUSK_H) / TWILIGHT_H + 0.5)
        low, high = math.log(NIGHT_AMBIENT), math.log(NOON_AMBIENT)
        ambient = math.exp(low + (high - low) * share + self.clouds * share)
        road = 13 + ROAD_ALBEDO * min(ambient, 260) * LIGHTS[self.settings].gain  # type: ignore[index]
        if self.settings == "day" and road < TO_NIGHT_BELOW:
            self.settings = "night"
        elif self.settings == "night" and road > TO_DAY_ABOVE:
            self.settings = "day"
        kept = LIGHTS[self.settings]  # type: ignore[index]
        lamps = 0.15 + 0.85 * (1 - share)
        return replace(kept, ambient=min(ambient, 260), lamps=round(lamps, 2))


def _smooth(share: float) -> float:
    share = min(1.0, max(0.0, share))
    return share * share * (3 - 2 * share)


def usual(utc_ns: int, start_h: float = 0.0) -> float:
    """Reads of an hour, were this day like all others; the clock began at midnight of its own."""
    return 0.8 * 2 * 3600 / (GAPS_S[int(start_h + utc_ns / NS_PER_S / 3600) % 24] + 4)


def live_a_day(rig: Rig, sky: Sky, hours: float = 24.0, start_h: float = 0.0) -> None:
    """Run through the hours; whoever passes on the observed lane is read."""
    read = 0
    while rig.now_s < hours * 3600:
        hour = (start_h + rig.now_s / 3600) % 24
        rig.miniature.shine(sky.at(hour))
        rig.traffic.plan = TrafficPlan(gap_s_mean=float(GAPS_S[int(hour)]))
        rig.heat = Heat(45 + 20 * _smooth((hour - 8) / 5))
        rig.run(STEP_S)
        passed = sum(passage.lane == "1" for passage in rig.traffic._passages)
        if passed != read:
            read = passed
            rig.supervisor.read(rig.clock.monotonic_ns())
