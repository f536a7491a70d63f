"""Runs every part of an evaluation that was asked for and gathers what it found into one report.

It decides what runs on what; how things are measured and shown is other modules' business.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from anpr_node.drivers.simulated.light import LightName
from evaluation import cutouts, judge, nonplates, passages, robustness, tables
from evaluation.alignment import confusion, edge_errors
from evaluation.models import Model
from evaluation.pictures_run import SetResult, read_set
from evaluation.progress import Progress
from evaluation.records import Drive, Judged, LabelledSet, Spurious
from evaluation.report import Calibration, Confusion, Failure, ModelNote, Report, SetLine, calibration
from evaluation.samples import OWN_SET, all_sets, facts_of

LIGHTS: tuple[LightName, ...] = ("night", "day")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to evaluate: on which data, and which of the longer parts."""

    data: Path | None
    split: str
    roadside: int
    robustness: bool
    negatives: bool
    seed: int


def gather(models: Sequence[Model], wanted: Wanted) -> Report:
    """Everything, in the order of the report."""
    started_s, progress = time.monotonic(), Progress()
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    scorer = judge.load_scorer(wanted.data)
    sets = all_sets(wanted.data, wanted.split)
    results = _read_sets(models, sets, scorer, progress)
    drives = _drives(models, wanted, progress)
    tested = [s for s in sets if s.name != OWN_SET] or sets
    plates = robustness.targets(tested) if wanted.robustness else []
    curves = robustness.curves(models, plates, wanted.seed, progress) if plates else []
    emptiness = _emptiness(models, tested, wanted, progress)
    return Report(
        made_utc=made,
        data="no data folder" if wanted.data is None else wanted.data.resolve().name,
        split=wanted.split,
        scorer=None if scorer is None else str(Path(str(scorer.__file__)).name),
        models=tuple(ModelNote(m.name, m.folder.name, m.reader.model_id, m.borrowed) for m in models),
        lines=tuple(_line(result) for result in results),
        drives=tuple(drives),
        breakdowns=tuple(tables.all_breakdowns(results)),
        calibrations=tuple(_calibrations(models, results, drives)),
        confusions=tuple(_confusions(models, results)),
        curves=tuple(curves),
        patches=len(plates),
        emptiness=tuple(emptiness),
        failures=tuple(_failures(results)),
        took_s=time.monotonic() - started_s,
    )


def _read_sets(
    models: Sequence[Model], sets: Sequence[LabelledSet], scorer: ModuleType | None, progress: Progress
) -> list[SetResult]:
    results = []
    for labelled in sets:
        facts = facts_of(labelled)
        for model in models:
            progress.begin(f"{model.name}: {labelled.name}, split {labelled.split}", len(labelled.samples))
            results.append(read_set(model, labelled, facts, scorer, progress))
            progress.end()
    return results


def _line(result: SetResult) -> SetLine:
    found = calibration(result.model, result.labelled.name, tables.judgements([result]))
    return SetLine(result, tables.summary(result.model, result.labelled.name, result.judged), found.error)


def _drives(models: Sequence[Model], wanted: Wanted, progress: Progress) -> list[tuple[str, Drive]]:
    found = []
    folder = None if wanted.data is None else wanted.data / "clips"
    for model in models:
        if folder is not None and wanted.split == "dev" and (folder / "labels.jsonl").is_file():
            progress.begin(f"{model.name}: clips", 0)
            found.append((model.name, passages.play_clips(model, folder, progress)))
            progress.end()
        for light in LIGHTS if wanted.roadside else ():
            progress.begin(f"{model.name}: simulated {light}, {wanted.roadside} vehicles in the lane", 0)
            found.append((model.name, passages.drive(model, light, wanted.roadside, wanted.seed, progress)))
            progress.end()
    return found


def _emptiness(
    models: Sequence[Model], sets: Sequence[LabelledSet], wanted: Wanted, progress: Progress
) -> list[nonplates.Emptiness]:
    """Senseless input always; the sets' pictures with their plates painted over; those of `train`, if asked for."""
    painted = [(wanted.split, [s for s in sets if not s.patches and any(x.complete for x in s.samples)])]
    if wanted.negatives and wanted.data is not None and wanted.split != "train":
        painted.append(("train", [s for s in all_sets(wanted.data, "train", texted=False)
                                  if not s.patches and s.name != OWN_SET]))  # fmt: skip
    found = []
    for model in models:
        found.append(nonplates.senseless(model, nonplates.PATCH_SIZES, patches=True))
        found.append(nonplates.senseless(model, nonplates.SCENE_SIZES, patches=False))
        for split, sets_of_it in painted:
            if sets_of_it:
                source = f"plates painted over, split {split}"
                progress.begin(f"{model.name}: {source}", sum(len(s.samples) for s in sets_of_it))
                found.append(nonplates.painted_over(model, sets_of_it, source, split, progress))
                progress.end()
    return [e for e in found if e.pictures]


def _calibrations(
    models: Sequence[Model], results: Sequence[SetResult], drives: Sequence[tuple[str, Drive]]
) -> list[Calibration]:
    """Single readings by split, and reads after the vote."""
    found = []
    measured = [r for r in results if r.labelled.name != OWN_SET] or results
    for model in models:
        for split in sorted({r.labelled.split for r in measured}):
            own = [r for r in measured if r.model == model.name and r.labelled.split == split]
            found.append(calibration(model.name, f"single readings, split {split}", tables.judgements(own)))
        votes = tables.vote_judgements(drive for name, drive in drives if name == model.name)
        found.append(calibration(model.name, "after the vote", votes))
    return [c for c in found if c.readings]


def _confusions(models: Sequence[Model], results: Sequence[SetResult]) -> list[Confusion]:
    measured = [r for r in results if r.labelled.name != OWN_SET] or results
    found = []
    for model in models:
        texts = [
            (plate.facts.text, plate.answer.text)
            for result in measured
            if result.model == model.name
            for plate in result.judged
            if plate.answer is not None and plate.facts.text
        ]
        scope = f"{len(texts)} readings, split {measured[0].labelled.split}"
        found.append(Confusion(model.name, scope, confusion(texts), edge_errors(texts)))
    return found


def _failures(results: Sequence[SetResult]) -> list[Failure]:
    """Every plate that some model did not read exactly, with what each made of it; then readings on no plate."""
    by_set: dict[tuple[str, str], list[SetResult]] = defaultdict(list)
    for result in results:
        by_set[result.labelled.name, result.labelled.split].append(result)
    found = []
    for same_set in by_set.values():
        for plates in zip(*(result.judged for result in same_set), strict=True):
            if plates[0].facts.text and not all(plate.exact for plate in plates):
                found.append(_failure([r.model for r in same_set], plates))
        found += [_on_no_plate(result, extra) for result in same_set for extra in result.spurious]
    return found


def _failure(models: Sequence[str], plates: Sequence[Judged]) -> Failure:
    facts = plates[0].facts
    boxes = [plate.answer.box for plate in plates if plate.answer is not None and plate.answer.box is not None]
    answers = tuple((model, plate.answer) for model, plate in zip(models, plates, strict=True))
    image = cutouts.place(facts.path, facts.box, boxes)
    return Failure(facts.set_name, facts.split, facts.path.name, facts.text, facts.country, answers, image)


def _on_no_plate(result: SetResult, extra: Spurious) -> Failure:
    image = cutouts.place(extra.path, None, [extra.answer.box] if extra.answer.box else [])
    answers = ((result.model, extra.answer),)
    return Failure(result.labelled.name, result.labelled.split, extra.path.name, None, None, answers, image)
