"""When systemd's watchdog may be fed: only while frames move and commits succeed.

Times are seconds of any steady clock; nothing is read or sent here.
"""

from __future__ import annotations

FRAMES_MAX_AGE_S = 30.0
"""Longer than the steps of recovery inside the process take, so that they come first."""
COMMITS_MAX_AGE_S = 120.0
PROVE_EVERY_S = 30.0
"""With no traffic there is nothing to commit; a row of its own then proves that the card takes writes."""
WATCHDOG_S = 30.0
"""`WatchdogSec=` of the unit."""
EXHAUSTED_WATCHDOG_S = 900.0
"""Asked of systemd when every step of recovery is used up: the process is still restarted, but four times an hour."""


class Vitals:
    """Ages of the last new frame and of the last good commit."""

    def __init__(self, now_s: float) -> None:
        """A start counts as a sign of life of both."""
        self._frames, self._stored, self._failures = 0, "", 0
        self._failing = False
        self._frame_s = self._commit_s = self._proved_s = now_s

    def frames(self, count: int, now_s: float) -> None:
        """How many frames there were so far."""
        if count != self._frames:
            self._frames, self._frame_s = count, now_s

    def frame_age_s(self, now_s: float) -> float:
        """How long ago the last frame came, or the start was."""
        return now_s - self._frame_s

    def commits(self, stored: str, failures: int, now_s: float) -> None:
        """The last read that the recorder stored, and how often it failed so far."""
        if stored != self._stored:
            self._failing, self._commit_s = False, now_s
        elif failures != self._failures:
            self._failing = True
        self._stored, self._failures = stored, failures

    def needs_proof(self, now_s: float) -> bool:
        """Whether it is time to commit something."""
        return now_s - self._proved_s >= PROVE_EVERY_S

    def proved(self, good: bool, now_s: float) -> None:
        """A commit of our own went through, or did not; it says nothing while reads are refused."""
        self._proved_s = now_s
        if good and not self._failing:
            self._commit_s = now_s

    def is_alive(self, now_s: float) -> bool:
        """Whether the watchdog may be fed."""
        return now_s - self._frame_s <= FRAMES_MAX_AGE_S and now_s - self._commit_s <= COMMITS_MAX_AGE_S
