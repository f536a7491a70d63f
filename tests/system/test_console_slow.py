"""The console over a slow cable, and in minicom: what a terminal at 9600 baud can follow, and another real program."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pexpect
import pytest
from console.cable import BITS_A_BYTE, Cable
from console.far_end import PASSWORD, RunningNode, settings_in
from stalls import Stalls, measured
from test_console import ASKED_S, FAST, PROMPT, console_at, enter, pexpect_on

from anpr_node import access
from anpr_node.access import Person
from anpr_node.config import Settings
from anpr_node.store.database import open_store

pytestmark = pytest.mark.system

BAUD = 9600
LINES = 8


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    found = settings_in(tmp_path_factory.mktemp("slow"), FAST)
    with closing(open_store(found.state_folder)) as store:
        access.add(store, Person("technician", "technician"), None, PASSWORD, 0)
    return found


@pytest.fixture(scope="module")
def node(settings: Settings) -> Iterator[RunningNode]:
    with RunningNode(settings) as running:
        yield running


def test_a_live_line_a_second_fits_9600_baud(settings: Settings, node: RunningNode) -> None:
    with closing(Cable(baud=BAUD)) as cable, console_at(settings, cable) as process:
        screen = pexpect_on(cable)
        enter(screen, "technician")
        screen.send("live 600\r")
        screen.expect("fps")
        before, lines = cable.carried_bytes, itertools.count(1)

        def each_s() -> float:
            began_s = time.monotonic()
            for _ in range(LINES):
                screen.expect("fps")
                next(lines)
            return (time.monotonic() - began_s) / LINES

        assert measured(each_s, 2.0, process.pid) < 2.0  # no line waits for the one before it
        assert (cable.carried_bytes - before) / (next(lines) - 1) < BAUD / BITS_A_BYTE / 2
        with Stalls(process.pid) as stalls:
            began_s = time.monotonic()
            screen.send("q")
            screen.expect(PROMPT)
            took_s = time.monotonic() - began_s
        assert took_s < 5.0 or stalls.waited_s > 2.0


@pytest.mark.parametrize("line", ["status", "show camera", "set camera.exposure_us 300", "undo", "install list"])
def test_commands_answer_as_fast_as_the_line_carries_them(settings: Settings, node: RunningNode, line: str) -> None:
    with closing(Cable(baud=BAUD)) as cable, console_at(settings, cable) as process:
        screen = pexpect_on(cable)
        enter(screen, "technician")

        def beyond_s() -> float:
            """What it took more than twice the time that the line needs for it."""
            before, began_s = cable.carried_bytes, time.monotonic()
            screen.send(f"{line}\r")
            screen.expect(PROMPT)
            carried_s = (cable.carried_bytes - before) / (BAUD / BITS_A_BYTE)
            assert carried_s < 4.0
            return time.monotonic() - began_s - 2 * carried_s

        assert measured(beyond_s, 4.0, process.pid) < 4.0


@pytest.mark.skipif(shutil.which("minicom") is None, reason="minicom is not installed: apt-get install minicom")
def test_minicom_does_as_well(settings: Settings, node: RunningNode, tmp_path: Path) -> None:
    capture = tmp_path / "minicom.cap"
    with closing(Cable()) as cable, console_at(settings, cable):
        screen = pexpect.spawn(
            "minicom",
            ["-D", cable.laptop_end, "-b", "115200", "-o", "-C", str(capture)],
            encoding="latin-1",
            timeout=ASKED_S,
            dimensions=(40, 82),
            env={**os.environ, "TERM": "vt100", "HOME": str(tmp_path)},
        )
        screen.expect("Z for help")
        enter(screen, "technician")
        for line in ("status", "help snap", "whoami"):
            screen.send(f"{line}\r")
            screen.expect(PROMPT)
        screen.send("\x01x")  # Ctrl-A X
        screen.expect("Leave Minicom")
        screen.send("\r")
        screen.expect(pexpect.EOF)
        screen.close()
    shown = capture.read_text("latin-1").replace("\r", "")
    assert "hello technician" in shown
    assert "running" in shown
    assert "technician" in shown.rpartition("whoami")[2]
    assert PASSWORD not in shown
