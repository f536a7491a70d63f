"""LiteRT and tflite-runtime on the same inputs: equal bit for bit with their own kernels, equal texts as they are used.

LiteRT's fast kernels round after every layer in their own way, so outputs a few quantisation steps apart are normal:
decision 2.
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
STEPS_CLOSE = 2  # quantisation steps of a raw output, hundreds of which make one reading
SCORES_APART_MAX = 0.2
LEGIBLE = 0.7  # of a thousand faint, noisy views with boxes that are off
Both = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]
SCRIPT = Path(__file__).with_name("run_models.py")

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(SECOND is None, reason="no second runtime (tflite-runtime has wheels for Python 3.11 only)"),
]


def run(python: str, out: Path) -> dict[str, np.ndarray]:
    subprocess.run([python, str(SCRIPT), str(ROOT / "models"), str(out)], check=True, capture_output=True)
    with np.load(out) as file:
        return dict(file)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    assert SECOND is not None
    folder = tmp_path_factory.mktemp("runtimes")
    return run(sys.executable, folder / "a.npz"), run(SECOND, folder / "b.npz")


def test_with_their_own_kernels_both_runtimes_are_equal_bit_for_bit(both: Both) -> None:
    first, second = both
    assert first["without_delegates"].shape[0] > 1000
    assert np.array_equal(first["without_delegates"], second["without_delegates"])


def test_both_runtimes_read_the_same(both: Both) -> None:
    first, second = both
    assert first["runtime"] == "litert"
    assert second["runtime"] == "tflite-runtime"
    assert (first["texts"] == second["texts"]).all()
    same = first["views"] == second["views"]
    legible = np.minimum(first["views_score"], second["views_score"]) >= LEGIBLE
    assert legible.sum() > 850
    assert same[legible].all()
    assert same.mean() > 0.99
    assert np.abs(first["views_score"] - second["views_score"])[legible].max() <= SCORES_APART_MAX
    width_px = np.ptp(first["corners"][..., 0], axis=1)
    apart_px = np.abs(first["corners"] - second["corners"]).max(axis=(1, 2))
    assert (apart_px <= CORNERS_APART_MAX * width_px).all()
    for name in ("characters", "country"):
        assert (np.abs(first[name] - second[name]) <= STEPS_CLOSE).mean() > 0.99
