"""Runs the node's own `read` over a labelled set and judges every picture.

It reads pictures as `anpr-node read` does and keeps nothing of them but the judgements.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from anpr_node import stills
from anpr_node.stills import ReadPicture
from evaluation import judge
from evaluation.judge import Counts
from evaluation.models import Model
from evaluation.progress import Progress
from evaluation.records import Answer, Judged, LabelledSet, PlateFacts, Row, Spurious

Facts = Mapping[Path, Sequence[PlateFacts]]


@dataclass(frozen=True, slots=True)
class SetResult:
    """One set as one model reads it. `counts` is the headline, by the data's scorer where there is one."""

    model: str
    labelled: LabelledSet = field(repr=False)
    counts: Counts
    judged: tuple[Judged, ...] = field(repr=False)
    spurious: tuple[Spurious, ...] = field(repr=False)
    cpu_ms_median: float
    notes: tuple[str, ...]


def read_set(
    model: Model, labelled: LabelledSet, facts: Facts, scorer: ModuleType | None, progress: Progress
) -> SetResult:
    """Read every picture of the set and compare with its labels."""
    judged: list[Judged] = []
    spurious: list[Spurious] = []
    predictions: dict[str, Row] = {}
    times_ms = []
    files = [sample.path for sample in labelled.samples]
    results = stills.read_all(model.reader, files, patches=labelled.patches)
    for sample, result in zip(labelled.samples, results, strict=True):
        progress.step()
        plates, extra = judge.judge_picture(sample, facts[sample.path], answers_of(result))
        judged += plates
        spurious += extra
        times_ms.append(result.cpu_ms)
        predictions[sample.path.name] = stills.as_json(result)
    own = judge.own_counts(len(files), judged, len(spurious))
    counts = own if scorer is None else judge.scorer_counts(scorer, labelled, predictions)
    notes = _differences(own, counts)
    return SetResult(
        model.name, labelled, counts, tuple(judged), tuple(spurious), statistics.median(times_ms or [0.0]), notes
    )


def answers_of(result: ReadPicture) -> list[Answer]:
    """The plates that were read in a picture."""
    return [
        Answer(p.plate.text, p.plate.score, p.plate.country, None if p.box is None else p.box.bounds)
        for p in result.plates
    ]


def _differences(own: Counts, scorers: Counts) -> tuple[str, ...]:
    names = ("plates", "boxes", "found", "exact", "folded", "misread", "spurious")
    return tuple(
        f"{name}: the data's scorer counts {getattr(scorers, name)}, the breakdowns {getattr(own, name)}"
        for name in names
        if getattr(own, name) != getattr(scorers, name)
    )
