"""What several readings of one plate say together, and how sure that is. Pure functions of their arguments."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from anpr_node.records import Candidate, PlateText

OTHER_SCORE_MIN = 1e-3
CANDIDATES_MAX = 10


@dataclass(frozen=True, slots=True)
class Vote:
    """The winning text; `votes` counts the readings whose first choice it was."""

    text: str
    confidence: float
    candidates: tuple[Candidate, ...]
    votes: int
    country: str | None


def vote(plates: Sequence[PlateText], country_above: float) -> Vote | None:
    """The joint verdict of the readings of one track, or None when none of them read anything.

    Each reading gives its candidates' probabilities and leaves the rest to "some other text". Logarithms are averaged
    and weighed as the square root of the number of readings, because frames of one passage share their dirt and
    blur. Only a text that some reading saw as its first choice can win: the evidence must show what the row says.
    """
    read = [plate for plate in plates if plate.text]
    if not read:
        return None
    weight = len(read) ** -0.5
    firsts = Counter(plate.text for plate in read)
    texts = {candidate.text for plate in read for candidate in plate.candidates}
    scores = {text: weight * sum(math.log(_score(plate, text)) for plate in read) for text in texts}
    other = weight * sum(math.log(_other(plate)) for plate in read)
    top = max(*scores.values(), other)
    total = sum(math.exp(score - top) for score in scores.values()) + math.exp(other - top)
    ranked = sorted(texts, key=lambda text: (-scores[text], text))
    candidates = tuple(Candidate(text, math.exp(scores[text] - top) / total) for text in ranked[:CANDIDATES_MAX])
    winner = max(firsts, key=lambda text: (scores[text], text))
    confidence = math.exp(scores[winner] - top) / total
    return Vote(winner, confidence, candidates, firsts[winner], _country(read, country_above))


def _score(plate: PlateText, text: str) -> float:
    """The reading's probability of a text; one it does not list gets a part of the rest."""
    for candidate in plate.candidates:
        if candidate.text == text:
            return max(candidate.score, OTHER_SCORE_MIN / CANDIDATES_MAX)
    return _other(plate) / CANDIDATES_MAX


def _other(plate: PlateText) -> float:
    return max(OTHER_SCORE_MIN, 1.0 - sum(candidate.score for candidate in plate.candidates))


def _country(plates: Sequence[PlateText], country_above: float) -> str | None:
    """The country with the highest mean score, where that is sure enough to be said."""
    sums: Counter[str] = Counter()
    for plate in plates:
        if plate.country:
            sums[plate.country] += plate.country_score  # type: ignore[assignment]
    if not sums:
        return None
    country, total = sums.most_common(1)[0]
    return country if total / len(plates) >= country_above else None
