"""The clock seam: monotonic time for intervals, UTC at the edge, and how good that UTC is.

Nothing else in the package asks the operating system for the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from anpr_node.records import ClockState


class Clock(Protocol):
    """Where a component gets its time from; tests and replays advance it themselves."""

    def monotonic_ns(self) -> int:
        """Nanoseconds that never jump; the time base of `Frame.captured_ns`."""
        ...

    def utc_ns(self, monotonic_ns: int) -> int:
        """UTC nanoseconds since the epoch of a moment on the monotonic clock."""
        ...

    def state(self) -> ClockState:
        """How good the UTC is."""
        ...


class SystemClock:
    """The machine's own clocks. UTC is taken as undisciplined (`free`) until a time source is wired to the node."""

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC; libcamera's SensorTimestamp differs from it by suspend, which a node never does."""
        return time.monotonic_ns()

    def utc_ns(self, monotonic_ns: int) -> int:
        """UTC of a past or present monotonic moment, through the offset as it is now."""
        return time.time_ns() - (time.monotonic_ns() - monotonic_ns)

    def state(self) -> ClockState:
        """Free-running: the offset to true time is not known here."""
        return ClockState("free", 0.0, 0.0)


class SimulatedClock:
    """Time that moves only when told to: `advance_to` from a simulated trigger, a replayed clip or a test."""

    def __init__(self, epoch_utc_ns: int = 1_767_225_600_000_000_000) -> None:
        """`epoch_utc_ns` is the UTC at monotonic zero; 2026-01-01 unless told otherwise, so that tests repeat."""
        self._epoch_utc_ns = epoch_utc_ns
        self._now_ns = 0
        self._goes_on: Callable[[], int] = lambda: 0

    def go_on_by(self, now_ns: Callable[[], int]) -> None:
        """Move between the pulses too, by a pacer in real time: then what happens between two frames takes time."""
        self._goes_on = now_ns

    def advance_to(self, monotonic_ns: int) -> None:
        """Move forward to `monotonic_ns`; a moment already past changes nothing."""
        self._now_ns = max(self._now_ns, monotonic_ns)

    def monotonic_ns(self) -> int:
        """The simulated moment."""
        return max(self._now_ns, self._goes_on())

    def utc_ns(self, monotonic_ns: int) -> int:
        """UTC of a simulated moment."""
        return self._epoch_utc_ns + monotonic_ns

    def state(self) -> ClockState:
        """Free-running: nothing disciplines a time that is made up."""
        return ClockState("free", 0.0, 0.0)
