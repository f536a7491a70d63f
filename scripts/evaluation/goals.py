"""The figures that a release is held to, beside what was measured.

A goal whose set was not there is left out; nothing is rounded in a goal's favour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evaluation.measures import Share, share_of
from evaluation.report import Calibration, Report, SetLine
from evaluation.robustness import SURE
from evaluation.tables import summary


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure. `value` is a share, or a number per picture; `at_least` tells in which direction it must go."""

    model: str
    what: str
    value: Share | float
    bound: float
    at_least: bool = True

    @property
    def met(self) -> bool:
        """Whether the measured figure reaches the goal."""
        measured = (self.value.rate or 0.0) if isinstance(self.value, Share) else self.value
        return measured >= self.bound if self.at_least else measured <= self.bound


def goals(report: Report) -> list[Goal]:
    """Every goal that this report can judge, by model."""
    found = []
    for note in report.models:
        lines = {line.result.labelled.name: line for line in report.lines if line.result.model == note.name}
        found += [*_scenes(note.name, lines), *_patches(note.name, list(lines.values()))]
        found += [*_passages(note.name, report), *_confidence(note.name, report.calibrations)]
        found += _empty(note.name, report)
    return found


def _scenes(model: str, lines: dict[str, SetLine]) -> Iterator[Goal]:
    if "openalpr_eu" not in lines:
        return
    counts = lines["openalpr_eu"].result.counts
    yield Goal(model, "openalpr_eu, end to end, exact", Share(counts.exact, counts.plates), 0.98)
    yield Goal(model, "openalpr_eu, plates found (IoU 0.5)", Share(counts.found, counts.boxes), 0.995)
    yield Goal(model, "openalpr_eu, spurious per picture", counts.spurious / counts.pictures, 0.05, at_least=False)


def _patches(model: str, lines: Sequence[SetLine]) -> Iterator[Goal]:
    plates = [plate for line in lines if line.result.labelled.patches for plate in line.result.judged]
    wanted = (
        ("cut-out plates of one line, exact", 0.97, [p for p in plates if p.facts.lines == 1]),
        ("cut-out plates of two lines, exact", 0.92, [p for p in plates if p.facts.lines == 2]),
        ("Belgian cut-out plates, exact", 0.98, [p for p in plates if p.facts.country == "B"]),
    )
    for what, bound, group in wanted:
        if group:
            yield Goal(model, what, summary(model, what, group).exact, bound)
    if plates:
        yield Goal(model, "cut-out plates, country right when given", summary(model, "", plates).country, 0.95)


def _passages(model: str, report: Report) -> Iterator[Goal]:
    bounds = {"clips": 1.0, "simulated night": 0.99}
    for name, drive in report.drives:
        if name == model and drive.source in bounds:
            yield Goal(model, f"{drive.source}, passages read right", share_of(p.right for p in drive.passings),
                       bounds[drive.source])  # fmt: skip


def _confidence(model: str, calibrations: Sequence[Calibration]) -> Iterator[Goal]:
    for found in calibrations:
        if found.model == model and found.error is not None:
            yield Goal(model, f"calibration error, {found.scope}", found.error, 0.02, at_least=False)
            sure = next(t for t in found.thresholds if t.confidence == SURE)
            yield Goal(model, f"wrong among the sure ({SURE:.0%}), {found.scope}", sure.wrong, 0.001, at_least=False)


def _empty(model: str, report: Report) -> Iterator[Goal]:
    for found in report.emptiness:
        if found.model == model and found.split == "drawn":
            yield Goal(model, f"{found.source}: sure readings", found.at_least[-1], 0.0, at_least=False)
        elif found.model == model:
            what = f"{found.source}: a reading"
            yield Goal(model, what, found.at_least[0], 0.001, at_least=False)
