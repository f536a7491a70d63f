"""Turns the recogniser's column logits (CTC) into a text, a score per character and other texts it may be.

It knows no plate syntax and rejects nothing; pure numpy, well under a millisecond a plate.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

# Two different symbols in touching columns are one character if the weaker fills one column, fainter than this (an
# edge misread), or if this share of the weaker lies under the other (O or 0). Chosen on plates kept out of training.
_STRAY_BELOW = 0.8
_WAVERING_ABOVE = 0.15
_GHOST_ABOVE = 0.03  # a gap whose columns hide a symbol with more than this is offered as a possible character
_ALTERNATIVE_ABOVE = 1e-4
_ALTERNATIVES_MAX = 6


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text with one score (0..1) per character; candidates are (text, score), best first, the text itself first."""

    text: str
    char_scores: tuple[float, ...]
    candidates: tuple[tuple[str, float], ...]


# What may stand at one place of the text, with probabilities, likeliest first; "" is no character at all.
_Slot = list[tuple[str, float]]


def decode(logits: Float32, alphabet: str, beam: int = 10) -> Decoded:
    """Read columns from left to right.

    logits: [T, C] float32, T columns, C = len(alphabet) symbols and the blank last; any scale a softmax takes.
    beam: how many candidates to return at most; 1 for the best text alone.
    """
    probabilities = _softmax(np.asarray(logits, np.float32))
    slots = [_slot(probabilities[first:end], alphabet) for first, end in _spans(probabilities)]
    best = [slot[0] for slot in slots]
    text = "".join(symbol for symbol, _ in best)
    scores = tuple(score for symbol, score in best if symbol)
    return Decoded(text, scores, tuple(_candidates(slots, beam)))


def _softmax(logits: Float32) -> Float32:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Float32 = weights / weights.sum(axis=1, keepdims=True)
    return shares


def _spans(probabilities: Float32) -> list[tuple[int, int]]:
    """Return the column spans [first, end) that each hold one character, or may hold one that the blank outweighs."""
    blank = probabilities.shape[1] - 1
    path = probabilities.argmax(axis=1)
    cuts = (np.flatnonzero(np.diff(path)) + 1).tolist()
    spans: list[tuple[int, int]] = []
    touching = False  # the previous run was a symbol too
    for first, end in zip([0, *cuts], [*cuts, len(path)], strict=True):
        if path[first] == blank:
            spans += _ghosts(1.0 - probabilities[first:end, blank], first)
            touching = False
        elif touching and _is_one(
            probabilities[spans[-1][0] : end], path[first - 1], path[first], first - spans[-1][0]
        ):
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((first, end))
            touching = True
    return spans


def _is_one(columns: Float32, left: int, right: int, left_count: int) -> bool:
    """Tell whether two different symbols side by side are one character that the network wavers about."""
    masses = columns[:, left].sum(), columns[:, right].sum()
    overlap = np.minimum(columns[:, left], columns[:, right]).sum()
    if overlap > _WAVERING_ABOVE * min(masses):
        return True
    parts = (columns[:left_count, left], columns[left_count:, right])
    mass, count = min((float(part.sum()), len(part)) for part in parts)
    return count == 1 and mass < _STRAY_BELOW


def _ghosts(inked: Float32, offset: int) -> list[tuple[int, int]]:
    """Spans within a blank run where the blank is not sure."""
    marked = np.flatnonzero(inked > _GHOST_ABOVE)
    if not marked.size:
        return []
    groups = np.split(marked, np.flatnonzero(np.diff(marked) > 1) + 1)
    return [(offset + int(group[0]), offset + int(group[-1]) + 1) for group in groups]


def _slot(columns: Float32, alphabet: str) -> _Slot:
    """Probabilities of each symbol, and of none, over the columns of one character."""
    none = float(columns[:, -1].prod())
    sums = columns[:, :-1].sum(axis=0)
    shares = sums * ((1.0 - none) / max(float(sums.sum()), 1e-9))
    likeliest = np.argsort(shares)[: -_ALTERNATIVES_MAX - 1 : -1].tolist()
    slot = [(alphabet[i], float(shares[i])) for i in likeliest if shares[i] > _ALTERNATIVE_ABOVE]
    slot.append(("", none))
    # A sure blank column may hide behind many unsure ones; what argmax saw stays first.
    if columns.argmax(axis=1).min() == columns.shape[1] - 1:
        return [slot[-1], *slot[:-1]]
    return [slot[0], *sorted(slot[1:], key=lambda option: -option[1])]


def _candidates(slots: list[_Slot], count: int) -> list[tuple[str, float]]:
    """Return the likeliest texts with the product of their places' probabilities, best first, each once."""
    start = (0,) * len(slots)
    heap = [(-_score(slots, start), start)]
    seen = {start}
    found: dict[str, float] = {}
    while heap and len(found) < count:
        score, choice = heapq.heappop(heap)
        found.setdefault("".join(slot[i][0] for slot, i in zip(slots, choice, strict=True)), -score)
        for place, index in enumerate(choice):
            following = (*choice[:place], index + 1, *choice[place + 1 :])
            if index + 1 < len(slots[place]) and following not in seen:
                seen.add(following)
                heapq.heappush(heap, (-_score(slots, following), following))
    return list(found.items())


def _score(slots: list[_Slot], choice: tuple[int, ...]) -> float:
    score = 1.0
    for slot, index in zip(slots, choice, strict=True):
        score *= slot[index][1]
    return score
