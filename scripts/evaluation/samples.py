"""Finds the labelled sets of a data folder and measures how their plates look.

A set holds one split only; nothing is ever taken from another one to fill it up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anpr_node import pictures
from anpr_node.vrm import normalise
from evaluation.kinds import belgian_kind, line_count, look_of
from evaluation.records import Box, LabelledSet, PlateFacts, Row, Sample, Truth

ROOT = Path(__file__).resolve().parent.parent.parent
OWN_PICTURES = ROOT / "tests" / "pictures"
OWN_SET = "the repository's pictures"
OWN_SPLIT = "train"  # frames of a set that trains the models, see models/*/CARD.md
SIDE_MIN_PX = 8


def all_sets(data: Path | None, split: str, *, texted: bool = True) -> list[LabelledSet]:
    """Every set of the data folder that has pictures of this split, scenes first, then the repository's own pictures.

    `texted`: only sets whose labels hold texts; the others say nothing about reading.
    """
    own = load_set(OWN_PICTURES, OWN_SET, OWN_SPLIT, patches=False)
    if data is None:
        return [own]
    folders = sorted(path.parent for kind in ("scenes", "crops") for path in (data / kind).glob("*/labels.jsonl"))
    sets = [load_set(f, f.name, split, patches=f.parent.name == "crops") for f in folders]
    kept = [s for s in sets if s.samples and not (texted and not _has_text(s))]
    return [*sorted(kept, key=lambda s: s.patches), own]


def _has_text(labelled: LabelledSet) -> bool:
    return any(truth.text for sample in labelled.samples for truth in sample.truths)


def load_set(folder: Path, name: str, split: str, *, patches: bool) -> LabelledSet:
    """The pictures of one split; rows that name no split belong to the one asked for."""
    lines = (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, filter(None, lines)) if row.get("split", split) == split]
    pictures_in = folder / "images" if (folder / "images").is_dir() else folder
    return LabelledSet(name, split, patches, tuple(_sample(pictures_in, row) for row in rows))


def _sample(folder: Path, row: Row) -> Sample:
    truths = tuple(
        Truth(normalise(plate.get("text") or ""), plate.get("country"), label_box(plate)) for plate in row["plates"]
    )
    return Sample(folder / row["image"], truths, row.get("complete") is not False, row)


def label_box(plate: dict[str, Any]) -> Box | None:
    """The upright box of a labelled plate, from its box (x, y, width, height) or its corners."""
    if plate.get("box"):
        x, y, width, height = plate["box"]
        return x, y, x + width, y + height
    if plate.get("quad"):
        xs, ys = zip(*plate["quad"], strict=True)
        return min(xs), min(ys), max(xs), max(ys)
    return None


def facts_of(labelled: LabelledSet) -> dict[Path, tuple[PlateFacts, ...]]:
    """Every labelled plate of the set, measured in its picture."""
    return {sample.path: tuple(_facts(labelled, sample)) for sample in labelled.samples}


def _facts(labelled: LabelledSet, sample: Sample) -> Iterator[PlateFacts]:
    plane = pictures.load_grey(sample.path)
    rows, columns = plane.shape
    for truth in sample.truths:
        x1, y1, x2, y2 = (0.0, 0.0, columns, rows) if labelled.patches or truth.box is None else truth.box
        lines = line_count(x2 - x1, y2 - y1)
        left, top = min(max(0, int(x1)), columns - SIDE_MIN_PX), min(max(0, int(y1)), rows - SIDE_MIN_PX)
        cut = plane[top : max(top + SIDE_MIN_PX, int(y2)), left : max(left + SIDE_MIN_PX, int(x2))]
        yield PlateFacts(
            set_name=labelled.name,
            split=labelled.split,
            path=sample.path,
            text=truth.text,
            country=truth.country,
            box=None if labelled.patches else truth.box,
            kind=belgian_kind(truth.text) if truth.country == "B" and truth.text else None,
            lines=lines,
            width_px=x2 - x1,
            look=look_of(cut, lines),
        )
