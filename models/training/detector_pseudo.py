#!/usr/bin/env python3
"""Guess the corners of real plates with a trained detector, and keep a guess only where several looks agree.

The labels hold boxes only; these corners let the next training round learn from real plates. Writes one JSON file and
never touches the labels.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from detector_evaluate import Predict, iou, keras_predict
from detector_grid import HEIGHT_PX, STRIDE_PX, WIDTH_PX
from scenes import Scene, Window, cut, load_scenes

from anpr_node.vision.boxes import decode

LOOKS = [(widths, x, y) for widths in (2.0, 2.6, 3.4, 4.4) for x, y in ((0.5, 0.5), (0.42, 0.6), (0.6, 0.42))]
SMALLEST_SCORE = 0.3
AGREE_SHARE = 0.05  # spread of each corner, as a share of the plate's height
OVERLAP = 0.72  # with the label's box: labels are drawn by hand, some of them loosely
NEAR = 0.4  # overlap at which a detection is taken for the labelled plate at all
NEEDED = 9


def _window(box: np.ndarray, widths: float, x: float, y: float) -> Window:
    width = float(max(box[2] - box[0], 2 * (box[3] - box[1]))) * widths
    height = width * HEIGHT_PX / WIDTH_PX
    middle = (box[:2] + box[2:]) / 2
    return Window(float(middle[0] - width * x), float(middle[1] - height * y), width, height)


def _looks(predict: Predict, scene: Scene, box: np.ndarray) -> list[np.ndarray]:
    """Corners [4, 2] in the picture's pixels from each window that shows the labelled plate."""
    windows = [_window(box, *look) for look in LOOKS]
    heats, shapes, corners = predict(np.stack([cut(scene.pixels, window, WIDTH_PX, HEIGHT_PX) for window in windows]))
    quads = []
    for number, window in enumerate(windows):
        found = decode(heats[number], shapes[number], corners[number], SMALLEST_SCORE, STRIDE_PX)
        moved = [np.array(one.corners) * (window.width / WIDTH_PX) + [window.left, window.top] for one in found]
        best = max(moved, key=lambda quad: iou(box, _hull(quad)), default=None)
        if best is not None and iou(box, _hull(best)) > NEAR:
            quads.append(best)
    return quads


def _hull(quad: np.ndarray) -> np.ndarray:
    return np.concatenate([quad.min(0), quad.max(0)])


def agreed(predict: Predict, scene: Scene, box: np.ndarray) -> np.ndarray | None:
    """The median of all looks, or None where they differ or leave the labelled box."""
    quads = _looks(predict, scene, box)
    if len(quads) < NEEDED:
        return None
    middle = np.median(quads, axis=0)
    height = (np.linalg.norm(middle[3] - middle[0]) + np.linalg.norm(middle[2] - middle[1])) / 2
    spread = np.median(np.abs(np.array(quads) - middle), axis=0).max() / max(1.0, height)
    return middle if spread < AGREE_SHARE and iou(box, _hull(middle)) > OVERLAP else None


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="ema.weights.h5 of a first training run")
    parser.add_argument("--scenes", type=Path, required=True, help="folder of labelled sets; split train only is read")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args()
    predict = keras_predict(options.weights)
    corners: dict[str, list] = {}
    scenes = load_scenes(options.scenes, "train")
    for number, scene in enumerate(scenes):
        found = [agreed(predict, scene, box) for box in scene.boxes]
        corners[scene.key] = [None if quad is None else quad.round(2).tolist() for quad in found]
        if number % 200 == 0:
            print(f"{number}/{len(scenes)} pictures", flush=True)
    options.out.write_text(json.dumps(corners))
    known = [quad for quads in corners.values() for quad in quads]
    print(f"corners for {sum(quad is not None for quad in known)} of {len(known)} plates")


if __name__ == "__main__":
    main()
