"""The recogniser's averaged weights as a file: written by training, read by everything after it."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def save_weights(path: Path, weights: list[np.ndarray], step: int) -> None:
    """Write beside the old file and move over it, so that a kill never leaves half a file."""
    beside = path.with_name("writing-" + path.name)
    np.savez(beside, step=step, **{f"a{i}": weight for i, weight in enumerate(weights)})
    beside.replace(path)


def load_weights(path: Path) -> list[np.ndarray]:
    """The weights in Keras order."""
    with np.load(path) as kept:
        return [kept[f"a{i}"] for i in range(sum(name.startswith("a") for name in kept.files))]
