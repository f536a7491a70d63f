"""The benchmark runs, and what it counts holds: no frame is copied but for evidence. Times are not judged here."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.system


def bench(*arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=environment).stdout


def test_no_frame_is_copied_but_for_evidence() -> None:
    said = bench("stages", "--frames", "90")
    copies = re.search(r"(\d+) kept as evidence, (\d+) others", said)
    assert copies is not None
    assert int(copies[1]) > 0
    assert int(copies[2]) == 0


def test_the_whole_node_keeps_up_with_the_camera() -> None:
    for frames in (120, 600, 3600):  # a slow machine reads fewer of them
        said = bench("loop", "--frames", str(frames))
        counts = re.search(r"processed (\d+) .* lost (\d+); (\d+) reads stored, 0 dropped", said)
        assert counts is not None, said
        assert int(counts[1]) + int(counts[2]) == frames
        if int(counts[3]) >= 3:
            return
    raise AssertionError(said)
