"""The clock seam: monotonic time for intervals, UTC at the edge, and how good that UTC is.

Nothing else in the package asks the operating system for the time.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from anpr_node.drivers import time_source
from anpr_node.drivers.time_source import Source
from anpr_node.records import ClockState

BOOTTIME_READINGS = 9
POLL_NS = 1_000_000_000
STEP_NS = 500_000_000
"""A larger difference is a step, not a slew."""
STA_UNSYNC, STA_NANO, TIME_ERROR = 0x40, 0x2000, 5


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

    def true_offset_ns(self) -> int | None:
        """UTC minus monotonic time while a time source vouches for it, else None."""
        ...

    def ask_source(self) -> None:
        """Find out what kind of source it is. May take seconds: not for the loop."""
        ...


class Machine(Protocol):
    """The operating system's clocks, as far as `SystemClock` needs them."""

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC; libcamera's SensorTimestamp differs from it by suspend, which a node never does."""
        ...

    def realtime_ns(self) -> int:
        """CLOCK_REALTIME: what anybody may set, and a time source slews and steps."""
        ...

    def discipline(self) -> Discipline:
        """What the kernel knows about its time source."""
        ...

    def source(self) -> Source:
        """Which kind of source that is; may take seconds."""
        ...


@dataclass(frozen=True, slots=True)
class Discipline:
    """Whether a time source disciplines the clock, its last known error, and the error it may have grown to."""

    synchronised: bool
    offset_ms: float
    error_max_us: int


class SystemClock:
    """UTC as a mapping from monotonic time, so that a step of the machine's clock changes nothing already measured.

    Small differences are followed; a step is followed when a time source vouches for it. Who sets the clock by hand
    starts the node again: until then its reads share one error, and the first synchronisation can take it out of them.
    """

    def __init__(self, machine: Machine | None = None) -> None:
        self._machine = machine or LinuxClocks()
        self._lock = threading.Lock()
        self._polled_ns = self._machine.monotonic_ns()
        self._offset_ns = self._machine.realtime_ns() - self._polled_ns
        self._discipline = self._machine.discipline()
        self._fed_ns = self._polled_ns
        """When the time source was last seen to work."""
        self._source: Source = "ntp"

    def monotonic_ns(self) -> int:
        """The machine's monotonic clock."""
        return self._machine.monotonic_ns()

    def utc_ns(self, monotonic_ns: int) -> int:
        """UTC of a past or present monotonic moment, through the mapping as it is now."""
        self._poll()
        return monotonic_ns + self._offset_ns

    def state(self) -> ClockState:
        """`free` unless the kernel says that it is disciplined; the age is that of the last word from the source."""
        self._poll()
        age_s = round((self.monotonic_ns() - self._fed_ns) / 1e9, 3)
        if not self._discipline.synchronised:
            return ClockState("free", self._discipline.offset_ms, age_s)
        return ClockState(self._source, self._discipline.offset_ms, age_s)

    def true_offset_ns(self) -> int | None:
        """UTC minus monotonic time while the kernel says that it is disciplined, else None."""
        self._poll()
        return self._offset_ns if self._discipline.synchronised else None

    def ask_source(self) -> None:
        """Ask the machine; a read names what was answered last."""
        self._source = self._machine.source()

    def _poll(self) -> None:
        """Look at the machine's clock, once a second at most."""
        with self._lock:
            now_ns = self._machine.monotonic_ns()
            if now_ns - self._polled_ns < POLL_NS:
                return
            self._polled_ns = now_ns
            before, self._discipline = self._discipline, self._machine.discipline()
            self._follow(self._machine.realtime_ns() - now_ns - self._offset_ns)
            if self._discipline.synchronised and self._discipline.error_max_us <= before.error_max_us:
                self._fed_ns = now_ns

    def _follow(self, difference_ns: int) -> None:
        if self._discipline.synchronised or abs(difference_ns) < STEP_NS:
            self._offset_ns += difference_ns


class LinuxClocks:
    """The clocks of this machine; whether they are disciplined says adjtimex, whoever disciplines them."""

    def __init__(self) -> None:
        self._adjtimex = ctypes.CDLL(None).adjtimex

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC."""
        return time.monotonic_ns()

    def realtime_ns(self) -> int:
        """CLOCK_REALTIME."""
        return time.time_ns()

    def discipline(self) -> Discipline:
        """Ask the kernel; asking changes nothing."""
        answer = _Timex()
        state = self._adjtimex(ctypes.byref(answer))
        synchronised = state not in {-1, TIME_ERROR} and not answer.status & STA_UNSYNC
        per_ms = 1e6 if answer.status & STA_NANO else 1e3
        return Discipline(synchronised, answer.offset / per_ms, answer.maxerror)

    def source(self) -> Source:
        """Ask chrony."""
        return time_source.ask()


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2); what is not read here is padding."""

    _fields_: ClassVar = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    ]


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

    def true_offset_ns(self) -> int | None:
        """Nothing vouches for a time that is made up."""
        return None

    def ask_source(self) -> None:
        """There is none."""


def boottime_lead_ns() -> int:
    """How far CLOCK_BOOTTIME, in which the kernel stamps camera frames, is ahead of CLOCK_MONOTONIC: time suspended.

    The largest of a few differences is the truest: time passes between the two readings, and makes it smaller.
    """
    leads = (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns() for _ in range(BOOTTIME_READINGS))
    return max(leads)
