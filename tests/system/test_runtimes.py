"""LiteRT and tflite-runtime on the same inputs: texts equal, raw outputs within one quantisation step."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

SECOND = os.environ.get("ANPR_SECOND_PYTHON")
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
    assert first.pop("runtime") == "litert"
    assert second.pop("runtime") == "tflite-runtime"
    assert (first.pop("texts") == second.pop("texts")).all()
    assert first.keys() == second.keys()
    for name, values in first.items():
        assert np.abs(values - second[name]).max() <= 1.01, f"{name}: more than one quantisation step apart"
