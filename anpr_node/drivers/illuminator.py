"""The illuminator's enable line, kept off while its driver reports a fault, and tried again ever more rarely.

It never judges by pictures whether there is light, and never enables what was not asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from anpr_node.drivers.clock import Clock
from anpr_node.drivers.gpio import SwitchedOutput
from anpr_node.drivers.inputs import WatchedLine
from anpr_node.units import NS_PER_S

log = logging.getLogger(__name__)

SETTLE_S = 0.5
"""So long a driver may still report the old fault after it is enabled: enabling resets its latch."""
PAUSE_MIN_S, PAUSE_MAX_S = 10, 600


class Illuminator:
    """`on` and `off` say what is wanted; `is_lit` says whether a pulse makes light, as far as the wires tell."""

    def __init__(self, enable: SwitchedOutput, fault: WatchedLine | None, clock: Clock) -> None:
        self._enable = enable
        self._fault = fault
        self._clock = clock
        self._wanted = self._paused = False
        self._pause_s = PAUSE_MIN_S
        self._enabled_ns = self._retry_ns = 0
        self.faults = 0

    @property
    def is_lit(self) -> bool:
        """Enabled, and no fault reported."""
        return self._enable.is_on and not self.is_faulty

    @property
    def is_faulty(self) -> bool:
        """Whether the driver reports a fault, be it only by a torn-off wire."""
        return self._fault is not None and self._fault.raised

    def on(self) -> None:
        """Light with every pulse from now on; what is on already stays as it is."""
        if not self._wanted:
            self._wanted, self._pause_s = True, PAUSE_MIN_S
            self._try()

    def off(self) -> None:
        """Dark at once."""
        self._wanted = False
        self._enable.off()

    @contextmanager
    def dark(self) -> Iterator[None]:
        """Without light for a moment, to compare; what is wanted stays, and holds again afterwards."""
        self._paused = True
        self._enable.off()
        try:
            yield
        finally:
            self._paused = False
            if self._wanted:
                self._enable.on()

    def tick(self) -> None:
        """Act on the fault line."""
        now_ns = self._clock.monotonic_ns()
        if not self._wanted or self._paused:
            return
        if not self._enable.is_on:
            if now_ns >= self._retry_ns:
                self._try()
        elif now_ns - self._enabled_ns >= SETTLE_S * NS_PER_S and self.is_faulty:
            self._trip(now_ns)
        elif now_ns - self._enabled_ns >= PAUSE_MAX_S * NS_PER_S:
            self._pause_s = PAUSE_MIN_S  # well for long: the next fault is a new one

    def _try(self) -> None:
        self._enabled_ns = self._clock.monotonic_ns()
        self._enable.on()

    def _trip(self, now_ns: int) -> None:
        self._enable.off()
        self.faults += 1
        log.warning("illuminator fault no. %d: off, tried again in %d s; see its supply and cable", self.faults,
                    self._pause_s)  # fmt: skip
        self._retry_ns = now_ns + self._pause_s * NS_PER_S
        self._pause_s = min(2 * self._pause_s, PAUSE_MAX_S)
