"""What is passed on between the parts of an evaluation: labels, readings, judgements; frozen, no behaviour.

Boxes are x1, y1, x2, y2 in pixels of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluation.kinds import Look

Box = tuple[float, float, float, float]
Row = dict[str, Any]
"""One line of labels.jsonl, or of `anpr-node read --jsonl`."""


@dataclass(frozen=True, slots=True)
class Truth:
    """One labelled plate; `text` is empty where nobody could read it."""

    text: str
    country: str | None
    box: Box | None


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled picture. `complete`: every plate in it is labelled."""

    path: Path
    truths: tuple[Truth, ...]
    complete: bool
    row: Row = field(repr=False)


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Pictures of one set and one split. `patches`: cut-out plates, read without looking for them."""

    name: str
    split: str
    patches: bool
    samples: tuple[Sample, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """One reading of the node; `box` is None for a patch."""

    text: str
    confidence: float
    country: str | None
    box: Box | None


@dataclass(frozen=True, slots=True)
class PlateFacts:
    """What a labelled plate is and looks like, the same for every model."""

    set_name: str
    split: str
    path: Path
    text: str
    country: str | None
    box: Box | None
    kind: str | None
    lines: int
    width_px: float
    look: Look


@dataclass(frozen=True, slots=True)
class Judged:
    """A labelled plate and what one model made of it. `found` is None where its place is not asked for."""

    facts: PlateFacts
    answer: Answer | None
    exact: bool
    folded: bool
    error_rate: float
    found: bool | None
    misread: int


@dataclass(frozen=True, slots=True)
class Spurious:
    """A reading where no plate is."""

    path: Path
    answer: Answer


@dataclass(frozen=True, slots=True)
class Passing:
    """One vehicle that passed: the truth, and the read in force for it. `patch_jpeg` shows what was not read right."""

    source: str
    name: str
    text: str
    country: str | None
    lines: int | None
    speed_kmh: float | None
    read: str | None
    read_country: str | None
    confidence: float
    patch_jpeg: bytes | None = field(default=None, repr=False)

    @property
    def right(self) -> bool:
        """Read, and read right."""
        return self.read == self.text


@dataclass(frozen=True, slots=True)
class Drive:
    """All passages of one source (clips, simulated night), and the reads that belong to none of them."""

    source: str
    passings: tuple[Passing, ...]
    extra: tuple[tuple[str, float], ...]
    frames: int
