"""LiteRT and tflite-runtime on the same inputs: texts of a thousand views equal, corners and raw outputs close.

The two round after every layer in their own way, so outputs a few quantisation steps apart are normal: decision 2.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

SECOND = os.environ.get("ANPR_SECOND_PYTHON")
CORNERS_APART_MAX = 0.03  # of the plate's width
STEPS_MAX, STEPS_MEAN = 5, 0.5
LEGIBLE = 0.7  # of a thousand faint, noisy views with boxes that are off
SCRIPT = Path(__file__).with_name("run_models.py")

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(SECOND is None, reason="no second runtime (tflite-runtime has wheels for Python 3.11 only)"),
]


def run(python: str, out: Path) -> dict[str, np.ndarray]:
    subprocess.run([python, str(SCRIPT), str(ROOT / "models"), str(out)], check=True, capture_output=True)
    with np.load(out) as file:
        return dict(file)


def test_both_runtimes_agree(tmp_path: Path) -> None:
    assert SECOND is not None
    first, second = run(sys.executable, tmp_path / "a.npz"), run(SECOND, tmp_path / "b.npz")
    assert first["runtime"] == "litert"
    assert second["runtime"] == "tflite-runtime"
    assert (first["texts"] == second["texts"]).all()
    same = first["views"] == second["views"]
    legible = np.minimum(first["views_score"], second["views_score"]) >= LEGIBLE
    assert legible.sum() > 850
    assert same[legible].all()
    assert same.mean() > 0.99
    width_px = np.ptp(first["corners"][..., 0], axis=1)
    apart_px = np.abs(first["corners"] - second["corners"]).max(axis=(1, 2))
    assert (apart_px <= CORNERS_APART_MAX * width_px).all()
    for name in ("characters", "country"):
        steps = np.abs(first[name] - second[name])
        assert steps.max() <= STEPS_MAX
        assert steps.mean() <= STEPS_MEAN
