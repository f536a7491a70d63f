"""What the view looks like when all is well: one reference picture by day and one by night, kept in the state folder.

A reference is learned once, from two minutes without a suspicion, and then never changed: slow dirt and a slow sag must
show. Delete the files after aiming the camera anew. No vehicle stays in it: it is a median over time.
"""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anpr_node.records import Plane
from anpr_node.supervision.limits import DIM_BELOW_LEVEL
from anpr_node.supervision.numbers import Grid, Look
from anpr_node.whole_file import write_whole

log = logging.getLogger(__name__)

LOOKS_NEEDED = 60
LEARN_EVERY = 4


@dataclass(frozen=True, slots=True)
class Reference:
    """The view in numbers, without vehicles."""

    half: Plane
    grid: Grid
    contrast: float
    crispness: float


class References:
    """The references of both lights, learned or loaded."""

    def __init__(self, folder: Path | None) -> None:
        """Keep them in `folder`, or nowhere."""
        self._folder = folder
        self._kept: dict[str, Reference] = {}
        self._learning: dict[str, list[Look]] = {"day": [], "night": []}
        self._skipped = 0
        for light in self._learning if folder is not None else ():
            self._load(light)

    def find(self, look: Look) -> Reference | None:
        """The reference for this much light, None while it is being learned."""
        return self._kept.get(light_of(look))

    def learn(self, look: Look) -> None:
        """One more look at the view while all is well."""
        light = light_of(look)
        self._skipped += 1
        if light in self._kept or self._skipped % LEARN_EVERY:
            return
        looks = self._learning[light]
        looks.append(look)
        if len(looks) >= LOOKS_NEEDED:
            self._kept[light] = median_of(looks)
            looks.clear()
            self._save(light)

    def _path(self, light: str) -> Path:
        return (self._folder or Path()) / f"view-{light}.npz"

    def _load(self, light: str) -> None:
        try:
            with np.load(self._path(light), allow_pickle=False) as kept:
                self._kept[light] = Reference(
                    kept["half"], kept["grid"], float(kept["contrast"]), float(kept["crispness"])
                )
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError) as error:
            log.warning("%s: unreadable (%s); the reference is learned again", self._path(light), error)

    def _save(self, light: str) -> None:
        if self._folder is None:
            return
        kept, path, content = self._kept[light], self._path(light), io.BytesIO()
        np.savez(content, half=kept.half, grid=kept.grid, contrast=kept.contrast, crispness=kept.crispness)
        try:
            write_whole(path, content.getvalue())
        except OSError as error:
            log.warning("%s: not kept (%s); it is learned again after the next start", path, error)


def light_of(look: Look) -> str:
    """By which of the two references a look is judged."""
    return "night" if look.mean < DIM_BELOW_LEVEL else "day"


def median_of(looks: list[Look]) -> Reference:
    """The view without what moved."""
    half = np.median([look.half for look in looks], axis=0).astype(np.uint8)
    grid = np.median([look.grid for look in looks], axis=0).astype(np.float32)
    crispness = float(np.median([look.crispness for look in looks]))
    return Reference(half, grid, float(grid.std()), crispness)
