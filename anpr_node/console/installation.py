"""What an installation has come to: each step with its verdict, values, moment and person, kept in the state folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from anpr_node.calibration.verdicts import Judged, Verdict
from anpr_node.errors import StoreError
from anpr_node.whole_file import write_whole

FILE_NAME = "installation.json"
STEPS = (
    "site", "aim", "focus", "exposure", "illumination", "trigger", "region", "relay", "link", "lists", "report",
)  # fmt: skip
StepVerdict = Verdict | Literal["-"]


@dataclass(frozen=True, slots=True)
class Done:
    """One step as it ended last."""

    verdict: Verdict
    at_s: float
    by: str
    note: str = ""
    values: dict[str, float] = field(default_factory=dict)


def read(folder: Path) -> dict[str, Done]:
    """Every step that was done; a damaged file is as good as none: steps can be repeated."""
    try:
        rows = json.loads((folder / FILE_NAME).read_text("utf-8"))
        return {name: Done(**row) for name, row in rows.items() if name in STEPS}
    except (OSError, ValueError, TypeError):
        return {}


def note(folder: Path, step: str, done: Done) -> None:
    """Keep a step's end. Raises StoreError."""
    rows = {name: asdict(each) for name, each in {**read(folder), step: done}.items()}
    try:
        write_whole(folder / FILE_NAME, json.dumps(rows, indent=1))
    except OSError as error:
        raise StoreError(f"the step cannot be kept: {error.strerror}") from error


def values_of(judged: list[Judged]) -> dict[str, float]:
    """The values that were measured."""
    return {each.name: round(each.value, 4) for each in judged if each.value is not None}


def first_open(folder: Path) -> str | None:
    """The first step that is not OK; None when all are."""
    done = read(folder)
    return next((step for step in STEPS if step not in done or done[step].verdict != "OK"), None)


def verdict_of(done: dict[str, Done], step: str) -> StepVerdict:
    """The verdict of a step; - where it was not done."""
    return done[step].verdict if step in done else "-"
