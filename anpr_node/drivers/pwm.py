"""One hardware PWM channel through sysfs (`/sys/class/pwm`), with its pulses never longer than asked, not even between.

The kernel keeps a channel running when the process that set it is gone, so opening one stops it first. Nothing here
knows about exposures.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from anpr_node.drivers.pacing import Pacer, WallPacer
from anpr_node.errors import WiringError

SYSFS = Path("/sys/class/pwm")
PERMISSION_TRIES = 50
PERMISSION_WAIT_NS = 20_000_000
"""udev gives the group its rights some moments after the export; one second is waited for them."""

Write = Callable[[Path, str], None]


def write_attribute(path: Path, text: str) -> None:
    """One write(2), as the kernel wants it: an attribute takes its whole value at once, and may refuse it."""
    file = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        os.write(file, text.encode("ascii"))
    finally:
        os.close(file)


class PwmChannel:
    """One channel of one chip. Claimed stopped, given back stopped; closing twice is fine."""

    def __init__(
        self,
        root: Path = SYSFS,
        chip: int = 0,
        channel: int = 0,
        *,
        write: Write = write_attribute,
        pacer: Pacer | None = None,
    ) -> None:
        """Export the channel and stop whatever a killed process left running. Raises WiringError."""
        self._chip = root / f"pwmchip{chip}"
        self._number = channel
        self._folder = self._chip / f"pwm{channel}"
        self._write = write
        self._pacer = pacer or WallPacer()
        self._closed = False
        if not self._chip.is_dir():
            there = ", ".join(path.name for path in _chips(root)) or "none"
            raise WiringError(f"no {self._chip}; chips there: {there}; see hw/README.md for the overlay")
        if not self._folder.is_dir():
            self._set(self._chip / "export", str(channel))
        self._wait_for_permission()
        self.stop()

    @property
    def is_running(self) -> bool:
        """What the kernel says, not what was asked of it."""
        return self._get("enable") == 1

    def run(self, period_ns: int, width_ns: int) -> None:
        """Pulses of `width_ns` every `period_ns`, begun or changed.

        Between the two writes one value is old. A shorter width goes first and a longer one last, so that the share of
        the period in between is never above both the old and the new one, and the kernel never sees width > period.

        Raises:
            WiringError: refused by the kernel, or it reads back otherwise.

        """
        writes = [("period", period_ns), ("duty_cycle", width_ns)]
        if width_ns < self._get("duty_cycle"):
            writes.reverse()
        for name, value in writes:
            self._set(self._folder / name, str(value))
        if not self.is_running:
            self._set(self._folder / "enable", "1")
        if (self._get("period"), self._get("duty_cycle")) != (period_ns, width_ns):
            raise WiringError(f"{self._folder} took other values than {period_ns} and {width_ns} ns; is it used twice?")

    def set_width(self, width_ns: int) -> None:
        """Another width, from the next pulse on, if it is called between two pulses."""
        self._set(self._folder / "duty_cycle", str(width_ns))

    def stop(self) -> None:
        """No more pulses, line low. A channel whose period was never set is stopped, and refuses to be told so."""
        if self._closed or self._get("period") == 0:
            return
        self._set(self._folder / "enable", "0")
        self._set(self._folder / "duty_cycle", "0")
        if self._text("polarity") != "normal":
            self._set(self._folder / "polarity", "normal")

    def close(self) -> None:
        """Stopped and given back; a channel that is only given back goes on pulsing."""
        if not self._closed:
            self.stop()
            self._closed = True
            self._set(self._chip / "unexport", str(self._number))

    def _set(self, path: Path, text: str) -> None:
        try:
            self._write(path, text)
        except OSError as error:
            raise WiringError(f"{path}: {text} refused: {error.strerror}; see hw/README.md, PWM") from error

    def _get(self, name: str) -> int:
        return int(self._text(name))

    def _text(self, name: str) -> str:
        try:
            return (self._folder / name).read_text(encoding="ascii").strip()
        except OSError as error:
            raise WiringError(f"{self._folder / name}: {error.strerror}; see hw/README.md, PWM") from error

    def _wait_for_permission(self) -> None:
        due_ns = 0
        for _ in range(PERMISSION_TRIES):
            if os.access(self._folder / "enable", os.W_OK):
                return
            due_ns = self._pacer.wait_until(due_ns + PERMISSION_WAIT_NS)
        raise WiringError(f"{self._folder} is not writable; install hw/udev/99-anpr-node.rules, be in group gpio")


def find_chip(root: Path, device: str) -> int:
    """The number of the chip that is that device: numbers change between boots, and the next chip may be the fan's.

    Raises:
        WiringError: names the devices that are there.

    """
    chips = {(chip / "device").resolve().name: int(chip.name.removeprefix("pwmchip")) for chip in _chips(root)}
    if device not in chips:
        there = ", ".join(sorted(chips)) or "none"
        raise WiringError(f"no PWM {device} in {root}; there: {there}; see hw/README.md for the overlay")
    return chips[device]


def stop_channel(root: Path, chip: int, channel: int, write: Write = write_attribute) -> None:
    """Stop a channel that another process may have left running; one that does not exist is stopped already."""
    if (root / f"pwmchip{chip}" / f"pwm{channel}").is_dir():
        PwmChannel(root, chip, channel, write=write).close()


def _chips(root: Path) -> list[Path]:
    return sorted(root.glob("pwmchip*"))
