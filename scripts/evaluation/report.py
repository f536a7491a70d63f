"""Everything one evaluation found, gathered: what the page shows and the JSON file holds.

It reads no picture and runs no model; `plain` turns it into JSON values, without any picture.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation.alignment import Pair
from evaluation.measures import Bin, Judgement, Share, Threshold, calibration_error, lowest_sure, reliability
from evaluation.measures import threshold_table as table_of
from evaluation.nonplates import Emptiness
from evaluation.pictures_run import SetResult
from evaluation.records import Answer, Drive
from evaluation.robustness import Curve
from evaluation.tables import Breakdown, Row


@dataclasses.dataclass(frozen=True, slots=True)
class ModelNote:
    """Which weights a column stands for."""

    name: str
    folder: str
    model_id: str
    borrowed: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class Calibration:
    """What one model's confidence is worth."""

    model: str
    scope: str
    readings: int
    error: float | None
    bins: tuple[Bin, ...]
    thresholds: tuple[Threshold, ...]
    sure_from: Threshold | None


@dataclasses.dataclass(frozen=True, slots=True)
class Confusion:
    """Characters of one model's wrong and right readings on plates; `edges`: wrong ones first, inside, last."""

    model: str
    scope: str
    counts: Counter[Pair]
    edges: tuple[int, int, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """A plate that some model did not read exactly, or a reading where no plate is (`wanted` None)."""

    set_name: str
    split: str
    picture: str
    wanted: str | None
    country: str | None
    answers: tuple[tuple[str, Answer | None], ...]
    image_uri: str


@dataclasses.dataclass(frozen=True, slots=True)
class SetLine:
    """One line of the headline table."""

    result: SetResult
    row: Row
    calibration_error: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """One evaluation."""

    made_utc: str
    took_s: float
    data: str
    split: str
    scorer: str | None
    models: tuple[ModelNote, ...]
    lines: tuple[SetLine, ...]
    drives: tuple[tuple[str, Drive], ...]
    breakdowns: tuple[Breakdown, ...]
    calibrations: tuple[Calibration, ...]
    confusions: tuple[Confusion, ...]
    curves: tuple[Curve, ...]
    patches: int
    emptiness: tuple[Emptiness, ...]
    failures: tuple[Failure, ...]


def calibration(model: str, scope: str, judgements: Sequence[Judgement]) -> Calibration:
    """Reliability, error and thresholds of these readings."""
    bins = reliability(judgements)
    return Calibration(
        model, scope, len(judgements), calibration_error(bins), bins, table_of(judgements), lowest_sure(judgements)
    )


_PICTURES = {"image_uri", "patch_jpeg", "pixels"}


def plain(value: Any) -> Any:
    """JSON values of anything in a report; pictures are left out, shares get their rate and interval."""
    if dataclasses.is_dataclass(value):
        return _fields(value)
    if isinstance(value, Counter):
        return [[*pair, count] for pair, count in value.most_common()]
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value.name if isinstance(value, Path) else value


def _fields(value: Any) -> dict[str, Any]:
    if isinstance(value, Share):
        low, high = value.interval
        return {"hits": value.hits, "total": value.total, "rate": value.rate, "low": low, "high": high}
    if isinstance(value, SetLine):
        return _set_line(value)
    names = [f.name for f in dataclasses.fields(value) if f.name not in _PICTURES]
    return {name: plain(getattr(value, name)) for name in names}


def _set_line(line: SetLine) -> dict[str, Any]:
    result, counts = line.result, line.result.counts
    return {
        "set": result.labelled.name,
        "split": result.labelled.split,
        "patches": result.labelled.patches,
        "model": result.model,
        **{f.name: getattr(counts, f.name) for f in dataclasses.fields(counts)},
        "exact": plain(Share(counts.exact, counts.plates)),
        "folded": plain(Share(counts.folded, counts.plates)),
        "found": None if result.labelled.patches else plain(Share(counts.found, counts.boxes)),
        "character_error_rate": counts.error_sum / counts.plates if counts.plates else None,
        "country": plain(line.row.country),
        "calibration_error": line.calibration_error,
        "cpu_ms_median": result.cpu_ms_median,
        "notes": list(result.notes),
    }
