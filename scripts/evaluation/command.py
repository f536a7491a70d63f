"""The command line of scripts/evaluate: options in, a table on the terminal, a report and a JSON file out."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anpr_node.errors import AnprError
from evaluation.gather import Wanted, gather
from evaluation.goals import goals
from evaluation.measures import Share
from evaluation.models import load_models
from evaluation.page import page
from evaluation.report import Report, SetLine, plain
from evaluation.samples import ROOT
from evaluation.tables_html import percent

DEFAULT_DATA = ROOT.parent / "shared" / "data"
DESCRIPTION = """\
Measure how well the node reads, and write one HTML report that a browser opens without a network.

The node's own reader goes over labelled pictures, cut-out plates, clips and, if asked, the simulated road. Without a
data folder it reads the repository's own six pictures, which shows that everything works but says little.

examples:
  scripts/evaluate                                        the repository's models on ../shared/data, split dev
  scripts/evaluate --data /mnt/plates --out report.html   another data folder
  scripts/evaluate --models old=/backup/models --models new=models      two releases side by side
  scripts/evaluate --models recogniser=/runs/7/plate_recognizer         one half new, the other from models/
  scripts/evaluate --roadside 200                         and 200 vehicles by night and 200 by day (minutes)
  scripts/evaluate --quick                                headline, failures, confidence; no curves (seconds)

A data folder holds scenes/*/, crops/*/ and clips/, each with labels.jsonl (see models/training/README.md). Its pictures
end up in the report, never in the repository: keep the report where such pictures may be kept.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; 0 when the report is written, 1 with one line that says why not, 2 for wrong use."""
    options = _parser().parse_args(arguments)
    try:
        data = _data_folder(options.data)
        for target in filter(None, (options.out, options.json)):
            _refuse_inside_repository(target, data)
        wanted = Wanted(data, options.split, options.roadside, not options.quick, not options.quick, options.seed)
        with load_models(options.models) as models:
            report = gather(models, wanted)
        _write(report, options.out, options.json)
    except (AnprError, OSError) as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 1
    _print_headline(report)
    print(f"\nreport: {options.out}" + (f"\nnumbers: {options.json}" if options.json else ""))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "scripts/evaluate", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="labelled data (default: $ANPR_DATA, else ../shared/data if it exists)",
    )
    add("--split", default="dev", help="the only split that is read (default dev; train tells nothing about the road)")
    add("--models", action="append", default=[], metavar="[NAME=]FOLDER",
        help="holds plate_detector/, plate_recognizer/ or both; repeat to compare (default: models/)")  # fmt: skip
    add("--out", type=Path, default=Path("build/evaluation.html"), metavar="FILE",
        help="the report (default build/evaluation.html)")  # fmt: skip
    add("--json", type=Path, metavar="FILE", help="also write the numbers: no pictures, but the texts of failures")
    add("--roadside", type=int, default=0, metavar="N", help="vehicles on the simulated road, by night and by day (0)")
    add("--quick", action="store_true", help="leave out robustness curves and painted training pictures")
    add("--seed", type=int, default=7, help="of noise, spots and simulated traffic (default 7)")
    return parser


def _data_folder(named: Path | None) -> Path | None:
    """The folder asked for, else that of ANPR_DATA, else the usual one if it is there."""
    if named is None and "ANPR_DATA" in os.environ:
        named = Path(os.environ["ANPR_DATA"])
    if named is None:
        return DEFAULT_DATA if DEFAULT_DATA.is_dir() else None
    if not named.is_dir():
        raise FileNotFoundError(f"{named}: no such folder; name the labelled data with --data")
    return named


def _refuse_inside_repository(file: Path, data: Path | None) -> None:
    """Pictures of a data folder must not end up where they may be committed; build/ is ignored by git."""
    target = file.resolve()
    if data is not None and target.is_relative_to(ROOT) and not target.is_relative_to(ROOT / "build"):
        raise PermissionError(f"{file}: would hold pictures or plates of {data}, which stay out of the repository; "
                              "write it to build/ or outside")  # fmt: skip


def _write(report: Report, out: Path, numbers: Path | None) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(report), encoding="utf-8")
    if numbers is not None:
        numbers.parent.mkdir(parents=True, exist_ok=True)
        numbers.write_text(json.dumps(_numbers(report), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _numbers(report: Report) -> dict[str, Any]:
    judged = [{**plain(goal), "met": goal.met} for goal in goals(report)]
    return {**plain(report), "goals": judged}


def _print_headline(report: Report) -> None:
    widths = (26, 6, 14, 7, 22, 7, 6, 7, 9, 9, 8, 7)
    head = ("set", "split", "model", "plates", "exact % (95 %)", "fold %", "CER %", "found %", "misread", "spurious",
            "country", "CPU ms")  # fmt: skip
    print(_aligned(head, widths))
    for line in report.lines:
        print(_aligned(_headline(line), widths))
    for model, drive in report.drives:
        right = Share(sum(p.right for p in drive.passings), len(drive.passings))
        print(
            f"{drive.source}, {model}: {right.hits} of {right.total} passages right, {len(drive.extra)} reads of none"
        )


def _headline(line: SetLine) -> tuple[str, ...]:
    result, counts = line.result, line.result.counts
    exact = Share(counts.exact, counts.plates)
    low, high = exact.interval
    return (
        result.labelled.name,
        result.labelled.split,
        result.model,
        str(counts.plates),
        f"{percent(exact.rate)} ({percent(low)}–{percent(high)})",
        percent(Share(counts.folded, counts.plates).rate),
        percent(counts.error_sum / counts.plates if counts.plates else None),
        "–" if result.labelled.patches else percent(Share(counts.found, counts.boxes).rate),
        f"{counts.misread / max(1, counts.pictures):.3f}",
        "–" if result.labelled.patches else f"{counts.spurious / max(1, counts.pictures):.3f}",
        percent(line.row.country.rate),
        f"{result.cpu_ms_median:.1f}",
    )


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    left = "".join(f"{text:<{width}}" for text, width in zip(cells[:3], widths[:3], strict=True))
    return left + "".join(f"{text:>{width}}" for text, width in zip(cells[3:], widths[3:], strict=True))
