"""What the node reads where nothing is to be read: pictures with their plates painted over, and senseless input.

Pictures of the training split serve here as well, in rows of their own: a picture without plates is no label to learn.
Plates that the labels leave out are painted over too: overlooked.toml.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator

from anpr_node import pictures, stills
from anpr_node.records import Plane
from evaluation.measures import Share
from evaluation.models import Model
from evaluation.progress import Progress
from evaluation.records import Answer, Box, LabelledSet
from evaluation.robustness import SURE

PAINT_MARGIN = 0.25
PATCH_SIZES = ((32, 160), (50, 200), (110, 520), (50, 70))
SCENE_SIZES = ((480, 640), (1088, 1456))
SEEDS = 5
CUT_WIDTHS = 1.5
OVERLOOKED = Path(__file__).with_name("overlooked.toml")

LEVELS = (0.0, 0.5, 0.85, SURE)


@dataclass(frozen=True, slots=True)
class FalseRead:
    """A text read where there is none; `pixels` is what it was read from."""

    model: str
    source: str
    name: str
    answer: Answer
    pixels: Plane


@dataclass(frozen=True, slots=True)
class Emptiness:
    """One source of pictures without plates: how many of them gave a reading of at least each of LEVELS."""

    model: str
    source: str
    split: str
    pictures: int
    at_least: tuple[Share, ...]
    highest: float
    reads: tuple[FalseRead, ...]


def senseless(model: Model, sizes: Sequence[tuple[int, int]], *, patches: bool) -> Emptiness:
    """All black, all white, grey, noise, stripes and the like, as patches or as whole pictures."""
    source = "senseless patches" if patches else "senseless pictures"
    found: list[list[FalseRead]] = []
    for name, plane in _inputs(sizes):
        answers = _read_patch(model, plane) if patches else _read_scene(model, plane)
        found.append([FalseRead(model.name, source, name, answer, _cut(plane, answer)) for answer in answers])
    return _summary(model, source, "drawn", found)


def painted_over(model: Model, sets: Sequence[LabelledSet], source: str, split: str, progress: Progress) -> Emptiness:
    """Completely labelled pictures, read after every plate in them was painted over."""
    found: list[list[FalseRead]] = []
    for labelled in sets:
        for sample in labelled.samples:
            progress.step()
            boxes = [truth.box for truth in sample.truths]
            known = [box for box in boxes if box]
            if not sample.complete or len(known) < len(boxes):
                continue
            name = f"{labelled.name}/{sample.path.name}"
            plane = paint_over(pictures.load_grey(sample.path), [*known, *_overlooked().get(name, [])])
            answers = _read_scene(model, plane)
            found.append([FalseRead(model.name, source, name, answer, _cut(plane, answer)) for answer in answers])
    return _summary(model, source, split, found)


@functools.cache
def _overlooked() -> dict[str, list[Box]]:
    boxes: dict[str, list[Box]] = {}
    for plate in tomllib.loads(OVERLOOKED.read_text())["plate"]:
        x1, y1, x2, y2 = plate["box"]
        boxes.setdefault(plate["picture"], []).append((x1, y1, x2, y2))
    return boxes


def _summary(model: Model, source: str, split: str, found: Sequence[Sequence[FalseRead]]) -> Emptiness:
    tops = [max((read.answer.confidence for read in reads), default=-1.0) for reads in found]
    at_least = tuple(Share(sum(top >= level for top in tops), len(tops)) for level in LEVELS)
    reads = sorted((read for reads in found for read in reads), key=lambda r: -r.answer.confidence)
    return Emptiness(model.name, source, split, len(found), at_least, max([0.0, *tops]), tuple(reads))


def _read_scene(model: Model, plane: Plane) -> list[Answer]:
    found = stills.read_scene(model.reader, plane)
    return [Answer(f.plate.text, f.plate.score, f.plate.country, f.box.bounds if f.box else None) for f in found]


def _read_patch(model: Model, plane: Plane) -> list[Answer]:
    """What the node would take for a reading: the recogniser's own doubt counts."""
    plate = model.reader.recognizer.read(plane)
    return [Answer(plate.text, plate.score, plate.country, None)] * model.reader.is_reading(plate)


