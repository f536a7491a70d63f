"""The one normal form of a plate's text (its VRM), used alike for reads, lists and searches.

It changes spelling only; whether a text is a valid plate of some country is not its business.
"""

from __future__ import annotations

import re
import unicodedata

VRM_LENGTH_MAX = 12


def normalise(text: str) -> str:
    """A-Z0-9 only, upper case, accents dropped: `1-abc-123` becomes `1ABC123`."""
    plain = unicodedata.normalize("NFKD", text).upper()
    return re.sub(r"[^A-Z0-9]", "", plain)


def edit_distance(a: str, b: str) -> int:
    """Insertions, deletions and substitutions between two texts (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, char_a in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, char_b in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (char_a != char_b))
    return row[-1]
