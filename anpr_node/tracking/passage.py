"""One vehicle's passage: which frames are worth reading, what the vote says, when it is published and corrected.

A passage is published once, as soon as the vote is sure or the vehicle is gone, and corrected at most once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from anpr_node.config import ReadingSection
from anpr_node.records import Evidence, Frame, Plane, PlateBox, Reading
from anpr_node.tracking.vote import Vote, vote
from anpr_node.units import NS_PER_S
from anpr_node.vision import syntax

EVIDENCE_TEXTS_MAX = 3
EDGE_HEIGHTS = 0.3
"""A plate nearer to the edge than this share of its height counts as cut off: what lies outside is only guessed."""


@dataclass(frozen=True, slots=True)
class KeptEvidence:
    """The best frame that read as one text."""

    reading: Reading
    evidence: Evidence
    exposure_us: int


@dataclass
class Passage:
    """The readings of one track so far."""

    settings: ReadingSection
    since_ns: int = 0
    readings: list[Reading] = field(default_factory=list)
    kept: dict[str, KeptEvidence] = field(default_factory=dict)
    attempts: int = 0
    best_width_px: float = 0.0
    least_width_px: float = float("inf")
    last_look_ns: int = 0
    verdict: Vote | None = None
    published: str | None = None
    published_id: str | None = None
    corrections: int = 0

    def wants(self, box: PlateBox, frame: Frame) -> bool:
        """Whether this frame is worth a reading: plate whole, of a readable size, and likely to tell something new."""
        width = box.width_px
        if self.attempts >= self.settings.readings_max:
            return False
        if not self.settings.plate_width_min_px <= width <= self.settings.plate_width_max_px:
            return False
        if touches_edge(box, frame):
            return False
        if not self.is_sure:
            return self._may_become_sure(width, frame)
        grown = width > self.best_width_px * self.settings.better_width
        return grown or len(self.readings) < self.settings.readings_wanted

    def _may_become_sure(self, width_px: float, frame: Frame) -> bool:
        """The first looks follow each other; after them another one needs a plate of another size, or time.

        The looks that time brings leave some over for a slow plate that is too small yet, and grows later.
        """
        settings = self.settings
        if self.attempts < settings.sure_votes_min or width_px > self.best_width_px * settings.better_width:
            return True
        if width_px < self.least_width_px / settings.better_width:
            return True
        waited_s = (frame.captured_ns - self.last_look_ns) / NS_PER_S
        return waited_s >= settings.look_again_s and self.attempts < settings.readings_max - settings.sure_votes_min

    def tried(self, width_px: float, frame: Frame) -> None:
        """Note that a frame was spent on this plate, whatever came of it."""
        self.attempts += 1
        self.last_look_ns = frame.captured_ns
        self.best_width_px = max(self.best_width_px, width_px)
        self.least_width_px = min(self.least_width_px, width_px)

    def add(self, reading: Reading, patch: Plane, frame: Frame) -> None:
        """Take a reading, and keep the frame where it is the best of its text."""
        self.readings.append(reading)
        text, before = reading.plate.text, self.kept.get(reading.plate.text)
        if text and (before is None or _merit(reading) > _merit(before.reading)):
            self._keep(reading, patch, frame)
        counted = [r.plate for r in self.readings if r.plate.text in self.kept]
        self.verdict = vote(counted, self.settings.country_above)

    def _keep(self, reading: Reading, patch: Plane, frame: Frame) -> None:
        """Copy the frame: the only copy of one that there is."""
        self.kept[reading.plate.text] = KeptEvidence(reading, Evidence(patch, frame.pixels.copy()), frame.exposure_us)
        self._forget_worst()

    def _forget_worst(self) -> None:
        if len(self.kept) > EVIDENCE_TEXTS_MAX:
            del self.kept[min(self.kept, key=lambda text: _merit(self.kept[text].reading))]

    @property
    def is_sure(self) -> bool:
        """Enough readings agree, with enough confidence."""
        return (
            self.verdict is not None
            and self.verdict.votes >= self.settings.sure_votes_min
            and self.verdict.confidence >= self.settings.sure_confidence
        )

    def verdict_to_publish(self, ended: bool) -> Vote | None:
        """The vote to publish now: the first sure one, the final one of a plate that is gone, or the one correction."""
        verdict = self.verdict
        if verdict is None or (self.published is not None and not self._corrects(verdict)):
            return None
        if self.is_sure or (ended and self.published is None and self._is_good(verdict)):
            return verdict
        return None

    def _corrects(self, verdict: Vote) -> bool:
        return self.published is not None and verdict.text != self.published and self.corrections == 0

    def _is_good(self, verdict: Vote) -> bool:
        """Each doubt asks for more: a text read once only, and one that its country does not issue.

        Badges and adverts have both. Nothing is filtered: a sure text is published whatever it looks like.
        """
        doubts = (verdict.votes == 1) + (not syntax.fits(verdict.text, verdict.country))
        settings = self.settings
        needed = (settings.publish_confidence, settings.publish_confidence_doubtful, settings.sure_confidence)[doubts]
        return verdict.confidence >= needed


def _merit(reading: Reading) -> float:
    return reading.plate.score * reading.box.width_px


def touches_edge(box: PlateBox, frame: Frame, heights: float = EDGE_HEIGHTS) -> bool:
    """Whether a part of the plate may lie outside the picture; such a plate would be read without its first letters."""
    rows, columns = frame.pixels.shape
    x1, y1, x2, y2 = box.bounds
    margin = box.height_px * heights
    return x1 < margin or y1 < margin or x2 > columns - margin or y2 > rows - margin
