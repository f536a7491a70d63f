"""Checks on what a look shows: strobe, covered, glaring, dark or blurred lens, moved mount. Pure but for the strobe's.

Each says True, False, or None where it cannot judge.
"""

from __future__ import annotations

from collections import deque
from itertools import takewhile

import numpy as np

from anpr_node.supervision.limits import (
    BLURRED_SHARE,
    COVERED_CONTRAST_SHARE,
    COVERED_LIKENESS,
    DARK_LEVEL,
    FADING_S,
    GLARE_SHARE,
    MOVED_SHARE_OF_WIDTH,
    PROBE_AGAIN_S,
    PROBE_BELOW_LEVEL,
    PROBE_PERIOD_S,
    PROBES_FAILED,
    PROBES_PASSED,
    STROBE_LEVELS_MIN,
    STROBE_SHARE_MIN,
)
from anpr_node.supervision.mount import shift_px
from anpr_node.supervision.numbers import Look, likeness
from anpr_node.supervision.reference import Reference
from anpr_node.units import NS_PER_S

PAIR_MAX_NS = 1_500_000_000
DUSK_NS = 60_000_000_000
WHOLE_SHARE, GONE_SHARE = 0.75, 0.3
SHARES_KEPT, MEANS_KEPT, GOOD_KEPT = 120, 20, 12


def is_dark(look: Look) -> bool:
    """Too little light to read by."""
    return look.mean < DARK_LEVEL


def is_glaring(look: Look) -> bool:
    """Too much of the picture is white."""
    return look.glaring_share > GLARE_SHARE


def is_covered(look: Look, reference: Reference) -> bool:
    """Neither contrast nor the well-known view is left; a picture that is only too dark still shows the view."""
    flat = look.contrast < COVERED_CONTRAST_SHARE * reference.contrast
    return flat and likeness(look.grid, reference.grid) < COVERED_LIKENESS


def is_blurred(look: Look, reference: Reference) -> bool | None:
    """The view is there, its edges are not."""
    if look.contrast < COVERED_CONTRAST_SHARE * reference.contrast:
        return None
    return look.crispness < BLURRED_SHARE * reference.crispness


def is_moved(look: Look, reference: Reference) -> bool | None:
    """The view lies elsewhere in the picture."""
    shift = shift_px(look.half, reference.half)
    return None if shift is None else max(map(abs, shift)) > MOVED_SHARE_OF_WIDTH * look.half.shape[1]


class Strobe:
    """Compares frames with and without the strobe. It asks for a dark one when the strobe should matter.

    A lens that is covered little by little loses the strobe's light too, but slowly; that is not the strobe's fault.
    """

    def __init__(self) -> None:
        self._before: Look | None = None
        self._dark: Look | None = None
        self._was_dark = False
        self._next_probe_ns = 0
        self._failed = self._passed = 0
        self._sudden = True
        self._means: deque[float] = deque(maxlen=MEANS_KEPT)
        self._bright_ns: int | None = None
        self._good: deque[tuple[float, float]] = deque(maxlen=GOOD_KEPT)
        """Median grey of dark looks, and what the strobe added to it, of the last comparisons that went well."""
        self._shares: deque[tuple[int, float]] = deque(maxlen=SHARES_KEPT)

    @property
    def is_doubtful(self) -> bool:
        """Whether light is missing that the strobe should have given: other findings wait until that is clear."""
        return self._failed > 0 and self._sudden

    def wants_dark(self, now_ns: int) -> bool:
        """Whether the next frame should be taken without the strobe: at dusk and by night, and while in doubt."""
        due = self._before is not None and not self._was_dark and now_ns >= self._next_probe_ns
        return due and (self._failed > 0 or self._is_night(now_ns))

    def _is_night(self, now_ns: int) -> bool:
        """Dim, and for longer than it takes to cover a lens by day."""
        long_dim = self._bright_ns is None or now_ns - self._bright_ns > DUSK_NS
        return long_dim and bool(self._means) and float(np.median(self._means)) < PROBE_BELOW_LEVEL

    def forget_pair(self) -> None:
        """Frames come out of order: which of them was dark is not known."""
        self._before = self._dark = None

    def look(self, look: Look) -> bool | None:
        """A verdict for the lit look that follows a dark one, None for all others."""
        now_ns = look.mark.arrived_ns
        self._was_dark = look.mark.probe
        if look.mark.probe:
            self._dark = look if self._before and now_ns - self._before.mark.arrived_ns < PAIR_MAX_NS else None
            return None
        if not look.mark.illuminated:
            self._before = self._dark = None
            return None
        before, dark = self._before, self._dark
        self._before, self._dark = look, None
        self._follow(look)
        if before is None or dark is None or now_ns - dark.mark.arrived_ns > PAIR_MAX_NS:
            return None
        # a vehicle that comes or goes between two looks may darken one of the pairs, hardly both
        added = max(float(np.median(lit.grid - dark.grid)) for lit in (before, look))
        return self._judge(added, dark, now_ns)

    def _follow(self, lit: Look) -> None:
        """How much of the strobe's light comes back; when hardly any does, compare at once."""
        self._means.append(lit.mean)
        if float(np.median(self._means)) >= PROBE_BELOW_LEVEL:
            self._bright_ns, self._failed = lit.mark.arrived_ns, 0  # by day it is not judged
        if not self._good:
            return
        dark, added = np.median(self._good, axis=0)
        share = float((np.median(lit.grid) - dark) / added)
        self._shares.append((lit.mark.arrived_ns, share))
        if share < GONE_SHARE and not self._failed:
            self._next_probe_ns = min(self._next_probe_ns, lit.mark.arrived_ns)

    def _judge(self, added: float, dark: Look, now_ns: int) -> bool:
        usual = float(np.median([light for _, light in self._good])) if self._good else 0.0
        if added >= max(STROBE_LEVELS_MIN, STROBE_SHARE_MIN * usual):
            return self._lit_again(float(np.median(dark.grid)), added, now_ns)
        if not self._failed:
            self._sudden = self._fell_suddenly()
        self._failed, self._passed = self._failed + 1, 0
        again_s = PROBE_AGAIN_S if self._failed < PROBES_FAILED else PROBE_PERIOD_S / 2
        self._next_probe_ns = now_ns + int(again_s * NS_PER_S)
        return self._failed >= PROBES_FAILED and self._sudden

    def _lit_again(self, dark_level: float, added: float, now_ns: int) -> bool:
        """A dead strobe is believed to live only at the second good comparison: headlamps are light too."""
        self._passed += 1
        if self._failed >= PROBES_FAILED and self._passed < PROBES_PASSED:
            self._next_probe_ns = now_ns + int(PROBE_AGAIN_S * NS_PER_S)
            return self._sudden
        self._failed, self._next_probe_ns = 0, now_ns + int(PROBE_PERIOD_S * NS_PER_S)
        self._good.append((dark_level, added))
        return False

    def _fell_suddenly(self) -> bool:
        """Whether the light was whole until shortly before it was gone; true when nothing is known of before."""
        gone = list(takewhile(lambda moment: moment[1] < GONE_SHARE, reversed(self._shares)))
        if not gone:
            return True
        gone_ns = gone[-1][0]
        early_ns, late_ns = gone_ns - int(FADING_S * NS_PER_S), gone_ns - NS_PER_S // 2
        before = [share for ns, share in self._shares if early_ns <= ns <= late_ns]
        return not before or float(np.median(before)) > WHOLE_SHARE
