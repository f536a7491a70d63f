"""How long to wait before the next try: full jitter between 0 and a bound that doubles from 1 s to 5 min.

The sink's own wish (Retry-After) comes first. No time is read here.
"""

from __future__ import annotations

import random

FIRST_S = 1.0
LAST_S = 300.0
WISH_MAX_S = 3600.0
"""A sink that asks for more is asked again after so long all the same."""


class Backoff:
    """The pauses of one line to one sink."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)
        self.failures = 0

    def succeeded(self) -> None:
        """Begin anew with the next failure."""
        self.failures = 0

    def failed(self, wish_s: float | None = None) -> float:
        """One more failure; the seconds to wait, never shorter than the sink wishes."""
        bound_s = min(LAST_S, FIRST_S * 2.0 ** min(self.failures, 20))
        self.failures += 1
        pause_s = self._random.uniform(0, bound_s)
        return pause_s if wish_s is None else max(pause_s, min(wish_s, WISH_MAX_S))
