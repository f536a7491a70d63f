"""The GPIO drivers on a real kernel: gpiozero and lgpio on simulated lines in User-Mode Linux. Opt-in, 3 s.

scripts/uml-kernel ~/uml && ANPR_UML=~/uml/linux scripts/test --unit -m uml
"""

from __future__ import annotations

import sys

import pytest
from conftest import ROOT
from uml import NEEDED, boot

GUEST = ROOT / "tests" / "hil" / "gpio_sim_guest.py"

SCRIPT = """
cd /run
PYTHONPATH={root} PYTHONDONTWRITEBYTECODE=1 {python} {guest} 2>&1
echo o > /proc/sysrq-trigger
sleep 5
"""

pytestmark = NEEDED


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What the program in the guest saw."""
    script = SCRIPT.format(root=ROOT, python=sys.executable, guest=GUEST)
    return boot(tmp_path_factory.mktemp("uml"), script, 120)


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
