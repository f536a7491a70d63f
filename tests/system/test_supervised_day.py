"""A healthy node raises no alarm in a day and a night of traffic, dusk and an empty road; takes some minutes."""

from __future__ import annotations

from pathlib import Path

import pytest
from day import Sky, live_a_day, usual
from miniature import Rig

from anpr_node.drivers.simulated.light import LIGHTS
from anpr_node.drivers.simulated.traffic import TrafficPlan

pytestmark = pytest.mark.system

HOURS = 24.0


def test_no_false_alarm_in_a_day(tmp_path: Path) -> None:
    rig = Rig(LIGHTS["night"], 1, 2.0, tmp_path, TrafficPlan(gap_s_mean=1800.0), usual)
    live_a_day(rig, Sky(1), HOURS)
    assert rig.looks >= HOURS * 3600 * 2 * 0.99
    assert len(rig.traffic.passages(rig.clock.monotonic_ns())) > 500
    assert {path.name for path in tmp_path.iterdir()} == {"view-day.npz", "view-night.npz"}
    assert rig.changes == []
