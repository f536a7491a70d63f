"""Checks on when frames come and which: stall, pulses lost or doubled, order, timestamps, repeated buffers.

They see numbers of frames, never pixels, and each holds a few seconds of them at most.
"""

from __future__ import annotations

from collections import deque

from anpr_node.supervision.limits import (
    AGE_MAX_S,
    AGE_MIN_S,
    EVENT_WINDOW_S,
    EVENTS_MAX,
    FINGERPRINTS_KEPT,
    RATE_OFF_SHARE,
    RATE_WINDOW_S,
    STALL_PERIODS,
    STALL_S,
    START_S,
)
from anpr_node.supervision.numbers import Look, Mark
from anpr_node.units import NS_PER_S


def _patience_ns(period_ns: int | None) -> float:
    """How long no frame is no stall: pulses that wait for presence may be slow."""
    return max(STALL_S * NS_PER_S, STALL_PERIODS * (period_ns or 0))


class Stall:
    """No frame for too long. Before the first one, a real camera's stream takes its time to start."""

    def __init__(self, now_ns: int) -> None:
        self._last_ns = now_ns + int((START_S - STALL_S) * NS_PER_S)
        self._period_ns: int | None = None

    def frame(self, mark: Mark) -> None:
        """One more frame came."""
        self._last_ns, self._period_ns = mark.arrived_ns, mark.period_ns

    def is_suspect(self, now_ns: int) -> bool:
        """Whether the last frame is too long ago."""
        return now_ns - self._last_ns > _patience_ns(self._period_ns)


class Rate:
    """Pulses by number against pulses by time: frames lost by a slow loop show in both and are no fault of the trigger.

    Time is that of arrival, so that a jumping timestamp is not taken for a trigger fault.
    """

    def __init__(self) -> None:
        self._marks: deque[Mark] = deque()

    def frame(self, mark: Mark) -> None:
        """Keep the marks of one window; a stall, a restart or another period begins a new one."""
        if self._marks and self._breaks(self._marks[-1], mark):
            self._marks.clear()
        self._marks.append(mark)
        while mark.arrived_ns - self._marks[0].arrived_ns > RATE_WINDOW_S * NS_PER_S:
            self._marks.popleft()

    @staticmethod
    def _breaks(last: Mark, mark: Mark) -> bool:
        changed = mark.stream != last.stream or mark.period_ns != last.period_ns
        return changed or mark.arrived_ns - last.arrived_ns > _patience_ns(last.period_ns)

    def off_share(self) -> float | None:
        """Surplus of pulses as a share, negative when some are missing; None while the window is short."""
        period_ns = self._marks[-1].period_ns if self._marks else None
        if len(self._marks) < 2 or period_ns is None:
            return None
        elapsed_ns = self._marks[-1].arrived_ns - self._marks[0].arrived_ns
        if elapsed_ns < RATE_WINDOW_S * NS_PER_S / 2:
            return None
        pulses = self._marks[-1].sequence - self._marks[0].sequence
        # one period of doubt at the ends: arrival is not exposure
        excess = pulses - elapsed_ns / period_ns
        doubt = min(1.0, abs(excess))
        return (excess - doubt if excess > 0 else excess + doubt) * period_ns / elapsed_ns

    def is_lost(self) -> bool | None:
        """Whether pulses are missing."""
        share = self.off_share()
        return None if share is None else share < -RATE_OFF_SHARE

    def is_doubled(self) -> bool | None:
        """Whether there are pulses that nobody sent."""
        share = self.off_share()
        return None if share is None else share > RATE_OFF_SHARE


class Recent:
    """Moments of odd events; more than the allowed few within the window are suspicious."""

    def __init__(self) -> None:
        self._moments: deque[int] = deque()

    def note(self, now_ns: int) -> None:
        """One more."""
        self._moments.append(now_ns)

    def is_any(self, now_ns: int) -> bool:
        """Whether there was one lately."""
        return self._count(now_ns) > 0

    def is_suspect(self, now_ns: int) -> bool:
        """Whether there were too many lately."""
        return self._count(now_ns) > EVENTS_MAX

    def _count(self, now_ns: int) -> int:
        while self._moments and now_ns - self._moments[0] > EVENT_WINDOW_S * NS_PER_S:
            self._moments.popleft()
        return len(self._moments)


class Order:
    """Frames whose number is not above all numbers so far, and frames whose own time cannot be right."""

    def __init__(self) -> None:
        self._highest, self._stream = -1, 0
        self._captured_ns = -1
        self.disorder, self.jumps = Recent(), Recent()

    def frame(self, mark: Mark) -> None:
        """Compare with the frame before."""
        if mark.stream != self._stream:
            self._stream, self._highest, self._captured_ns = mark.stream, -1, -1
        in_order = mark.sequence > self._highest
        age_ns = mark.arrived_ns - mark.captured_ns
        if not in_order:
            self.disorder.note(mark.arrived_ns)
        elif not AGE_MIN_S * NS_PER_S <= age_ns <= AGE_MAX_S * NS_PER_S or mark.captured_ns <= self._captured_ns:
            self.jumps.note(mark.arrived_ns)
        if in_order:
            self._highest, self._captured_ns = mark.sequence, mark.captured_ns


class Repeats:
    """The same buffer again. Two exposures are never equal, for noise; but planes all black or white may be."""

    def __init__(self) -> None:
        self._kept: deque[int] = deque(maxlen=FINGERPRINTS_KEPT)

    def is_suspect(self, look: Look) -> bool | None:
        """Whether this plane was seen before; None where that would mean nothing."""
        if look.sharpness == 0:
            return None
        seen = look.fingerprint in self._kept
        self._kept.append(look.fingerprint)
        return seen
