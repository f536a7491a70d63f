"""Accuracy on labelled pictures and clips that may not be in the repository: bounds that a change must not undo.

Runs where the folder named by ANPR_DATA exists (default ../shared/data); scored by the evaluate.py beside that folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from conftest import ROOT

DATA = Path(os.environ.get("ANPR_DATA", ROOT.parent / "shared" / "data"))
EVALUATE = DATA.parent / "evaluate.py"

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not EVALUATE.exists(), reason=f"no labelled pictures in {DATA} (set ANPR_DATA)"),
]


def anpr_node(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "anpr_node", *map(str, arguments)], check=True, capture_output=True)


def scored(labels: Path, predictions: Path, tmp_path: Path) -> dict[str, float]:
    command = [sys.executable, EVALUATE, "--labels", labels, "--json", tmp_path / "s.json", f"ours={predictions}"]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    result: dict[str, float] = json.loads((tmp_path / "s.json").read_text())[0]
    return result


def dev_part(folder: Path, tmp_path: Path) -> Path:
    """The labels of the dev split alone."""
    rows = [line for line in (folder / "labels.jsonl").read_text().splitlines() if json.loads(line)["split"] == "dev"]
    path = tmp_path / f"{folder.name}.jsonl"
    path.write_text("\n".join(rows))
    return path


def test_european_scenes(tmp_path: Path) -> None:
    folder = DATA / "scenes" / "openalpr_eu"
    anpr_node("read", folder / "images", "--jsonl", tmp_path / "eu.jsonl")
    score = scored(folder / "labels.jsonl", tmp_path / "eu.jsonl", tmp_path)
    assert score["iou50"] >= 99
    assert score["exact"] >= 98
    assert score["fold"] >= 99
    assert score["spurious"] <= 0.05


@pytest.mark.parametrize(("name", "exact_min"), [("eu_crops", 94), ("eu_moto_crops", 92)])
def test_cut_out_plates(tmp_path: Path, name: str, exact_min: float) -> None:
    folder = DATA / "crops" / name
    labels = dev_part(folder, tmp_path)
    files = [folder / "images" / json.loads(line)["image"] for line in labels.read_text().splitlines()]
    anpr_node("read", "--patch", *files, "--jsonl", tmp_path / "crops.jsonl")
    assert scored(labels, tmp_path / "crops.jsonl", tmp_path)["exact"] >= exact_min


def test_one_right_read_per_clip(tmp_path: Path) -> None:
    folder = DATA / "clips"
    anpr_node("replay", folder, "--jsonl", tmp_path / "clips.jsonl")
    read = defaultdict(list)
    for line in (tmp_path / "clips.jsonl").read_text().splitlines():
        row = json.loads(line)
        if "vrm" in row:
            read[row["clip"]].append(row["vrm"])
    truth = [json.loads(line) for line in (folder / "labels.jsonl").read_text().splitlines()]
    right = [t["video"] for t in truth if read[t["video"]] == [t["plates"][0]["text"]]]
    assert len(right) == len(truth) == 12, dict(read)
