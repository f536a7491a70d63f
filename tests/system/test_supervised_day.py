"""A healthy node raises no alarm in hours of traffic: dusk, evening, and the road growing empty.

ANPR_DAY_HOURS=24 lives through a whole day and night, three minutes of a core. The pictures are the small planes.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from day import Sky, live_a_day, usual
from miniature import Rig

from anpr_node.drivers.simulated.light import LIGHTS
from anpr_node.drivers.simulated.traffic import TrafficPlan

pytestmark = pytest.mark.system

HOURS = float(os.environ.get("ANPR_DAY_HOURS", "4"))
BEGINS_H = 18.5
READS_AN_HOUR_MIN = 20


def test_no_false_alarm_in_a_day(tmp_path: Path) -> None:
    rig = Rig(LIGHTS["day"], 1, 2.0, tmp_path, TrafficPlan(gap_s_mean=60.0), lambda ns: usual(ns, BEGINS_H))
    live_a_day(rig, Sky(1, settings="day"), HOURS, BEGINS_H)
    assert rig.looks >= HOURS * 3600 * 2 * 0.99
    assert len(rig.traffic.passages(rig.clock.monotonic_ns())) > READS_AN_HOUR_MIN * HOURS
    assert {path.name for path in tmp_path.iterdir()} == {"view-day.npz", "view-night.npz"}
    assert rig.changes == []
