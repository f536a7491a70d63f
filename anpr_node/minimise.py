"""What of a read may reach the card under the law's terms: all of it, without its surroundings, or nothing.

It decides and cuts; it writes nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from anpr_node.policy import Terms
from anpr_node.records import Evidence, Hit, Plane, PlateBox, PlateRead

ABOVE, BESIDE, BELOW = 0.6, 1.5, 1.0
"""What a masked overview keeps around the plate, in plate widths: a windscreen begins well above, people are beside."""
CORRECTED_FROM = "corrected_from:"


def storable(read: PlateRead, hits: Sequence[Hit], terms: Terms, is_stored: Callable[[str], bool]) -> PlateRead | None:
    """The read as it may be stored, None: not at all.

    Where non-hits may not be kept, the correction of a hit into a non-hit is kept without any text: it says that the
    hit was wrong, and no more.
    """
    if terms.store_non_hits:
        return read
    corrects = read.corrects if read.corrects is not None and is_stored(read.corrects) else None
    flags = tuple(flag for flag in read.flags if not flag.startswith(CORRECTED_FROM))
    if hits:
        return replace(read, corrects=corrects, flags=flags)
    if corrects is None:
        return None
    return replace(read, vrm="", country=None, candidates=(), corrects=corrects, flags=(*flags, "text_withheld"))


def masked(overview: Plane, box: PlateBox) -> Plane:
    """The overview with everything black that is not close around the plate."""
    rows, columns = overview.shape
    x1, y1, x2, y2 = box.bounds
    width = box.width_px
    top, bottom = max(0, round(y1 - ABOVE * width)), min(rows, round(y2 + BELOW * width))
    left, right = max(0, round(x1 - BESIDE * width)), min(columns, round(x2 + BESIDE * width))
    kept = np.zeros_like(overview)
    kept[top:bottom, left:right] = overview[top:bottom, left:right]
    return kept


def storable_evidence(evidence: Evidence, box: PlateBox, terms: Terms) -> Evidence:
    """The pictures as they may be stored."""
    return replace(evidence, overview=masked(evidence.overview, box)) if terms.mask_occupants else evidence
