"""Uses how a country spells its plates to tell O from 0 and I from 1, which many plate fonts draw alike.

A prior, never a filter: a text is changed only into one that its own country issues, by characters that look the same
and are not sure, or that the recogniser itself offered; any other text (personalised, foreign) stays as it was read.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from anpr_node import policy
from anpr_node.records import Candidate, PlateText

COUNTRY_SURE = 0.5
ALIKE = {"O": "0", "0": "O", "I": "1", "1": "I", "Q": "0"}
SWAPS_MAX = 2
LOOK_ALIKE_SURE = 0.99
"""A character scored this high was told from its look-alike by its shape; it is not exchanged."""
MISFIT = 0.05
"""How likely a text that its country does not issue is, against one that it does: personalised plates exist."""


def fits(text: str, country: str | None) -> bool | None:
    """Whether a country issues such a text; None where that is not known."""
    pattern = policy.syntaxes().get(country or "")
    return None if pattern is None else pattern.fullmatch(text) is not None


def prefer(plate: PlateText) -> PlateText:
    """The same plate with its text as its country spells it, where that differs by look-alikes only."""
    if plate.country_score < COUNTRY_SURE or fits(plate.text, plate.country) is not False:
        return plate
    better = _alike(plate)
    return _reweighed(plate) if better is None else _exchanged(plate, better)


def _exchanged(plate: PlateText, better: str) -> PlateText:
    """With look-alikes put right."""
    others = tuple(candidate for candidate in plate.candidates if candidate.text != better)
    first, *rest = others
    # the two trade places: what the eye cannot tell apart is as sure as it was
    left = sum(c.score for c in plate.candidates) - sum(c.score for c in others)
    return replace(plate, text=better, candidates=(Candidate(better, first.score), Candidate(first.text, left), *rest))


def _alike(plate: PlateText) -> str | None:
    """The text with the fewest doubtful look-alikes exchanged that fits, if any."""
    places = [n for n, char in enumerate(plate.text) if char in ALIKE and plate.char_scores[n] < LOOK_ALIKE_SURE]
    for count in range(1, SWAPS_MAX + 1):
        for chosen in combinations(places, count):
            text = "".join(ALIKE[char] if n in chosen else char for n, char in enumerate(plate.text))
            if fits(text, plate.country):
                return text
    return None


def _reweighed(plate: PlateText) -> PlateText:
    """With the recogniser's own candidates weighed by whether they fit, and as sure as that leaves them.

    What it left to texts that it does not name keeps its weight.
    """
    weights = [
        c.score * (1.0 if len(c.text) == len(plate.text) and fits(c.text, plate.country) else MISFIT)
        for c in plate.candidates
    ]
    best = max(range(len(weights)), key=weights.__getitem__, default=0)
    if best == 0:
        return plate
    total = sum(weights) + max(0.0, 1.0 - sum(c.score for c in plate.candidates))
    weighed = (Candidate(c.text, weight / total) for c, weight in zip(plate.candidates, weights, strict=True))
    candidates = tuple(sorted(weighed, key=lambda c: -c.score))
    return replace(plate, text=candidates[0].text, candidates=candidates)
