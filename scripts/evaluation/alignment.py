"""Which character was taken for which: a wanted and a read text laid side by side at least cost.

Texts only; it knows no syntax.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

NOTHING = "·"
"""Stands where a text has no character: lost when it was read, added when it was wanted."""

Pair = tuple[str, str]
"""A wanted character and what was read for it; NOTHING on either side."""


def align(wanted: str, read: str) -> tuple[Pair, ...]:
    """The pairs of a cheapest alignment, left to right; substitutions are preferred to losing and adding."""
    costs = _costs(wanted, read)
    row, column = len(wanted), len(read)
    pairs: list[Pair] = []
    while row or column:
        here = costs[row][column]
        if row and column and here == costs[row - 1][column - 1] + (wanted[row - 1] != read[column - 1]):
            row, column = row - 1, column - 1
            pairs.append((wanted[row], read[column]))
        elif row and here == costs[row - 1][column] + 1:
            row -= 1
            pairs.append((wanted[row], NOTHING))
        else:
            column -= 1
            pairs.append((NOTHING, read[column]))
    return tuple(reversed(pairs))


def _costs(wanted: str, read: str) -> list[list[int]]:
    costs = [list(range(len(read) + 1))]
    for row, want in enumerate(wanted, 1):
        line = [row]
        for column, got in enumerate(read, 1):
            line.append(min(costs[-1][column] + 1, line[-1] + 1, costs[-1][column - 1] + (want != got)))
        costs.append(line)
    return costs


def confusion(texts: Iterable[Pair]) -> Counter[Pair]:
    """How often each character was read as each, over (wanted text, read text)."""
    counts: Counter[Pair] = Counter()
    for wanted, read in texts:
        counts.update(align(wanted, read))
    return counts


def edge_errors(texts: Iterable[Pair]) -> tuple[int, int, int]:
    """Wrong characters at the beginning, inside, and at the end of the wanted texts."""
    first = inside = last = 0
    for wanted, read in texts:
        pairs = align(wanted, read)
        for index, (want, got) in enumerate(pairs):
            wrong = want != got
            first += wrong and index == 0
            last += wrong and index == len(pairs) - 1 > 0
            inside += wrong and 0 < index < len(pairs) - 1
    return first, inside, last
