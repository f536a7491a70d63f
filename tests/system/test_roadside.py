"""The whole node on the simulated roadside: 200 passages by night and day, every one compared with the truth."""

from __future__ import annotations

from pathlib import Path

import pytest
from whole_node import NS_PER_S, Outcome, drive

from anpr_node.drivers.simulated.traffic import Traffic, TrafficPlan
from anpr_node.vision.reader import PlateReader

pytestmark = pytest.mark.system

SERIES = ("VOL", "ZAE", "KPT", "DRF", "GWX", "HMB", "NLS", "TCV")
PLANTED = tuple(f"{n % 2 + 1}{series}{n * 37 + 112}" for n, series in enumerate(SERIES))


@pytest.mark.parametrize("light", ["night", "day"])
def test_hundred_passages(reader: PlateReader, tmp_path: Path, light: str) -> None:
    outcome = drive(reader, tmp_path, light, passages=100, planted=PLANTED, seed=7)
    assert len(outcome.expected) >= 100
    assert outcome.right >= 0.98 * len(outcome.expected), (outcome.missed, outcome.wrong)
    assert outcome.doubled == []
    assert outcome.invented == []
    assert len(outcome.wrong_way) <= 0.02 * len(outcome.expected), outcome.wrong_way
    planted = [p.vrm for p in outcome.expected if p.planted]
    assert planted, "the traffic planted nothing: the relay would not be tested"
    assert sorted(outcome.hit_vrms) == sorted(planted)
    assert outcome.relay_closings == len(planted)


def test_an_invented_read_is_told_from_a_misread_one() -> None:
    """Three vehicles and three reads, but one text belongs to none of them: the counts alone would agree."""
    traffic = Traffic(TrafficPlan(count=3, neighbour_lane=False))
    passed = list(traffic.passages(60 * NS_PER_S))
    first, second, third = (p.vrm for p in passed)
    outcome = Outcome(passed, passed, [(first, "approaching"), (f"{second[:-1]}?", "approaching"), ("??????", "x")])
    assert outcome.invented == ["??????"]
    assert outcome.missed == [second, third]
    twice = Outcome(passed, passed, [(first, "approaching"), (first, "approaching")])
    assert (twice.invented, twice.doubled) == ([], [first])
