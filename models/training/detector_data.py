#!/usr/bin/env python3
"""Batches for the detector, made in a process of their own while the network learns; as a command, pictures to look at.

The process dies with its parent; training never writes to disk.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from dataclasses import dataclass
from pathlib import Path
from queue import Full

import cv2
import numpy as np
from detector_grid import HEIGHT_PX, WIDTH_PX
from detector_samples import Sample, SceneSampler
from detector_targets import encode
from plates import PlateGenerator
from scenes import load_scenes, with_mistakes

PLATES_IN_STOCK = 3000
QUEUE_BATCHES = 8


class PlateStock:
    """Rendered plates to draw from; now and then one is replaced, so that rendering stays cheap and endless."""

    def __init__(self, fonts: Path, seed: int) -> None:
        self._generator = PlateGenerator(fonts, seed)
        self._plates = [self._render() for _ in range(PLATES_IN_STOCK)]

    def _render(self) -> np.ndarray:
        plate = self._generator.render(56)
        x1, y1, x2, y2 = np.round(plate.face).astype(int)
        return np.ascontiguousarray(plate.pixels[y1:y2, x1:x2])

    def __call__(self, rng: np.random.Generator) -> np.ndarray:
        """One plate, grey uint8, cut at its own edge."""
        chosen = int(rng.integers(len(self._plates)))
        if rng.random() < 0.1:
            self._plates[chosen] = self._render()
        plate = self._plates[chosen]
        return 255 - plate if rng.random() < 0.04 else plate


@dataclass(frozen=True)
class Source:
    """Where a data process reads, and how it draws."""

    scenes: Path
    fonts: Path
    seed: int
    batch: int
    mistakes: Path | None = None


def make_sampler(source: Source, held_out: bool = False) -> SceneSampler:
    """A sampler over the train pictures, or over those held out from them."""
    scenes = [scene for scene in load_scenes(source.scenes, "train") if scene.is_held_out is held_out]
    if source.mistakes:
        scenes = with_mistakes(scenes, source.mistakes)
    return SceneSampler(scenes, PlateStock(source.fonts, source.seed), source.seed)


def draw_batch(sampler: SceneSampler, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 [n, 240, 320, 1] and targets float32 [n, 30, 40, channels]."""
    samples = [next(sampler) for _ in range(count)]
    pixels = np.stack([sample.pixels for sample in samples])[..., None]
    return pixels, np.stack([encode(sample.targets, sample.complete) for sample in samples])


def _produce(source: Source, queue: multiprocessing.Queue) -> None:
    cv2.setNumThreads(1)
    parent = os.getppid()
    queue.cancel_join_thread()
    sampler = make_sampler(source)
    while True:
        batch = draw_batch(sampler, source.batch)
        while os.getppid() == parent:  # a killed trainer leaves no feeder behind
            try:
                queue.put(batch, timeout=5)
                break
            except Full:
                continue
        else:
            return


def start(source: Source) -> multiprocessing.Queue:
    """Start the data process and return the queue it fills."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue(QUEUE_BATCHES)
    context.Process(target=_produce, args=(source, queue), daemon=True).start()
    return queue


def _label(name: str, sample: Sample) -> dict:
    """A line of labels.jsonl; a plate that is cut off or may be none gets no box, and the picture is not complete."""
    kept = [target for target in sample.targets if not target.ignore]
    plates = [
        {
            "box": [round(float(v), 1) for v in (*target.box[:2], *(target.box[2:] - target.box[:2]))],
            "quad": None if target.quad is None else target.quad.astype(float).round(1).tolist(),
            "text": None,
            "country": None,
        }
        for target in kept
    ]
    complete = sample.complete and len(kept) == len(sample.targets)
    return {"image": name, "width": WIDTH_PX, "height": HEIGHT_PX, "split": "train", "complete": complete,
            "plates": plates}  # fmt: skip


def _main() -> None:
    parser = argparse.ArgumentParser(
        description="Write training pictures of the detector as PNG files with their labels."
    )
    parser.add_argument("--data", type=Path, required=True, help="data folder with scenes/ and fonts/")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for images/ and labels.jsonl; not inside the repository"
    )
    parser.add_argument("--count", type=int, default=100, help="pictures to write")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same pictures")
    options = parser.parse_args()
    (options.out / "images").mkdir(parents=True, exist_ok=True)
    sampler = make_sampler(Source(options.data / "scenes", options.data / "fonts", options.seed, 1))
    with (options.out / "labels.jsonl").open("w") as labels:
        for number in range(options.count):
            sample, name = next(sampler), f"{number:06}.png"
            cv2.imwrite(str(options.out / "images" / name), sample.pixels)
            labels.write(json.dumps(_label(name, sample)) + "\n")


if __name__ == "__main__":
    _main()
