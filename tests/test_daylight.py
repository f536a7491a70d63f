"""Day and night: brightness with hysteresis, and in the twilight the light that reads."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from anpr_node.config import DayNightSection
from anpr_node.daylight import DayNight, road_level
from anpr_node.records import Frame

S = 1_000_000_000
SECTION = DayNightSection(mode="auto")


class Road:
    """A road whose brightness is set; the camera exposes as the light in force asks."""

    def __init__(self) -> None:
        self.daynight = DayNight(SECTION)
        self.second = 0
        self.changes: list[tuple[int, str]] = []

    def wait(self, seconds: int, level: float, read: int = 0, unread: int = 0) -> str:
        """So many seconds at a level; each second so many passages, if any."""
        for _ in range(seconds):
            self.second += 1
            before = self.daynight.light
            self.daynight.passed(read, unread)
            self.daynight.look(shot(level, self.second, 300 if before == "night" else 200))
            if self.daynight.light != before:
                self.changes.append((self.second, self.daynight.light))
        return self.daynight.light


def shot(level: float, second: int, exposure_us: int) -> Frame:
    grey = min(255, 13 + round(level * exposure_us / 100))
    plane = np.full((240, 320), grey, np.uint8)
    return Frame(second, second * S, exposure_us, 1.0, True, plane, plane)


def test_day_comes_after_half_a_minute_of_light_and_night_after_as_much_dark() -> None:
    road = Road()
    assert road.wait(30, 20.0) == "night"
    assert road.wait(2, 20.0) == "day"
    assert road.wait(30, 0.5) == "day"
    assert road.wait(2, 0.5) == "night"


def test_lorries_and_clouds_change_nothing() -> None:
    road = Road()
    for _ in range(100):
        road.wait(20, 20.0)
        road.wait(5, 0.5)
    assert road.changes == []


def test_in_between_what_is_in_force_stays_if_it_reads() -> None:
    road = Road()
    assert road.wait(3600, 4.0, read=1) == "night"
    road.wait(60, 20.0)
    assert road.wait(3600, 4.0, read=1) == "day"


def test_a_dusk_changes_once() -> None:
    road = Road()
    road.wait(60, 30.0)
    rng = np.random.default_rng(1)
    for minute in range(90):
        road.wait(60, max(0.0, 30 * 0.94**minute + rng.normal(0, 0.6)))
    assert [light for _, light in road.changes] == ["day", "night"]


def test_in_the_twilight_the_light_that_does_not_read_is_left() -> None:
    road = Road()
    assert road.wait(299, 4.0, unread=1) == "night"
    assert road.wait(2, 4.0, unread=1) == "day"
    assert road.wait(3600, 4.0, read=3, unread=1) == "day"


def test_where_neither_reads_it_changes_ever_more_rarely() -> None:
    road = Road()
    road.wait(4 * 3600, 4.0, unread=1)
    pauses = np.diff([second for second, _ in road.changes])
    assert len(road.changes) <= 6
    assert all(later > 1.5 * earlier for earlier, later in itertools.pairwise(pauses))


def test_few_passages_decide_nothing() -> None:
    road = Road()
    road.wait(1, 4.0, unread=9)
    assert road.wait(3600, 4.0) == "night"


def test_plain_day_is_not_left_because_plates_are_not_read() -> None:
    road = Road()
    road.wait(60, 20.0)
    assert road.wait(3600, 20.0, unread=1) == "day"


def test_the_level_does_not_hang_on_the_exposure() -> None:
    levels = [road_level(shot(5.0, 0, exposure).small, exposure, 1.0) for exposure in (200, 400, 1_000)]
    assert levels == pytest.approx([5.0] * 3, rel=0.05)
    assert road_level(shot(200.0, 0, 300).small, 300, 4.0) == float("inf")
