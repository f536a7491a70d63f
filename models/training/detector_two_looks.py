#!/usr/bin/env python3
"""Measure the node's two looks (whole picture, then a window of each plate) and draw what they found.

Runs the node's own Detector on an exported model folder; it trains and changes nothing.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from detector_evaluate import Found, score
from scenes import Scene, load_scenes

from anpr_node import pictures
from anpr_node.records import Frame
from anpr_node.vision.detector import Detector

SHEET_COLUMNS = 5


def detector_with(folder: Path, first: float | None, zoom: float | None, widths: float | None) -> Detector:
    """The node's detector, with other thresholds than its model.toml says where some are given."""
    detector = Detector(folder)
    changed = {"first_threshold": first, "zoom_threshold": zoom, "zoom_window_widths": widths}
    changed = {name: value for name, value in changed.items() if value is not None}
    detector._settings = detector._settings.model_copy(update=changed)  # a measuring tool may
    return detector


def looked(detector: Detector, scene: Scene) -> Found:
    """Both looks at one picture."""
    frame = Frame(0, 0, 0, 1.0, True, scene.pixels, pictures.small_plane(scene.pixels))
    second = [detector.second_look(scene.pixels, box) for box in detector.first_look(frame)]
    boxes = sorted((box for box in second if box is not None), key=lambda box: -box.score)
    return Found(scene, boxes)


def sheet(results: list[Found], path: Path) -> None:
    """Plates pulled straight by their corners, with a tenth of margin: cut characters and tilt show at once."""
    tiles = []
    for found in results:
        for box in found.boxes[:1]:
            quad = np.array(box.corners)
            middle = quad.mean(0)
            patch = pictures.rectify(found.scene.pixels, tuple(map(tuple, middle + (quad - middle) * 1.1)), 220, 56)
            label = np.zeros((14, 220), np.uint8)
            cv2.putText(label, f"{found.scene.name[:20]} {box.score:.2f}", (1, 11), cv2.FONT_HERSHEY_PLAIN, 0.8, 255)
            tile = np.vstack([patch, label])
            cv2.rectangle(tile, (10, 3), (210, 53), 255, 1)
            tiles.append(tile)
    tiles += [np.zeros((70, 220), np.uint8)] * (-len(tiles) % SHEET_COLUMNS)
    rows = [np.hstack(tiles[i : i + SHEET_COLUMNS]) for i in range(0, len(tiles), SHEET_COLUMNS)]
    cv2.imwrite(str(path), np.vstack(rows))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path(__file__).parents[1] / "plate_detector", help="model folder")
    parser.add_argument("--scenes", type=Path, required=True, help="folder of labelled sets")
    parser.add_argument("--split", default="dev", choices=["dev", "held-out"])
    parser.add_argument("--first", type=float, help="first look's threshold in place of model.toml's")
    parser.add_argument("--zoom", type=float, help="second look's threshold")
    parser.add_argument("--widths", type=float, help="window in plate widths")
    parser.add_argument("--sheet", type=Path, help="PNG of straightened plates to write")
    options = parser.parse_args()
    scenes = load_scenes(options.scenes, "dev" if options.split == "dev" else "train")
    if options.split == "held-out":
        scenes = [scene for scene in scenes if scene.is_held_out]
    detector = detector_with(options.model, options.first, options.zoom, options.widths)
    started = time.thread_time()
    results = [looked(detector, scene) for scene in scenes]
    spent_ms = (time.thread_time() - started) / len(scenes) * 1000
    print(score(results, 0.0).line(), f"{spent_ms:.1f} ms CPU a picture")
    if options.sheet:
        sheet(results, options.sheet)


if __name__ == "__main__":
    main()
