"""What disciplines the clock: a receiver at the machine, or a server over the network. Only chrony can tell.

Asks `chronyc`, which may take seconds: never called by the loop. Sets nothing.
"""

from __future__ import annotations

import subprocess
from typing import Literal

PATIENCE_S = 2.0
LOCAL = "7F7F0101"
"""The name chrony gives to a clock that follows nobody."""

Source = Literal["gps", "ntp"]


def ask(*options: str) -> Source:
    """`gps` where the clock hangs directly on a reference clock (stratum 1), else `ntp`.

    What `chronyc -c tracking` prints: https://chrony-project.org/doc/4.3/chronyc.html. `options` go before `tracking`,
    such as `-h SOCKET`. Without chrony, or without its answer, whatever disciplines the clock came over the network.
    """
    command = ["chronyc", *options, "-c", "tracking"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "ntp"
    return parse(answer.stdout)


def parse(line: str) -> Source:
    """The source in one line of comma-separated values: reference, name, stratum and more."""
    reference, _, stratum, *_ = [*line.strip().split(","), "", "", ""]
    return "gps" if stratum == "1" and reference != LOCAL else "ntp"
