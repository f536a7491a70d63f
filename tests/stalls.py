"""Tells how long this machine let a test and its programs wait; no test of its own.

A figure that is promised in seconds says something of the product only where the machine ran it. `measured` takes it
again where the machine demonstrably did not, by the kernel's own count of the same moments, and never where it did.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

TRIES = 6
PROBE_S = 0.02
PRESSURE = Path("/proc/pressure/io")


def kept_waiting_s(*pids: int) -> float:
    """For how long threads of these processes, and of this one, could have run so far and had no core, nor the disk."""
    waited_ns = 0
    for pid in (os.getpid(), *pids):
        with contextlib.suppress(OSError, ValueError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError, ValueError):
                    waited_ns += int((thread / "schedstat").read_text("ascii").split()[1])
    return waited_ns / 1e9 + _disk_s()


def _disk_s() -> float:
    """Anybody's waiting for the disk; 0 where the kernel does not count it."""
    with contextlib.suppress(OSError, ValueError):
        return int(PRESSURE.read_text("ascii").split("total=")[1].split()[0]) / 1e6
    return 0.0


class Stalls:
    """How long this machine kept these processes waiting while the context lasted."""

    def __init__(self, *pids: int) -> None:
        self._pids = pids
        self._late_s = 0.0
        self._over = threading.Event()
        self._probe = threading.Thread(target=self._look, daemon=True)
        self.waited_s = 0.0

    def __enter__(self) -> Stalls:
        self._before_s = kept_waiting_s(*self._pids)
        self._probe.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._probe.join()
        self.waited_s = max(self._late_s, kept_waiting_s(*self._pids) - self._before_s)

    def _look(self) -> None:
        """A thread that sleeps, for whoever stops the whole machine without telling its kernel."""
        while not self._over.is_set():
            began_s = time.clock_gettime(time.CLOCK_BOOTTIME)
            self._over.wait(PROBE_S)
            late_s = time.clock_gettime(time.CLOCK_BOOTTIME) - began_s - PROBE_S
            self._late_s += late_s if late_s > PROBE_S else 0.0


def unless_stalled(act: Callable[[int], T], stall_s: float) -> T:
    """What it returns; done again, with the next number, where it failed while the machine held it up for so long."""
    for number in range(TRIES):
        with Stalls() as stalls:
            try:
                return act(number)
            except AssertionError as failure:
                failed = failure
        if stalls.waited_s < stall_s:
            break
    raise failed


def measured(once: Callable[[], float], most: float, *pids: int, share: float = 0.3) -> float:
    """A figure in seconds, taken again while it is beyond `most` and the machine held up a good `share` of that."""
    for _ in range(TRIES):
        with Stalls(*pids) as stalls:
            figure = once()
        if figure <= most or stalls.waited_s < share * most:
            break
    return figure
