"""A modem that fails over and over, on a real pseudo-terminal: no thread hangs, nothing stays open, all end well.

A few hundred cycles; ten thousand with ANPR_FULL=1.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from modem_pty import ModemOnPty

from anpr_node.config import parse
from anpr_node.drivers.clock import SystemClock
from anpr_node.drivers.modem.dialogue import Patience
from anpr_node.drivers.modem.line import ModemLine
from anpr_node.drivers.modem.link import InterfaceLink
from anpr_node.drivers.modem.port import SerialPort
from anpr_node.drivers.simulated.modem_dialects import DIALECTS
from anpr_node.errors import ModemError
from anpr_node.modem_keeper import ModemKeeper, open_modem

pytestmark = pytest.mark.system
FULL = os.environ.get("ANPR_FULL") == "1"
CYCLES = 10_000 if FULL else 300
PACE = 0.01
CYCLE_S_MAX = 120.0
THREAD_S_MAX = 20.0
FAULTS: tuple[tuple[str, object], ...] = (
    ("silent", True), ("silent_on", "AT+CSQ"), ("silent_on", "AT+CMGS"), ("restarts_on", "AT+COPS?"),
    ("restarts_on", "AT+CMGS"), ("garbage", b"\xff\xfe\x00\x81"), ("garbage", b"AT+CSQ\r\nERR"), ("piece_bytes", 1),
    ("interjection", '+CMTI: "SM",4'), ("echoes", True), ("delay_s", 2.0), ("loses", "AT+CMGS"),
)  # fmt: skip


def open_files() -> int:
    """Descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_ten_thousand_faults_leave_nothing_behind(tmp_path: Path) -> None:
    rng = random.Random(7)
    settings = parse({"store": {"folder": str(tmp_path / "state")}, "modem": {"kind": "serial"}}, "test")
    ended: Counter[str] = Counter()
    for name, dialect in DIALECTS.items():
        with ModemOnPty(tmp_path, dialect, pace=400.0) as pty:
            line = ModemLine(lambda pty=pty: SerialPort(str(pty.name)), InterfaceLink("lo"), SystemClock())  # type: ignore[misc]
            modem = open_modem(settings, line, Patience(pace=PACE))
            files, threads = 0, threading.active_count()
            for cycle in range(CYCLES // len(DIALECTS)):
                fault, value = rng.choice(FAULTS)
                with pty.lock:
                    setattr(pty.modem.faults, fault, value)
                try:
                    modem.start()
                    modem.look()
                    modem.send("+32470123456", "cycle")
                    ended["understood"] += 1
                except ModemError as error:
                    ended[type(error).__name__] += 1
                with pty.lock:
                    setattr(pty.modem.faults, fault, type(value)())
                recover(modem)
                if cycle == 20:
                    files = open_files()
            modem.close()
            assert open_files() <= files, name
            assert threading.active_count() == threads
    sys.stdout.write(f"{CYCLES} faults: {dict(ended)}\n")
    assert ended["understood"] > CYCLES / 4
    assert ended["ModemSilent"] > CYCLES / 20
    assert ended["ModemRestarted"] + ended["ModemGone"] > CYCLES / 20


def recover(modem: object) -> None:
    """As the keeper does it: close where it went away, try again, until it is registered."""
    ends_s = time.monotonic() + CYCLE_S_MAX
    while True:
        try:
            modem.start()  # type: ignore[attr-defined]
            if modem.look().is_registered:  # type: ignore[attr-defined]
                return
        except ModemError:
            modem.close()  # type: ignore[attr-defined]
        assert time.monotonic() < ends_s, "the link is not back"
        threading.Event().wait(0.001)


def test_the_thread_ends_whatever_the_modem_does(tmp_path: Path) -> None:
    settings = parse({"store": {"folder": str(tmp_path / "state")}, "modem": {"kind": "serial"}}, "test")
    rng = random.Random(3)
    files = 0
    for cycle in range(100 if FULL else 10):
        with ModemOnPty(tmp_path, rng.choice(list(DIALECTS.values()))) as pty:
            fault, value = rng.choice(FAULTS)
            setattr(pty.modem.faults, fault, value)
            line = ModemLine(lambda pty=pty: SerialPort(str(pty.name)), InterfaceLink("lo"), SystemClock())  # type: ignore[misc]
            keeper, stopping = ModemKeeper(settings, line, SystemClock(), pace=PACE), threading.Event()
            thread = threading.Thread(target=keeper.work, args=(stopping,), name="modem")
            thread.start()
            stopping.wait(rng.uniform(0.05, 0.5))
            stopping.set()
            thread.join(THREAD_S_MAX)
            assert not thread.is_alive()
        if cycle == 3:
            files = open_files()
    assert open_files() <= files
