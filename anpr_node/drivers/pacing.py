"""Lets due moments arrive: at once, or when the wall clock says so. Nothing else in the drivers sleeps."""

from __future__ import annotations

import time
from typing import Protocol

from anpr_node.drivers.clock import Clock, SystemClock
from anpr_node.units import NS_PER_S


class Pacer(Protocol):
    """What makes a due moment arrive."""

    def wait_until(self, due_ns: int) -> int:
        """Let `due_ns` come; the moment it is then, `due_ns` or later."""
        ...


class VirtualPacer:
    """As fast as it goes: the next moment is there as soon as it is asked for."""

    def wait_until(self, due_ns: int) -> int:
        """Exactly the moment asked for."""
        return due_ns


class WallPacer:
    """Real time for live demonstrations: sleeps until the moment is due, and reports how late it really is."""

    def __init__(self, wall: Clock | None = None) -> None:
        """The first moment asked for is there at once: what is loaded before it, models above all, costs no frames."""
        self._wall = wall or SystemClock()
        self._zero_ns: int | None = None

    def wait_until(self, due_ns: int) -> int:
        """Sleep if there is time left."""
        if self._zero_ns is None:
            self._zero_ns = self._wall.monotonic_ns() - due_ns
        left_ns = due_ns - (self._wall.monotonic_ns() - self._zero_ns)
        if left_ns > 0:
            time.sleep(left_ns / NS_PER_S)
        return max(due_ns, self._wall.monotonic_ns() - self._zero_ns)

    def now_ns(self) -> int:
        """The moment that it is, on the time base of the due moments."""
        return 0 if self._zero_ns is None else self._wall.monotonic_ns() - self._zero_ns
