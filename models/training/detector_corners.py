#!/usr/bin/env python3
"""Measure corner error by plate width, on plates pasted with known corners into held-out pictures.

Real plates have no corner labels, so this is the only direct figure; it says nothing about real plates' looks.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from detector_data import Source, make_sampler
from detector_evaluate import Predict, keras_predict, tflite_predict
from detector_grid import STRIDE_PX

from anpr_node.vision.boxes import decode, iou

WIDTHS_PX = (14, 24, 40, 60, 100, 150, 260)


def errors(predict: Predict, sampler, count: int, lowest: float) -> np.ndarray:
    """[n, 3]: plate width in px, mean and worst corner error in plate heights; infinite where it was not found."""
    rows = []
    for _ in range(count):
        sample = next(sampler)
        asked = [target for target in sample.targets if target.quad is not None and not target.ignore]
        if not asked:
            continue
        heat, box, corners = predict(sample.pixels[None])
        found = decode(heat[0], box[0], corners[0], lowest, STRIDE_PX)
        for target in asked:
            height = np.linalg.norm(target.quad[[3, 2]] - target.quad[[0, 1]], axis=1).mean()
            near = [
                np.linalg.norm(np.array(one.corners) - target.quad, axis=1) / max(1.0, height)
                for one in found
                if iou(target.box, np.array([one.bounds]))[0] > 0.3
            ]
            best = min(near, key=np.mean, default=np.full(4, np.inf))
            rows.append((target.box[2] - target.box[0], best.mean(), best.max()))
    return np.array(rows)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help=".tflite (int8) or .weights.h5 (float)")
    parser.add_argument("--data", type=Path, required=True, help="data folder with scenes/ and fonts/")
    parser.add_argument("--pictures", type=int, default=800)
    parser.add_argument("--threshold", type=float, default=0.2)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    sampler = make_sampler(Source(options.data / "scenes", options.data / "fonts", seed=4242, batch=1), held_out=True)
    predict = (tflite_predict if options.model.suffix == ".tflite" else keras_predict)(options.model)
    table = errors(predict, sampler, options.pictures, options.threshold)
    print("plate width px | plates | found | corner error median, 90 % of those found (mean of 4), worst corner median")
    for low, high in pairwise(WIDTHS_PX):
        part = table[(table[:, 0] >= low) & (table[:, 0] < high)]
        seen = part[np.isfinite(part[:, 1])]
        if len(seen):
            print(
                f"{low:5d}-{high:<5d} | {len(part):4d} | {len(seen) / len(part):.3f} | {np.median(seen[:, 1]):.3f} "
                f"{np.percentile(seen[:, 1], 90):.3f} {np.median(seen[:, 2]):.3f}"
            )


if __name__ == "__main__":
    main()
