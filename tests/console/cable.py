"""A serial cable between two pseudo-terminals, one for the console, one for a terminal program; it can carry noise."""

from __future__ import annotations

import contextlib
import os
import random
import select
import threading
import tty

BITS_A_BYTE = 10
TICK_S = 0.02
DEAF_S = 60.0


class Cable:
    """`console_end` and `laptop_end` are devices. Bytes go both ways until the cable is closed."""

    def __init__(self, struck_share: float = 0.0, seed: int = 1, baud: int | None = None) -> None:
        """`struck_share` of the bytes towards the console arrive as other ones; `baud`: no faster than so, each way."""
        self._masters, slaves = [], []
        for _ in range(2):
            master, slave = os.openpty()
            tty.setraw(slave)
            self._masters.append(master)
            slaves.append(slave)
        self._slaves = slaves
        self.console_end, self.laptop_end = (os.ttyname(slave) for slave in slaves)
        self._struck_share, self._rng = struck_share, random.Random(seed)
        self.carried_bytes = 0
        """Towards the laptop."""
        self._tick_bytes = 4096 if baud is None else max(1, round(baud / BITS_A_BYTE * TICK_S))
        self._paced = baud is not None
        self._cut = threading.Event()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def _carry(self) -> None:
        console, laptop = self._masters
        while not self._cut.is_set():
            if self._paced:
                self._cut.wait(TICK_S)
            for source in select.select(self._masters, [], [], 0.05)[0]:
                with contextlib.suppress(OSError):
                    data = os.read(source, self._tick_bytes)
                    self.carried_bytes += len(data) if source == console else 0
                    self._write(
                        console if source == laptop else laptop, self._struck(data) if source == laptop else data
                    )

    def _struck(self, data: bytes) -> bytes:
        return bytes(self._rng.randrange(256) if self._rng.random() < self._struck_share else byte for byte in data)

    def _write(self, target: int, data: bytes) -> None:
        """All of it towards the console; what a laptop does not take in time is lost, as on a line of three wires."""
        while data and not self._cut.is_set():
            if select.select([], [target], [], 0.05)[1]:
                data = data[os.write(target, data) :]
            elif target == self._masters[1]:
                return

    def send(self, data: bytes) -> None:
        """What a laptop would have sent, straight into the console's end. Fails where nobody reads it for long."""
        deaf = threading.Timer(DEAF_S, self._cut.set)
        deaf.start()
        self._write(self._masters[0], data)
        deaf.cancel()
        assert not self._cut.is_set(), f"the console has not read what was sent within {DEAF_S:g} s"

    def close(self) -> None:
        """Pull the cable."""
        self._cut.set()
        self._thread.join(5)
        for fd in (*self._masters, *self._slaves):
            os.close(fd)
