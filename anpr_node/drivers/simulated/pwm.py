"""A simulated `/sys/class/pwm`: real files in a real folder, written through `write`, with the kernel's own refusals.

It follows drivers/pwm/sysfs.c and pwm_apply_state of Linux 6.1: a state whose period is 0, or whose duty cycle is
longer than its period, is EINVAL, whatever attribute was written. It never changes anything that nobody wrote.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

POLARITIES = ("normal", "inversed")


@dataclass(frozen=True, slots=True)
class PwmState:
    """What one channel puts out."""

    period_ns: int = 0
    width_ns: int = 0
    enabled: bool = False
    polarity: str = "normal"


Changed = Callable[[int, PwmState], None]


class SimulatedPwmChip:
    """One chip `pwmchipN` under a folder. `changed` is told every new state, as a wire would carry it."""

    def __init__(
        self,
        root: Path,
        chip: int = 0,
        channels: int = 4,
        changed: Changed | None = None,
        device: str = "1f00098000.pwm",
    ) -> None:
        """Make the chip's folder; nothing is exported."""
        self._folder = root / f"pwmchip{chip}"
        self._channels = channels
        self._changed = changed
        self.states: dict[int, PwmState] = {}
        self.history: list[tuple[int, PwmState]] = []
        self._folder.mkdir(parents=True)
        (root / "devices" / device).mkdir(parents=True)
        (self._folder / "device").symlink_to(root / "devices" / device)
        (self._folder / "npwm").write_text(f"{channels}\n")
        for name in ("export", "unexport"):
            (self._folder / name).touch()

    def write(self, path: Path, text: str) -> None:
        """Do what one write on an attribute of the chip does. Raises OSError as the kernel does."""
        if not path.exists():
            raise _refusal(errno.ENOENT, path)
        if path.parent == self._folder:
            self._export_or_unexport(path, text)
        else:
            self._set(int(path.parent.name.removeprefix("pwm")), path, text)

    def _export_or_unexport(self, path: Path, text: str) -> None:
        channel = _number(path, text)
        folder = self._folder / f"pwm{channel}"
        if channel >= self._channels or (path.name == "unexport" and not folder.exists()):
            raise _refusal(errno.ENODEV, path)
        if path.name == "export":
            self._export(channel, folder, path)
        else:  # the channel keeps its state, pulses included: that is the kernel's way
            for attribute in folder.iterdir():
                attribute.unlink()
            folder.rmdir()

    def _export(self, channel: int, folder: Path, path: Path) -> None:
        if folder.exists():
            raise _refusal(errno.EBUSY, path)
        folder.mkdir()
        self._show(channel, self.states.setdefault(channel, PwmState()))

    def _set(self, channel: int, path: Path, text: str) -> None:
        now = self.states[channel]
        wanted = _changed_state(now, path, text)
        if wanted.period_ns == 0 or wanted.width_ns > wanted.period_ns:
            raise _refusal(errno.EINVAL, path)
        if wanted.polarity != now.polarity and now.enabled:
            raise _refusal(errno.EBUSY, path)
        self.states[channel] = wanted
        self.history.append((channel, wanted))
        self._show(channel, wanted)
        if self._changed is not None:
            self._changed(channel, wanted)

    def _show(self, channel: int, state: PwmState) -> None:
        folder = self._folder / f"pwm{channel}"
        shown = (state.period_ns, state.width_ns, int(state.enabled), state.polarity)
        for name, value in zip(("period", "duty_cycle", "enable", "polarity"), shown, strict=True):
            (folder / name).write_text(f"{value}\n")


def _changed_state(state: PwmState, path: Path, text: str) -> PwmState:
    value = text.strip()
    if path.name == "polarity":
        if value not in POLARITIES:
            raise _refusal(errno.EINVAL, path)
        return replace(state, polarity=value)
    number = _number(path, text)
    if path.name == "enable":
        if number > 1:
            raise _refusal(errno.EINVAL, path)
        return replace(state, enabled=bool(number))
    return replace(state, period_ns=number) if path.name == "period" else replace(state, width_ns=number)


def _number(path: Path, text: str) -> int:
    if not text.strip().isdecimal():
        raise _refusal(errno.EINVAL, path)
    return int(text)


def _refusal(number: int, path: Path) -> OSError:
    return OSError(number, os.strerror(number), str(path))
