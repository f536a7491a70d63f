"""The whole node on the simulated roadside: 200 passages by night and day, every one compared with the truth."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from whole_node import drive

from anpr_node.vision.reader import PlateReader

pytestmark = pytest.mark.system

SERIES = ("VOL", "ZAE", "KPT", "DRF", "GWX", "HMB", "NLS", "TCV")
PLANTED = tuple(f"{n % 2 + 1}{series}{n * 37 + 112}" for n, series in enumerate(SERIES))


@pytest.mark.parametrize("light", ["night", "day"])
def test_hundred_passages(reader: PlateReader, tmp_path: Path, light: str) -> None:
    outcome = drive(reader, tmp_path, light, passages=100, planted=PLANTED, seed=7)
    assert len(outcome.expected) >= 100
    assert outcome.right >= 0.98 * len(outcome.expected), (outcome.missed, outcome.wrong)
    doubled = [vrm for vrm, n in Counter(vrm for vrm, _, _ in outcome.reads).items() if n > 1]
    expected = Counter(p.vrm for p in outcome.expected)
    assert all(expected[vrm] > 1 for vrm in doubled), f"reported twice: {doubled}"
    assert len(outcome.reads) <= len(outcome.expected), f"invented: {outcome.wrong}"
    planted = [p.vrm for p in outcome.expected if p.planted]
    assert planted, "the traffic planted nothing: the relay would not be tested"
    assert sorted(outcome.hit_vrms) == sorted(planted)
    assert outcome.relay_closings == len(planted)
