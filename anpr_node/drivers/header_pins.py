"""The 40-pin header by BCM numbers through gpiozero and lgpio, on whatever GPIO chip the board has behind it.

gpiozero knows Raspberry Pis only: on other boards it is told the header's layout and each pin's line.
"""

from __future__ import annotations

import fcntl
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpiozero.pins.lgpio import LGPIOFactory, LGPIOPin

from anpr_node.errors import WiringError

GET_CHIP_INFO = 0x8044B401  # GPIO_GET_CHIPINFO_IOCTL: name and label of 32 bytes each, then the number of lines
CHIP_INFO = struct.Struct("32s32sI")
HEADER_REVISION = 0xA02082  # of a Raspberry Pi 3B, whose header all these boards have


def chip_number(label: str, devices: Path = Path("/dev")) -> int:
    """The N of the /dev/gpiochipN with this label: numbers change from kernel to kernel. Raises WiringError."""
    seen = []
    for device in sorted(devices.glob("gpiochip*")):
        with device.open("rb") as file:
            info = CHIP_INFO.unpack(fcntl.ioctl(file, GET_CHIP_INFO, bytes(CHIP_INFO.size)))
        seen.append(info[1].rstrip(b"\0").decode())
        if seen[-1] == label:
            return int(device.name.removeprefix("gpiochip"))
    raise WiringError(f"no GPIO chip {label} here (found: {', '.join(seen) or 'none'}): check node.board")


class HeaderPin(LGPIOPin):  # type: ignore[misc]
    """A pin named by its BCM number, driven at the chip's own line."""

    @property
    def _number(self) -> int:
        lines: Mapping[int, int] | None = self._factory.lines
        if lines is None:
            return self._bcm
        if self._bcm not in lines:
            raise WiringError(f"GPIO {self._bcm} is no free pin of this board: use one of {sorted(lines)}")
        return lines[self._bcm]

    @_number.setter
    def _number(self, bcm: int) -> None:
        self._bcm = bcm


class HeaderFactory(LGPIOFactory):  # type: ignore[misc]
    """gpiozero's lgpio factory for the chip with a label."""

    def __init__(self, label: str, lines: Mapping[int, int] | None, devices: Path = Path("/dev")) -> None:
        """Raises WiringError when there is no such chip."""
        self.lines = lines
        super().__init__(chip=chip_number(label, devices))
        self.pin_class = HeaderPin

    def _get_revision(self) -> Any:
        return HEADER_REVISION if self.lines is not None else super()._get_revision()
