#!/usr/bin/env python3
"""Measure a plate detector on labelled pictures: recall, precision, box and corner error.

Uses the node's own resizing and decoder, so the figures are the node's; it changes nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from detector_grid import HEIGHT_PX, STRIDE_PX, WIDTH_PX
from scenes import PADDING_GREY, Scene, load_scenes

from anpr_node.pictures import small_plane
from anpr_node.records import PlateBox
from anpr_node.vision.boxes import decode, iou

# uint8 pictures [n, 240, 320] -> heat [n, 30, 40, 1], box [.., 4], corners [.., 8]
Predict = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
LOWEST_SCORE = 0.05
NMS_IOU = 0.4


@dataclass(frozen=True)
class Found:
    """Detections of one picture in its own pixels, surest first, and what should have been found."""

    scene: Scene
    boxes: list[PlateBox]


@dataclass(frozen=True)
class Score:
    """Rates over plates or pictures; the side error is the worse of left and right, in plate widths."""

    recall50: float
    recall30: float
    precision: float
    spurious_per_picture: float
    ap50: float
    mean_iou: float
    side_error_p90: float
    plates: int

    def line(self) -> str:
        """One line for a log."""
        return (
            f"recall@.5 {self.recall50:.3f} @.3 {self.recall30:.3f} precision {self.precision:.3f} spurious "
            f"{self.spurious_per_picture:.3f} AP50 {self.ap50:.3f} IoU {self.mean_iou:.3f} "
            f"side error p90 {self.side_error_p90:.3f} of width ({self.plates} plates)"
        )


def canvas_of(pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """The letterboxed picture uint8 [240, 320] and network pixels per picture pixel."""
    small = small_plane(pixels, WIDTH_PX, HEIGHT_PX)
    canvas = np.full((HEIGHT_PX, WIDTH_PX), PADDING_GREY, np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small
    return canvas, small.shape[1] / pixels.shape[1]


def _scaled(box: PlateBox, factor: float) -> PlateBox:
    return PlateBox(tuple((x * factor, y * factor) for x, y in box.corners), box.score)


def find(predict: Predict, scenes: list[Scene], lowest: float = LOWEST_SCORE) -> list[Found]:
    """First pass over every picture."""
    found = []
    for scene in scenes:
        canvas, scale = canvas_of(scene.pixels)
        heat, box, corners = predict(canvas[None])
        boxes = decode(heat[0], box[0], corners[0], lowest, STRIDE_PX, NMS_IOU)
        found.append(Found(scene, [_scaled(one, 1 / scale) for one in boxes]))
    return found


def _matches(found: Found) -> tuple[np.ndarray, list[int | None]]:
    """IoU table [truths, detections] and, surest first, which truth each detection takes at IoU 0.5."""
    bounds = np.array([box.bounds for box in found.boxes]).reshape(-1, 4)
    table = np.array([iou(truth, bounds) for truth in found.scene.boxes])
    table = table.reshape(len(found.scene.boxes), len(bounds))
    free = set(range(len(found.scene.boxes)))
    taken: list[int | None] = []
    for column in range(len(found.boxes)):
        best = max(free, key=lambda row: table[row, column], default=None)
        if best is not None and table[best, column] >= 0.5:
            free.discard(best)
            taken.append(best)
        else:
            taken.append(None)
    return table, taken


def _average_precision(hits: list[tuple[float, bool]], plates: int) -> float:
    hits.sort(key=lambda hit: -hit[0])
    right = np.cumsum([hit for _, hit in hits])
    precision = right / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(sum(p for p, (_, hit) in zip(precision, hits, strict=True) if hit) / max(1, plates))


def score(results: list[Found], threshold: float) -> Score:
    """Rates at one threshold. Extra detections count as spurious on pictures with complete labels only."""
    overlaps, sides, hits, spurious, right, complete = [], [], [], 0, 0, 0
    for found in results:
        sure = Found(found.scene, [box for box in found.boxes if box.score >= threshold])
        table, taken = _matches(sure)
        overlaps += list(table.max(axis=1)) if table.shape[1] else [0.0] * table.shape[0]
        for column, row in enumerate(taken):
            if row is not None:
                truth, box = found.scene.boxes[row], np.array(sure.boxes[column].bounds)
                sides.append(np.abs(box - truth)[[0, 2]].max() / (truth[2] - truth[0]))
        if found.scene.complete:
            complete += 1
            spurious += sum(row is None for row in taken)
            right += sum(row is not None for row in taken)
            hits += [(box.score, row is not None) for box, row in zip(found.boxes, _matches(found)[1], strict=True)]
    reached, counted = np.array(overlaps), sum(len(found.scene.boxes) for found in results if found.scene.complete)
    return Score(
        float((reached >= 0.5).mean()),
        float((reached >= 0.3).mean()),
        right / max(1, right + spurious),
        spurious / max(1, complete),
        _average_precision(hits, counted),
        float(reached[reached >= 0.5].mean()) if (reached >= 0.5).any() else 0.0,
        float(np.percentile(sides, 90)) if sides else 1.0,
        len(reached),
    )


def keras_predict(weights: Path) -> Predict:
    """A float model from its weights."""
    from detector import build

    model = build()
    model.load_weights(weights)
    return model_predict(model)


def model_predict(model) -> Predict:
    """A float model as a function of uint8 pictures, through its PyTorch twin: ten times faster than Keras."""
    import torch
    from torch_twin import Twin

    twin = Twin(model).eval()

    def predict(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        with torch.no_grad():
            outputs = twin(torch.from_numpy(pixels[..., None].astype(np.float32) / 255))
        named = dict(zip(model.output_names, outputs, strict=True))
        return named["heat"].numpy(), named["box"].numpy(), named["corners"].numpy()

    return predict


def tflite_predict(path: Path) -> Predict:
    """An int8 file, one thread."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    outputs = {int(detail["shape"][-1]): detail for detail in interpreter.get_output_details()}

    def predict(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], (pixels ^ 0x80).view(np.int8)[..., None])
        interpreter.invoke()
        real = []
        for channels in (1, 4, 8):
            scale, zero = outputs[channels]["quantization"]
            real.append((interpreter.get_tensor(outputs[channels]["index"]).astype(np.float32) - zero) * scale)
        return tuple(real)

    return predict


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Example: detector_evaluate.py --model "
        "../plate_detector/plate_detector.tflite --scenes DATA/scenes --split dev",
    )
    parser.add_argument("--model", type=Path, required=True, help=".tflite (int8) or .weights.h5 (float)")
    parser.add_argument("--scenes", type=Path, required=True, help="folder of labelled sets")
    parser.add_argument("--split", default="dev", choices=["dev", "held-out"], help="held-out: one in ten of train")
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.1, 0.2, 0.3, 0.4, 0.5])
    options = parser.parse_args()
    scenes = load_scenes(options.scenes, "dev" if options.split == "dev" else "train")
    if options.split == "held-out":
        scenes = [scene for scene in scenes if scene.is_held_out]
    predict = (tflite_predict if options.model.suffix == ".tflite" else keras_predict)(options.model)
    results = find(predict, scenes)
    for threshold in options.thresholds:
        print(f"{threshold:.2f} {score(results, threshold).line()}")
    for source in sorted({scene.source for scene in scenes}):
        part = [found for found in results if found.scene.source == source]
        print(f"{source:16} at 0.3: {score(part, 0.3).line()}")


if __name__ == "__main__":
    main()
