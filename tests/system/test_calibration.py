"""Fifty rendered scenes of known geometry: what is measured is what is true."""

from __future__ import annotations

import os

import pytest
from scenes import Setup, blur_errors, errors, setups, watch

from anpr_node.vision.reader import PlateReader

pytestmark = pytest.mark.system

SCENES = setups()
SHARE = 0.05
ROLL_DEG, SIDE_DEG = 0.25, 0.5
BLUR_PX = 0.3
QUICK_EVERY = 1 if os.environ.get("ANPR_FULL") else 2
"""Half of the scenes unless all are wanted: each takes a few seconds."""


def test_there_are_fifty() -> None:
    assert len(SCENES) >= 50


@pytest.mark.parametrize("name", list(SCENES)[::QUICK_EVERY])
def test_what_is_measured_is_true(reader: PlateReader, name: str) -> None:
    setup: Setup = SCENES[name]
    seen = watch(reader, setup)
    assert len(seen.sightings) >= 10
    assert seen.passages
    error = errors(seen)
    assert abs(error["width_px"]) < SHARE
    assert abs(error["char_height_px"]) < SHARE
    assert abs(error["tilt_share"]) < SHARE
    assert abs(error["distance"]) < SHARE
    assert abs(error["roll_deg"]) < ROLL_DEG
    assert abs(error["side_deg"]) < SIDE_DEG
    assert abs(blur_errors(seen, setup.exposure_us)) < BLUR_PX
    assert abs(error["edge_px"]) < BLUR_PX
    assert abs(error["contrast"]) < SHARE
