"""The board's health seam: how hot it is, and whether it had to slow down or got too little voltage.

Reads files of sysfs, or asks `vcgencmd` where a Raspberry Pi's kernel has no file for it. Never called from the loop.
"""

from __future__ import annotations

import contextlib
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

SYS = Path("/sys")
UNDERVOLTAGE_BIT, CAPPED_BIT, THROTTLED_BIT, SOFT_LIMIT_BIT = 1 << 0, 1 << 1, 1 << 2, 1 << 3
VCGENCMD_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Heat:
    """The hottest zone of the board, None without a thermometer, and what the board does about it now."""

    temperature_c: float | None = None
    throttled: bool = False
    undervoltage: bool = False


class Thermometer(Protocol):
    """Where the board's health is read."""

    def read(self) -> Heat:
        """As it is now; never raises: what cannot be read is not known."""
        ...


class BoardThermometer:
    """Any Linux board: the hottest thermal zone; a Raspberry Pi's firmware word besides."""

    def __init__(self, sys: Path = SYS, vcgencmd: str = "vcgencmd") -> None:
        """`sys` is where sysfs is mounted."""
        self._sys = sys
        self._vcgencmd: str | None = vcgencmd

    def read(self) -> Heat:
        """Temperature and the bits of this moment, not those since boot."""
        word = self._throttled_word()
        slow = bool(word & (CAPPED_BIT | THROTTLED_BIT | SOFT_LIMIT_BIT))
        return Heat(self._hottest_c(), slow, bool(word & UNDERVOLTAGE_BIT))

    def _hottest_c(self) -> float | None:
        readings = []
        for file in self._sys.glob("class/thermal/thermal_zone*/temp"):
            with contextlib.suppress(OSError, ValueError):  # zones of sleeping parts cannot be read
                readings.append(int(file.read_text()) / 1000)
        return max(readings, default=None)

    def _throttled_word(self) -> int:
        for file in self._sys.glob("devices/platform/soc/*firmware/get_throttled"):
            with contextlib.suppress(OSError, ValueError):
                return int(file.read_text(), 16)
        return self._ask_firmware()

    def _ask_firmware(self) -> int:
        """`throttled=0x50005`; asked no more once the program is missing or refuses."""
        if self._vcgencmd is None:
            return 0
        try:
            answer = subprocess.run(
                [self._vcgencmd, "get_throttled"],
                capture_output=True, text=True, check=True, timeout=VCGENCMD_TIMEOUT_S,
            )  # fmt: skip
            return int(answer.stdout.strip().partition("=")[2], 16)
        except (OSError, ValueError, subprocess.SubprocessError):
            self._vcgencmd = None
            return 0
