"""Clocks and quantiles. Knows nothing of plates."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence


def cpu_ms(work: Callable[[], object]) -> float:
    """CPU milliseconds of the whole process, helper threads of libraries included."""
    started_s = time.process_time()
    work()
    return (time.process_time() - started_s) * 1e3


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def spread(values: Sequence[float], unit: str = "ms") -> str:
    """Median, p99 and most, as text."""
    return f"median {quantile(values, 0.5):.1f}, p99 {quantile(values, 0.99):.1f}, most {max(values):.1f} {unit}"
