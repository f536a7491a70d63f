"""What noise on the console's cables costs the capture loop: the same frames, in quiet and in noise, one by one."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pexpect
import pytest
from conftest import ROOT
from console.cable import Cable
from console.far_end import PASSWORD, settings_in
from test_console import enter, enter_anyway, pexpect_on

from anpr_node import access
from anpr_node.access import Person
from anpr_node.config import Settings, load
from anpr_node.console.node_link import NodeLink
from anpr_node.store.database import open_store

pytestmark = pytest.mark.system

QUIET_S, NOISE_S = 7.0, 5.0
WINDOWS = 6
MARGIN_S = 0.3
P99_RATIO_MAX = 1.05
PATIENCE_S = 180


class Socket:
    """Where a cable is plugged in: a name that stays, whichever pseudo-terminal is behind it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cable: Cable | None = None

    def plug(self, seed: int, struck_share: float) -> Cable:
        self.pull()
        self.cable = Cable(struck_share=struck_share, seed=seed)
        fresh = self.path.with_suffix(".new")
        fresh.symlink_to(self.cable.console_end)
        fresh.replace(self.path)
        return self.cable

    def pull(self) -> None:
        if self.cable is not None:
            self.path.unlink()  # the number of a pseudo-terminal is given to the next one, on the other socket perhaps
            self.cable.close()
        self.cable = None


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    found = settings_in(tmp_path, "[camera]\nfps = 10\n")
    with closing(open_store(found.state_folder)) as store:
        access.add(store, Person("technician", "technician"), None, PASSWORD, 0)
        for number in range(WINDOWS):  # whose password arrives spoilt is locked out for longer each time
            access.add(store, Person(f"spoilt{number}", "technician"), None, PASSWORD, 0)
    return found


def test_the_loop_pays_nothing_for_noise_on_two_cables(
    settings: Settings, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    before, costs = load(settings.source), tmp_path / "costs.json"
    node = subprocess.Popen(
        [sys.executable, str(ROOT / "tests/system/timed_node.py"), str(settings.source), str(costs)]
    )
    sockets = [Socket(tmp_path / f"tty{n}") for n in range(2)]
    consoles = [
        subprocess.Popen(
            [sys.executable, "-m", "anpr_node", "console", "--config", str(settings.source), "--port", str(each.path)],
            stderr=subprocess.DEVNULL,
        )
        for each in sockets
    ]
    windows = []
    try:
        assert NodeLink.of(settings).wait(PATIENCE_S)
        for number in range(WINDOWS):
            time.sleep(QUIET_S)  # quiet
            began_s = time.time()
            noise(sockets, number)
            windows.append((began_s, time.time()))
            for each in sockets:
                each.pull()  # in the middle of whatever it was
        assert [each.poll() for each in consoles] == [None, None]
        assert load(settings.source) == before
        assert not NodeLink.of(settings).call("numbers")["relay_on"]
    finally:
        for process in (*consoles, node):
            process.terminate()
            process.wait(PATIENCE_S)
    quiet, noisy = p99_ms(json.loads(costs.read_text()), windows)
    record_property("p99_ms", (quiet, noisy))
    assert noisy < P99_RATIO_MAX * quiet, f"{quiet:.2f} ms a frame in quiet, {noisy:.2f} ms in noise"


def noise(sockets: list[Socket], number: int) -> None:
    """A while: a session at work on one cable, noise, every byte there is and a line of a megabyte on the other."""
    ends_s, rng = time.monotonic() + NOISE_S, random.Random(number)
    working, struck = sockets[number % 2].plug(number, 0.0), sockets[1 - number % 2].plug(number, 0.2)
    time.sleep(1.2)  # until the consoles have seen the cables
    screen = pexpect_on(struck)
    screen.timeout = 1
    enter_anyway(screen, f"spoilt{number}")
    struck.send(bytes(range(256)) * 40 + b"x" * 1_000_000 + b"\r\nset camera.exposure_us 99\r\nsave\r\n")
    worker = pexpect_on(working)
    worker.timeout = PATIENCE_S
    assert any(answers(worker) for _ in range(60))  # a key pressed before the console has the cable is lost
    enter(worker, "technician")
    while time.monotonic() < ends_s:
        worker.send(rng.choice(["status\r", "reads 5\r", "show camera\r", "install list\r"]))
        struck.send(rng.randbytes(1152))  # what 115200 baud carry in a tenth of a second
        time.sleep(0.1)
    working.send(b"set camera.exposure_us 99\rrelay te")


def answers(screen: pexpect.spawnbase.SpawnBase) -> bool:
    """Whether a login is asked for within a moment; the prompt is left as it is found."""
    screen.send("\r")
    return bool(screen.expect(["login: ", pexpect.TIMEOUT], timeout=2) == 0)


def p99_ms(costs: list[tuple[int, float, float, float]], windows: list[tuple[float, float]]) -> tuple[float, float]:
    """Each frame's median cost in quiet and in noise; of each the 99th percentile over the frames.

    Where two cores share their parts, whatever runs on the one makes the other slower: by as much as the yardstick
    grew in the noise, the noise has cost any program.
    """
    quiet, noisy = defaultdict(list), defaultdict(list)
    yard_quiet, yard_noisy = [], []
    for index, at_s, cost_s, yard_s in costs:
        if any(begin < at_s < end for begin, end in windows):
            noisy[index].append(cost_s)
            yard_noisy.append(yard_s)
        elif windows[0][0] - QUIET_S < at_s < windows[-1][1] and not any(
            begin - MARGIN_S < at_s < end + MARGIN_S for begin, end in windows
        ):
            quiet[index].append(cost_s)
            yard_quiet.append(yard_s)
    both = [index for index in quiet if len(quiet[index]) >= 3 and len(noisy[index]) >= 3]
    assert len(both) > 30
    first, second = (
        float(np.quantile([np.median(each[index]) for index in both], 0.99)) * 1e3 for each in (quiet, noisy)
    )
    slower = max(1.0, float(np.median(yard_noisy) / np.median(yard_quiet)))
    sys.stdout.write(f"{first:.2f} ms in quiet, {second:.2f} ms in noise, cores {slower:.3f} times as slow in it\n")
    return first, second / slower
