"""Batches for the detector, made in a process of their own while the network learns.

The process dies with its parent; it never writes to disk.
"""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import dataclass
from pathlib import Path
from queue import Full

import cv2
import numpy as np
from detector_samples import SceneSampler
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
