"""Puts a simulated modem on an abstract Unix socket, as ModemManager takes its test devices. No test of its own."""

from __future__ import annotations

import socket
import threading
import time

from anpr_node.drivers.simulated.modem import SimulatedModem
from anpr_node.drivers.simulated.modem_dialects import Dialect

POLL_S = 0.01


class ModemOnSocket:
    """One modem in real time, for whoever connects to `abstract:NAME`; every line that it is told is kept."""

    def __init__(self, name: str, dialect: Dialect) -> None:
        self.name = f"abstract:{name}"
        self.modem = SimulatedModem(dialect, time.monotonic)
        self.heard: list[str] = []
        self.lock = threading.Lock()
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(f"\0{self.name}")
        self._server.listen()
        self._server.settimeout(0.2)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> ModemOnSocket:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                line, _ = self._server.accept()
            except TimeoutError:
                continue
            with line:
                line.settimeout(POLL_S)
                self._carry(line)

    def _carry(self, line: socket.socket) -> None:
        said = b""
        while not self._stopping.is_set():
            with self.lock:
                line.sendall(self.modem.due())
            try:
                told = line.recv(4096)
            except TimeoutError:
                continue
            if not told:
                return
            with self.lock:
                self.modem.receive(told)
            said += told
            *whole, said = said.split(b"\r")
            self.heard += [each.decode("latin-1").strip() for each in whole]
