"""Whether the interface that leads to the sinks is up, as the kernel says; who brings it up is not our business."""

from __future__ import annotations

from pathlib import Path

SYS = Path("/sys")
UP = frozenset({"up", "unknown"})
"""Point-to-point links of modems never say more than `unknown`."""


class Link:
    """One network interface; with None every link is taken for up."""

    def __init__(self, interface: str | None, sys: Path = SYS) -> None:
        """`sys` is where sysfs is mounted."""
        self._state = None if interface is None else sys / "class" / "net" / interface / "operstate"

    def is_up(self) -> bool:
        """As it is now; an interface that is not there is down."""
        if self._state is None:
            return True
        try:
            return self._state.read_text("ascii").strip() in UP
        except OSError:
            return False
