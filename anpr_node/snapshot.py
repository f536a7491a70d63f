"""The node at one moment, as it tells of itself. Here, so that a command that only shows it loads no camera."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The node at one moment, for `status` and the live view. Times of the loop are of the last 300 frames."""

    frames: int
    frames_lost: int
    timeouts: int
    loop_ms_median: float
    loop_ms_max: float
    queue_depth: int
    queue_max: int
    reads_dropped: int
    unread: int
    reads: int
    hits: int
    store_failures: int
    relay_on: bool
    led_on: bool
    illuminator_on: bool
    illuminator_faults: int = 0
    repeats: int = 0
    missed_turns: int = 0
    light: str = "night"
    modem: dict[str, Any] | None = None
