"""Statistics of yes-or-no answers: shares with Wilson intervals, calibration of confidences, thresholds.

It knows nothing of plates; numbers in, numbers out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

Z_95 = 1.959964
BINS = 10
THRESHOLDS = (0.0, 0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)

Judgement = tuple[float, bool]
"""A confidence and whether the reading was right."""


def wilson(hits: int, total: int, z: float = Z_95) -> tuple[float, float]:
    """The interval that holds the true share with 95 % certainty; all of 0..1 when nothing was counted."""
    if total == 0:
        return 0.0, 1.0
    share, square = hits / total, z * z
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = z / (1 + square / total) * math.sqrt(share * (1 - share) / total + square / (4 * total * total))
    return (0.0 if hits == 0 else middle - half), (1.0 if hits == total else middle + half)


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    hits: int
    total: int

    @property
    def rate(self) -> float | None:
        """0..1; None of nothing."""
        return self.hits / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson, 95 %."""
        return wilson(self.hits, self.total)


def share_of(answers: Iterable[bool]) -> Share:
    """How many are true."""
    known = [bool(answer) for answer in answers]
    return Share(sum(known), len(known))


@dataclass(frozen=True, slots=True)
class Bin:
    """Readings whose confidence lies between two bounds: their mean confidence, and how many were right."""

    low: float
    high: float
    confidence: float
    right: Share


def reliability(judgements: Sequence[Judgement], bins: int = BINS) -> tuple[Bin, ...]:
    """The bins that hold anything, equally wide, low confidence first. A confidence of 1 belongs to the last one."""
    found = []
    for index in range(bins):
        inside = [j for j in judgements if min(int(j[0] * bins), bins - 1) == index]
        if inside:
            mean = sum(confidence for confidence, _ in inside) / len(inside)
            found.append(Bin(index / bins, (index + 1) / bins, mean, share_of(right for _, right in inside)))
    return tuple(found)


def calibration_error(bins: Sequence[Bin]) -> float | None:
    """Expected calibration error: the mean gap between confidence and truth, weighed by readings. None of nothing."""
    total = sum(b.right.total for b in bins)
    if not total:
        return None
    return sum(abs(b.confidence * b.right.total - b.right.hits) for b in bins) / total


@dataclass(frozen=True, slots=True)
class Threshold:
    """What happens when only readings of at least this confidence count."""

    confidence: float
    accepted: Share
    wrong: Share


def threshold_table(judgements: Sequence[Judgement], thresholds: Sequence[float] = THRESHOLDS) -> tuple[Threshold, ...]:
    """For each threshold the share accepted, and the share of those that is wrong."""
    table = []
    for confidence in thresholds:
        accepted = [right for value, right in judgements if value >= confidence]
        wrong = share_of(not right for right in accepted)
        table.append(Threshold(confidence, Share(len(accepted), len(judgements)), wrong))
    return tuple(table)


def lowest_sure(judgements: Sequence[Judgement], wrong_max: float = 0.001) -> Threshold | None:
    """The lowest confidence above which at most `wrong_max` of the readings are wrong; None when there is none."""
    levels = sorted({confidence for confidence, _ in judgements})
    passing = (t for t in threshold_table(judgements, levels) if t.wrong.hits <= wrong_max * t.wrong.total)
    return next(passing, None)


def falls_below(levels: Sequence[float], rates: Sequence[float | None], share: float) -> float | None:
    """Where a curve first drops under `share` of its first value, by straight line between levels; None if never."""
    if not rates or not rates[0]:
        return None
    bound = share * rates[0]
    steps = list(zip(levels, rates, strict=True))
    for (level, rate), (next_level, next_rate) in pairwise(steps):
        if rate is not None and next_rate is not None and next_rate < bound:
            return level + (next_level - level) * (rate - bound) / (rate - next_rate)
    return None
