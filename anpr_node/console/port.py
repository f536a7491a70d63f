"""The two ends a console can hang on: a serial port, and the terminal it was started from. Bytes in, bytes out.

Nothing here knows what the bytes mean. A port that goes away raises Disconnected; reading never waits beyond its limit.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from typing import Protocol

import serial

from anpr_node.errors import AnprError

READ_BYTES_MAX = 4096
WRITE_TIMEOUT_S = 30.0
"""A terminal that takes nothing for so long is gone: flow control must not hold a session for ever."""


class Disconnected(AnprError, OSError):
    """The cable was pulled, or the terminal closed."""


class Port(Protocol):
    """A byte stream with a person at the far end."""

    def read(self, wait_s: float) -> bytes:
        """What has come, or comes within `wait_s`; empty when nothing does. Raises Disconnected."""
        ...

    def write(self, data: bytes) -> None:
        """Send all of it. Raises Disconnected."""
        ...

    def fds(self) -> tuple[int, int]:
        """Descriptors to read from and write to, for a program that takes the line over for a while."""
        ...


class FdPort:
    """Two file descriptors: the terminal's, or a serial device's."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._read_fd, self._write_fd = read_fd, write_fd

    def read(self, wait_s: float) -> bytes:
        """As in Port."""
        try:
            if not select.select([self._read_fd], [], [], wait_s)[0]:
                return b""
            data = os.read(self._read_fd, READ_BYTES_MAX)
        except OSError as error:
            raise Disconnected(f"the line is gone: {error.strerror}") from error
        if not data:
            raise Disconnected("the line was closed")
        return data

    def write(self, data: bytes) -> None:
        """As in Port."""
        left = memoryview(data)
        try:
            while left:
                if not select.select([], [self._write_fd], [], WRITE_TIMEOUT_S)[1]:
                    raise Disconnected("nobody takes what is written")
                left = left[os.write(self._write_fd, left[:READ_BYTES_MAX]) :]
        except OSError as error:
            if isinstance(error, Disconnected):
                raise
            raise Disconnected(f"the line is gone: {error.strerror}") from error

    def fds(self) -> tuple[int, int]:
        """As in Port."""
        return self._read_fd, self._write_fd


@contextlib.contextmanager
def open_serial(device: str, baud: int) -> Iterator[FdPort]:
    """A serial port, 8N1. pyserial sets it up and no other process may hold it. Raises Disconnected."""
    try:
        line = serial.Serial(device, baud, timeout=0, exclusive=True)
    except (serial.SerialException, OSError, ValueError) as error:
        errno = getattr(error, "errno", None)  # pyserial's own text says everything twice
        problem = os.strerror(errno) if errno else error
        raise Disconnected(f"{device} cannot be opened: {problem}; check the cable, and console.port") from error
    try:
        yield FdPort(line.fileno(), line.fileno())
    finally:
        with contextlib.suppress(OSError, termios.error):
            line.close()


@contextlib.contextmanager
def open_terminal() -> Iterator[FdPort]:
    """The terminal this process was started from, byte by byte, as it was again afterwards."""
    read_fd, write_fd = sys.stdin.fileno(), sys.stdout.fileno()
    before = termios.tcgetattr(read_fd) if os.isatty(read_fd) else None
    if before is not None:
        tty.setraw(read_fd)
    try:
        yield FdPort(read_fd, write_fd)
    finally:
        if before is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(read_fd, termios.TCSADRAIN, before)
