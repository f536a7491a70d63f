"""Runs both models on fixed inputs with whatever runtime this Python has, and saves what came out.

Called by test_runtimes.py in two environments: run_models.py MODELS OUT.npz
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from anpr_node import pictures, stills
from anpr_node.vision.contract import Contract, DetectorContract, RecognizerContract, load_contract
from anpr_node.vision.reader import PlateReader
from anpr_node.vision.runtime import Network, find_runtime

PICTURES = Path(__file__).resolve().parent.parent / "pictures"


def steps(contract: Contract, inputs: list[np.ndarray], name: str) -> dict[str, np.ndarray]:
    """Outputs in quantisation steps, one array per output."""
    network = Network(contract)
    answers = [network.run(picture) for picture in inputs]
    return {
        f"{name}.{spec.name}": np.stack([answer[n] for answer in answers]) / spec.scale
        for n, spec in enumerate(contract.outputs)
    }


def main() -> None:
    """Real pictures first, then random ones."""
    models, out = Path(sys.argv[1]), sys.argv[2]
    planes = [pictures.load_grey(path) for path in sorted(PICTURES.glob("*.jpg"))]
    reader, rng = PlateReader(models), np.random.default_rng(1)
    surest = [next(iter(stills.read_scene(reader, plane)), None) for plane in planes]
    lines = (PICTURES / "labels.jsonl").read_text().splitlines()
    labels = [json.loads(line)["plates"][0]["box"] for line in lines]
    patches = [
        pictures.window(plane, (x, y, x + w, y + h), 160, 32)
        for plane, (x, y, w, h) in zip(planes, labels, strict=True)
    ]
    noise = [rng.integers(0, 256, (32, 160), np.uint8) for _ in range(20)]
    detector = load_contract(DetectorContract, models / "plate_detector")
    recognizer = load_contract(RecognizerContract, models / "plate_recognizer")
    results = steps(detector, [pictures.resize(plane, 320, 240) for plane in planes], "detector")
    results |= steps(recognizer, patches + noise, "recognizer")
    texts = np.array([f.plate.text if f else "" for f in surest])
    np.savez(out, runtime=np.array(find_runtime()[0]), texts=texts, **results)


main()
