"""Puts a simulated modem behind a real pseudo-terminal, under a stable name that leads to a changing device.

One thread carries the bytes; when the modem's device goes, its end of the line is closed and the name vanishes, and
when it comes anew it is another device. No test of its own.
"""

from __future__ import annotations

import os
import select
import threading
import time
import tty
from pathlib import Path

from anpr_node.drivers.simulated.modem import SimulatedModem
from anpr_node.drivers.simulated.modem_dialects import Dialect

POLL_S = 0.002
PACE = 100.0


class ModemOnPty:
    """A modem in time that runs `pace` times as fast: what takes a modem a minute takes a test half a second."""

    def __init__(self, folder: Path, dialect: Dialect, pace: float = PACE) -> None:
        self.name = folder / "anpr-modem"
        self._began_s, self._pace = time.monotonic(), pace
        self.modem = SimulatedModem(dialect, self.now_s)
        self.lock = threading.Lock()
        """Hold it to change the modem while the thread runs."""
        self._master = -1
        self._generation = -1
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._carry, name="modem-pty")
        self._plug_in()

    def now_s(self) -> float:
        """The modem's own time."""
        return (time.monotonic() - self._began_s) * self._pace

    def __enter__(self) -> ModemOnPty:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._unplug()

    def _carry(self) -> None:
        while not self._stopping.is_set():
            with self.lock:
                self._follow()
                master, said = self._master, self.modem.due()
            if master < 0:
                self._stopping.wait(POLL_S)
                continue
            try:
                if said:
                    os.write(master, said)
                ready, _, _ = select.select([master], [], [], POLL_S)
                told = os.read(master, 4096) if ready else b""
            except OSError:  # nobody has the other end open
                self._stopping.wait(POLL_S)
                continue
            with self.lock:
                self.modem.receive(told)

    def _follow(self) -> None:
        if self._master >= 0 and (not self.modem.present or self.modem.generation != self._generation):
            self._unplug()
        if self._master < 0 and self.modem.present:
            self._plug_in()

    def _plug_in(self) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        device = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self._master, False)
        fresh = self.name.with_suffix(".new")
        fresh.symlink_to(device)
        fresh.replace(self.name)
        self._generation = self.modem.generation

    def _unplug(self) -> None:
        if self._master >= 0:
            self.name.unlink(missing_ok=True)
            os.close(self._master)
            self._master = -1
