"""The GPIO drivers on a real kernel: gpiozero and lgpio on simulated lines in User-Mode Linux. Opt-in, 3 s.

scripts/uml-kernel ~/uml && ANPR_UML=~/uml/linux scripts/test --unit -m uml
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

KERNEL = os.environ.get("ANPR_UML", "")
GUEST = ROOT / "tests" / "hil" / "gpio_sim_guest.py"

INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t configfs configfs /sys/kernel/config
mount -t tmpfs run /run
mkdir -p /sys/kernel/config/gpio-sim/node/bank0
echo 54 > /sys/kernel/config/gpio-sim/node/bank0/num_lines
echo 1 > /sys/kernel/config/gpio-sim/node/live
cd /run
PYTHONPATH={root} PYTHONDONTWRITEBYTECODE=1 {python} {guest} 2>&1
echo o > /proc/sysrq-trigger
sleep 5
"""

pytestmark = [
    pytest.mark.uml,
    pytest.mark.skipif(not Path(KERNEL).is_file(), reason="no User-Mode Linux in ANPR_UML; see scripts/uml-kernel"),
    pytest.mark.skipif(importlib.util.find_spec("lgpio") is None, reason="lgpio is not installed: pip install lgpio"),
]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the program in the guest saw."""
    folder = tmp_path_factory.mktemp("uml")
    init = folder / "init.sh"
    init.write_text(INIT.format(root=ROOT, python=sys.executable, guest=GUEST))
    init.chmod(0o755)
    command = [KERNEL, "mem=256M", "root=/dev/root", "rootfstype=hostfs", "rw", f"init={init}", "con0=fd:0,fd:1"]
    command += ["con=null", "quiet"]
    run = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False, cwd=folder
    )
    lines = [line for line in run.stdout.splitlines() if line.startswith("SEEN ")]
    assert lines, run.stdout[-2000:]
    return json.loads(lines[0].removeprefix("SEEN "))  # type: ignore[no-any-return]


def test_it_is_the_real_factory(seen: dict[str, object]) -> None:
    assert seen["factory"] == "gpiozero.pins.lgpio"


def test_outputs_are_off_when_claimed_and_do_as_told(seen: dict[str, object]) -> None:
    assert seen["claimed"] == [0, 0, 0]
    assert seen["on"] == [1, 1, 1]
    assert seen["pulse over"] == [0, 1, 1]


def test_inputs_are_raised_until_something_holds_them(seen: dict[str, object]) -> None:
    assert seen["unconnected"] == [True, True, True]
    assert seen["quiet"] == [False, False, False]
    assert seen["somebody"] == [False, True, False]


def test_a_fault_switches_the_illuminators_line_off(seen: dict[str, object]) -> None:
    assert seen["strobe fault"] == [0, 1]


def test_lines_fall_to_zero_when_closed_and_when_killed(seen: dict[str, object]) -> None:
    assert seen["closed"] == [0, 0, 0]
    assert seen["killed"] == [[1, 1, 1], [0, 0, 0]]