def _cut(plane: Plane, answer: Answer) -> Plane:
    """The place of the reading with its surroundings; the whole patch where it has no place."""
    if answer.box is None:
        return plane
    x1, y1, x2, y2 = answer.box
    reach_x, reach_y = (x2 - x1) * (CUT_WIDTHS - 1) / 2, (x2 - x1) * (CUT_WIDTHS - 1) / 2
    rows, columns = plane.shape
    left, right = max(0, int(x1 - reach_x)), min(columns, int(x2 + reach_x) + 1)
    top, bottom = max(0, int(y1 - reach_y)), min(rows, int(y2 + reach_y) + 1)
    cut: Plane = plane[top:bottom, left:right].copy()
    return cut


def paint_over(plane: Plane, boxes: Sequence[Box]) -> Plane:
    """A copy with each box, grown a little, filled from its border inwards."""
    painted = plane.copy()
    rows, columns = plane.shape
    for x1, y1, x2, y2 in boxes:
        margin_x, margin_y = (x2 - x1) * PAINT_MARGIN / 2, (y2 - y1) * PAINT_MARGIN
        left, right = max(0, int(x1 - margin_x)), min(columns, int(x2 + margin_x) + 1)
        top, bottom = max(0, int(y1 - margin_y)), min(rows, int(y2 + margin_y) + 1)
        if right - left > 1 and bottom - top > 1:
            painted[top:bottom, left:right] = _filled(painted, left, top, right, bottom)
    return painted


def _filled(plane: Plane, left: int, top: int, right: int, bottom: int) -> Plane:
    """Every pixel from the four border pixels in its row and column, the nearer ones more."""
    cut = plane[top:bottom, left:right].astype(np.float64)
    across = np.linspace(0, 1, right - left)[None, :]
    down = np.linspace(0, 1, bottom - top)[:, None]
    level = cut[:, :1] * (1 - across) + cut[:, -1:] * across
    upright = cut[:1] * (1 - down) + cut[-1:] * down
    weight_level = 1 / (np.minimum(across, 1 - across) * (right - left) + 1)
    weight_upright = 1 / (np.minimum(down, 1 - down) * (bottom - top) + 1)
    mixed = (level * weight_level + upright * weight_upright) / (weight_level + weight_upright)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def _inputs(sizes: Sequence[tuple[int, int]]) -> Iterator[tuple[str, Plane]]:
    for size in sizes:
        for name, plane in _plain(size):
            yield f"{name}, {size[1]}×{size[0]}", plane
        for seed in range(SEEDS):
            for name, plane in _random(size, np.random.default_rng((seed, *size))):
                yield f"{name}, {size[1]}×{size[0]}", plane


def _plain(size: tuple[int, int]) -> Iterator[tuple[str, Plane]]:
    down, across = np.indices(size)
    yield "all black", np.zeros(size, np.uint8)
    yield "all white", np.full(size, 255, np.uint8)
    yield "all grey", np.full(size, 128, np.uint8)
    yield "ramp", (across * 255 // size[1]).astype(np.uint8)
    for step in (2, 8, 16):
        yield f"stripes of {step} px", (across // step % 2 * 255).astype(np.uint8)
        yield f"squares of {step} px", ((across // step + down // step) % 2 * 255).astype(np.uint8)


def _random(size: tuple[int, int], rng: Generator) -> Iterator[tuple[str, Plane]]:
    yield "even noise", rng.integers(0, 256, size, dtype=np.uint8)
    yield "normal noise", np.clip(rng.normal(128, 40, size), 0, 255).astype(np.uint8)
    yield "black and white noise", (rng.random(size) < 0.5).astype(np.uint8) * np.uint8(255)
    coarse = rng.integers(0, 256, (max(2, size[0] // 8), max(2, size[1] // 8)), dtype=np.uint8)
    yield "cloudy noise", pictures.resize(coarse, size[1], size[0])
    bars = rng.integers(0, 256, (1, max(8, size[1] // 12)), dtype=np.uint8)
    yield "bars", np.repeat(pictures.resize(bars, size[1], 1), size[0], axis=0)
