"""Reads the same patches ever worse and says where reading gives out.

Only the recogniser is asked: finding plates in bad pictures is measured by the picture sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from anpr_node import pictures
from anpr_node.records import Plane
from evaluation.degrade import DAMAGES, Damage
from evaluation.measures import Share, falls_below, share_of
from evaluation.models import Model
from evaluation.progress import Progress
from evaluation.records import LabelledSet

KEPT_SHARE = 0.95
SURE = 0.97
"""The vote's own bound for a sure plate (reading.sure_confidence)."""

Target = tuple[Plane, str]


@dataclass(frozen=True, slots=True)
class Curve:
    """One damage, one model. `limit`: the level where the share read falls under 95 % of that of whole patches."""

    model: str
    damage: str
    unit: str
    levels: tuple[float, ...]
    exact: tuple[Share, ...]
    sure_but_wrong: tuple[Share, ...]
    limit: float | None


def targets(sets: Sequence[LabelledSet]) -> list[Target]:
    """The cut-out plates of the sets; where there is no such set, plates cut from pictures along their labels."""
    patches = [s for s in sets if s.patches]
    return [target for labelled in patches or sets for target in _cut(labelled)]


def _cut(labelled: LabelledSet) -> Iterator[Target]:
    for sample in labelled.samples:
        plane = pictures.load_grey(sample.path)
        for truth in sample.truths:
            if labelled.patches and truth.text:
                yield plane, truth.text
            elif truth.text and truth.box:
                x1, y1, x2, y2 = (max(0, round(v)) for v in truth.box)
                yield plane[y1:y2, x1:x2], truth.text


def curve(model: Model, damage: Damage, plates: Sequence[Target], seed: int, progress: Progress) -> Curve:
    """Read all patches at every level of one damage."""
    exact, sure_but_wrong = [], []
    for level in damage.levels:
        progress.step()
        answers = [_read(model, damage, level, plate, (seed, number)) for number, plate in enumerate(plates)]
        exact.append(share_of(right for right, _ in answers))
        sure_but_wrong.append(share_of(sure and not right for right, sure in answers))
    limit = falls_below(damage.levels, [share.rate for share in exact], KEPT_SHARE)
    return Curve(model.name, damage.name, damage.unit, damage.levels, tuple(exact), tuple(sure_but_wrong), limit)


def _read(model: Model, damage: Damage, level: float, plate: Target, seed: tuple[int, int]) -> tuple[bool, bool]:
    patch, text = plate
    spoilt = damage.apply(patch, level, np.random.default_rng(seed))
    reading = model.reader.recognizer.read(spoilt)
    return reading.text == text, reading.score >= SURE


def curves(models: Sequence[Model], plates: Sequence[Target], seed: int, progress: Progress) -> list[Curve]:
    """Every damage for every model."""
    found = []
    for model in models:
        for damage in DAMAGES:
            progress.begin(f"{model.name}: {len(plates)} plates, worse {damage.name}", len(damage.levels))
            found.append(curve(model, damage, plates, seed, progress))
            progress.end()
    return found
