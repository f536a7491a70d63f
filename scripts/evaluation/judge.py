"""Compares readings with labels, by the rules of the data's own scorer (evaluate.py beside the data folder).

Where that file is there, it gives the headline counts itself; the same rules here give the breakdowns, and every
difference between the two is told.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from anpr_node.vrm import edit_distance, normalise
from evaluation.records import Answer, Box, Judged, LabelledSet, PlateFacts, Row, Sample, Spurious

_FOLD = str.maketrans("OI", "01")
_SAME_PLATE_IOU = 0.5
_LARGER_MAX = 9


@dataclass(frozen=True, slots=True)
class Counts:
    """The headline of one set: how many pictures, labelled plates with text, boxes, and what became of them."""

    pictures: int
    plates: int
    boxes: int
    found: int
    exact: int
    folded: int
    error_sum: float
    misread: int
    spurious: int


def fold(text: str) -> str:
    """The text with O as 0 and I as 1."""
    return normalise(text).translate(_FOLD)


def load_scorer(data: Path | None) -> ModuleType | None:
    """evaluate.py beside the data folder, as a module; None where there is none."""
    path = None if data is None else data.resolve().parent / "evaluate.py"
    if path is None or not path.is_file():
        return None
    spec = importlib.util.spec_from_file_location("data_scorer", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def scorer_counts(scorer: ModuleType, labelled: LabelledSet, predictions: dict[str, Row]) -> Counts:
    """The headline as the data's scorer counts it."""
    labels = {sample.path.name: sample.row for sample in labelled.samples}
    result: dict[str, Any] = scorer.score(labels, predictions)[0]
    if labelled.patches:  # a wrong reading without a place counts as spurious there; on a patch it is a misreading
        result = {**result, "misread": result["misread"] + result["spurious"], "spurious": 0}
    names = ("images", "plates", "boxes", "iou50", "exact", "fold", "cer", "misread", "spurious")
    return Counts(*(result[name] for name in names))


def own_counts(pictures: int, judged: Sequence[Judged], spurious: int) -> Counts:
    """The headline summed up from the judgements."""
    texted = [plate for plate in judged if plate.facts.text]
    located = [plate for plate in judged if plate.found is not None]
    return Counts(
        pictures=pictures,
        plates=len(texted),
        boxes=len(located),
        found=sum(bool(plate.found) for plate in located),
        exact=sum(plate.exact for plate in texted),
        folded=sum(plate.folded for plate in texted),
        error_sum=sum(plate.error_rate for plate in texted),
        misread=sum(plate.misread for plate in texted),
        spurious=spurious,
    )


def judge_picture(
    sample: Sample, facts: Sequence[PlateFacts], answers: Iterable[Answer]
) -> tuple[list[Judged], list[Spurious]]:
    """Every labelled plate with what was read on it, and the readings that lie on none."""
    ordered = sorted(answers, key=lambda a: -a.confidence)
    boxes = [truth.box for truth in sample.truths]
    right = {fold(f.text) for f in facts if f.text}
    wrong = [a for a in ordered if normalise(a.text) and fold(a.text) not in right]
    judged = [_judge(f, box, ordered, wrong) for f, box in zip(facts, boxes, strict=True)]
    unlocated = any(box is None for box in boxes)
    spurious = [
        Spurious(sample.path, answer)
        for answer in wrong
        if answer.box is not None and sample.complete and not unlocated
        if not any(box and on_plate(answer.box, box) for box in boxes)
    ]
    return judged, spurious


def _judge(facts: PlateFacts, box: Box | None, answers: Sequence[Answer], wrong: Sequence[Answer]) -> Judged:
    wanted = fold(facts.text)
    answer = _answer_for(wanted, box, answers)
    got = fold(answer.text) if answer else ""
    return Judged(
        facts=facts,
        answer=answer,
        exact=any(normalise(a.text) == facts.text for a in answers),
        folded=any(fold(a.text) == wanted for a in answers),
        error_rate=min(1.0, edit_distance(got, wanted) / len(wanted)) if got and wanted else 1.0,
        found=None if box is None else any(iou(a.box, box) >= _SAME_PLATE_IOU for a in answers if a.box),
        misread=sum(a.box is None or bool(box and on_plate(a.box, box)) for a in wrong),
    )


def _answer_for(wanted: str, box: Box | None, answers: Sequence[Answer]) -> Answer | None:
    """The reading that lies on the plate; the surest without boxes; the nearest text where its place is unknown."""
    boxed = [a for a in answers if a.box]
    if boxed and box:
        near = [a for a in boxed if a.box and on_plate(a.box, box)]
        return max(near, key=lambda a: iou(a.box, box) if a.box else 0.0, default=None)
    if box is None:
        return min(answers, key=lambda a: edit_distance(fold(a.text), wanted), default=None)
    return answers[0] if answers else None


def area(box: Box) -> float:
    """Square pixels; 0 of a box turned inside out."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def iou(a: Box, b: Box) -> float:
    """Intersection over union."""
    shared = area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    union = area(a) + area(b) - shared
    return shared / union if union > 0 else 0.0


def on_plate(answer: Box, plate: Box) -> bool:
    """Whether either's middle lies in the other, and the answer is not far larger than the plate."""
    return _holds(plate, answer) or (_holds(answer, plate) and area(answer) <= _LARGER_MAX * area(plate))


def _holds(outer: Box, inner: Box) -> bool:
    x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return outer[0] <= x <= outer[2] and outer[1] <= y <= outer[3]
