"""The bytes between node and modem: a serial device, opened by its stable name, held by this program alone.

It knows nothing of AT commands, and never waits longer than it is told.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import termios
from typing import Protocol

import serial

from anpr_node.errors import ModemGone, ModemSilent, ModemTaken

BITS_PER_S = 115_200
"""Over USB it means nothing; the serial pins of both families are set to it when they leave the factory."""
WRITE_S = 2.0
READ_BYTES = 4096


class Port(Protocol):
    """A line to a modem."""

    def read(self, wait_s: float) -> bytes:
        """What has come, after `wait_s` at the latest; empty is nothing. Raises ModemGone."""
        ...

    def write(self, data: bytes) -> None:
        """Hand bytes over. Raises ModemGone, or ModemSilent when they are not taken."""
        ...

    def is_current(self) -> bool:
        """Whether the stable name still leads to the device that was opened."""
        ...

    def close(self) -> None:
        """Give the line back. Closing twice is fine."""
        ...


class SerialPort:
    """A device file. It is locked twice: `flock` keeps out who asks, TIOCEXCL everybody who is not root."""

    def __init__(self, path: str) -> None:
        """Raises ModemGone when it cannot be had, saying why."""
        self._path = path
        self._device = os.path.realpath(path)
        try:
            self._serial = serial.Serial(
                self._device, BITS_PER_S, timeout=0, write_timeout=WRITE_S, exclusive=True, rtscts=False
            )
        except (OSError, ValueError) as error:  # SerialException is an OSError
            raise _refusal(path, error) from error
        try:
            fcntl.ioctl(self._serial.fileno(), termios.TIOCEXCL)
        except OSError as error:
            self.close()
            raise ModemGone(f"{path}: {error.strerror}") from error

    def read(self, wait_s: float) -> bytes:
        """What has come, after `wait_s` at the latest."""
        try:
            ready, _, _ = select.select([self._serial.fileno()], [], [], wait_s)
            data = os.read(self._serial.fileno(), READ_BYTES) if ready else None
        except BlockingIOError:
            return b""
        except (OSError, TypeError, ValueError) as error:  # pyserial's own words for a port that is closed
            raise ModemGone(f"{self._path} went away: {error}") from error
        if data == b"":
            raise ModemGone(f"{self._path} went away")
        return data or b""

    def write(self, data: bytes) -> None:
        """Hand bytes over."""
        try:
            self._serial.write(data)
        except serial.SerialTimeoutException as error:
            raise ModemSilent(f"{self._path} takes no bytes") from error
        except (OSError, TypeError) as error:
            raise ModemGone(f"{self._path} went away: {error}") from error

    def is_current(self) -> bool:
        """A modem that restarts may come back under another number while the old device file is still open."""
        return os.path.realpath(self._path) == self._device and os.path.exists(self._device)  # noqa: PTH110

    def close(self) -> None:
        """What was not sent is thrown away: the kernel would wait for half a minute to send it."""
        if self._serial.is_open:
            with contextlib.suppress(OSError, termios.error):
                self._serial.reset_output_buffer()
            with contextlib.suppress(OSError):
                self._serial.close()


def _refusal(path: str, error: Exception) -> ModemGone:
    number = getattr(error, "errno", None)
    if number in {errno.EBUSY, errno.EWOULDBLOCK}:
        return ModemTaken(f"{path}: another program holds it; see which: fuser -v {path}")
    if number == errno.ENOENT:
        return ModemGone(f"{path}: no such device; is it plugged in, its udev rule installed, modem.device right?")
    if number == errno.EACCES:
        return ModemGone(f"{path}: not allowed; the node's account must be in group dialout")
    return ModemGone(f"{path}: {error}")
