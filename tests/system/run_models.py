"""Runs both models on fixed inputs with whatever runtime this Python has, and saves what came out.

Called by test_runtimes.py in two environments: run_models.py MODELS OUT.npz
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from anpr_node import pictures, stills
from anpr_node.vision.contract import RecognizerContract, load_contract
from anpr_node.vision.reader import PlateReader
from anpr_node.vision.runtime import Network, find_runtime

PICTURES = Path(__file__).resolve().parent.parent / "pictures"


def main() -> None:
    """Plates of the repository's pictures, then the recogniser's raw outputs on their labelled boxes and on noise."""
    models, out = Path(sys.argv[1]), sys.argv[2]
    labels = [json.loads(line) for line in (PICTURES / "labels.jsonl").read_text().splitlines()]
    planes = [pictures.load_grey(PICTURES / label["image"]) for label in labels]
    reader, rng = PlateReader(models), np.random.default_rng(1)
    found = [stills.read_scene(reader, plane)[0] for plane in planes]
    contract = load_contract(RecognizerContract, models / "plate_recognizer")
    network = Network(contract)
    inputs = [rng.integers(0, 256, (32, 160), np.uint8) for _ in range(20)]
    for plane, label in zip(planes, labels, strict=True):
        x, y, width, height = label["plates"][0]["box"]
        inputs.append(pictures.window(plane, (x, y, x + width, y + height), 160, 32))
    answers = [network.run(picture) for picture in inputs]
    steps = {
        spec.name: np.stack([answer[n] for answer in answers]) / spec.scale for n, spec in enumerate(contract.outputs)
    }
    np.savez(
        out,
        runtime=np.array(find_runtime()[0]),
        texts=np.array([f.plate.text for f in found]),
        corners=np.array([f.box.corners for f in found if f.box]),
        **steps,
    )


main()
