#!/usr/bin/env python3
"""Give texts to real plates that have a box but no text: five of six views, five of them degraded, must agree.

Writes one JSON line a plate for train_recognizer.py --self-labels; touches split train only and changes no label file.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from degrade import degrade
from evaluate_recognizer import FOLD, Reader, decode, edits, make_reader
from geometry import BOTH_WAYS_ASPECT, model_input
from recognizer_model import ALPHABET, TEXT_MAX

UNLABELLED_SETS = (
    "crops/eu_crops",
    "crops/eu_moto_crops",
    "scenes/kaggle_cars433",
    "scenes/web_asik225",
    "scenes/roboflow_mixed",
    "scenes/ro_dashcam",
    "scenes/de_press",
)
VIEWS = 6
WIDTH_PX_MIN = 40
MARGIN = 0.35


def dev_texts(data: Path) -> set[str]:
    """Return the folded texts of split dev: a plate without text may be another picture of the same plate."""
    files = [*data.glob("crops/*/labels.jsonl"), *data.glob("scenes/*/labels.jsonl")]
    records = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return {p["text"].translate(FOLD) for r in records if r["split"] == "dev" for p in r["plates"] if p.get("text")}


def unlabelled(data: Path, dataset: str) -> list[tuple[str, list[float]]]:
    """Return image name and box of every training plate that has no text."""
    records = [json.loads(line) for line in (data / dataset / "labels.jsonl").read_text().splitlines()]
    return [
        (r["image"], p["box"])
        for r in records
        if r["split"] == "train"
        for p in r["plates"]
        if not p.get("text") and p.get("box") and p["box"][2] >= WIDTH_PX_MIN
    ]


def cut(picture: np.ndarray, box: list[float]) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Cut a box with a margin; return the cut and where the box lies in it."""
    x, y, w, h = box
    x0, y0 = max(0, int(x - MARGIN * w)), max(0, int(y - MARGIN * h))
    piece = picture[y0 : int(y + h * (1 + MARGIN)) + 1, x0 : int(x + w * (1 + MARGIN)) + 1]
    return np.ascontiguousarray(piece), (x - x0, y - y0, x - x0 + w, y - y0 + h)


def agreed(reader: Reader, piece: np.ndarray, face: tuple, two: bool, rng: np.random.Generator) -> tuple[str, float]:
    """Return the text that all views but one agree on ("" if none) and its mean score."""
    x0, y0, x1, y1 = (max(0, round(v)) for v in face)
    views = [model_input(piece[y0:y1, x0:x1], two)]
    views += [model_input(degrade(piece, face, None, two, [], rng, 0.3).pixels, two) for _ in range(VIEWS - 1)]
    readings = [decode(c, ALPHABET, 1) for c in reader.logits(np.stack(views))[0]]
    text, votes = Counter(r.text for r in readings).most_common(1)[0]
    scores = [r.candidates[0][1] for r in readings if r.text == text]
    return (text, float(np.mean(scores))) if votes >= VIEWS - 1 else ("", 0.0)


def label_set(reader: Reader, data: Path, dataset: str, score_min: float, rng: np.random.Generator) -> list[dict]:
    """Read one data set's plates without text; return a record for each that is believed."""
    found = []
    for name, box in unlabelled(data, dataset):
        picture = cv2.imread(str(data / dataset / "images" / name), cv2.IMREAD_GRAYSCALE)
        piece, face = cut(picture, box)
        aspect = box[2] / box[3]
        ways = [
            two for two in (False, True) if (aspect <= BOTH_WAYS_ASPECT[1] if two else aspect >= BOTH_WAYS_ASPECT[0])
        ]
        (text, score), two = max(((agreed(reader, piece, face, w, rng), w) for w in ways), key=lambda r: r[0][1])
        if score >= score_min and 4 <= len(text) <= min(TEXT_MAX, 9):
            found.append({"dataset": dataset, "image": name, "box": box, "text": text, "two_line": two, "score": score})
    return found


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data folder with crops/ and scenes/")
    parser.add_argument("--model", type=Path, required=True, help=".tflite file or averaged.npz that reads the plates")
    parser.add_argument("--out", type=Path, required=True, help="JSONL to write; not inside the repository")
    parser.add_argument("--score-min", type=float, default=0.6, help="lowest mean score of the agreeing views")
    options = parser.parse_args()
    reader, rng, records = make_reader(options.model), np.random.default_rng(11), []
    avoided = dev_texts(options.data)
    for dataset in UNLABELLED_SETS:
        found = label_set(reader, options.data, dataset, options.score_min, rng)
        print(f"{dataset}: {len(found)} of {len(unlabelled(options.data, dataset))} believed", flush=True)
        records += [r for r in found if all(edits(r["text"].translate(FOLD), t) > 1 for t in avoided)]
    options.out.write_text("".join(json.dumps(r) + "\n" for r in records))


if __name__ == "__main__":
    _main()
