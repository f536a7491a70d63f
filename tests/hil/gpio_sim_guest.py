"""Inside User-Mode Linux: the node's own GPIO drivers with real gpiozero and lgpio on gpio-sim; no test of its own.

Prints one JSON object of what was seen in the simulated lines' own files.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from gpiozero.pins.lgpio import LGPIOFactory

from anpr_node.drivers.clock import SystemClock
from anpr_node.drivers.gpio import Outputs, Pins
from anpr_node.drivers.illuminator import Illuminator
from anpr_node.drivers.inputs import InputPins, Inputs

PINS = Pins(17, 27, 22)
INPUTS = InputPins(23, 24, 25)
LINES = next(Path("/sys/devices/platform/gpio-sim.0").glob("gpiochip*"))
PATIENCE_S = 20.0


class Factory(LGPIOFactory):  # type: ignore[misc]
    """Gpiozero asks which Raspberry Pi this is."""

    def _get_revision(self) -> int:
        return 0xA02082


def level(pin: int) -> int:
    return int((LINES / f"sim_gpio{pin}" / "value").read_text())


def hold(pin: int, *, high: bool) -> None:
    (LINES / f"sim_gpio{pin}" / "pull").write_text("pull-up" if high else "pull-down")


def levels() -> list[int]:
    return [level(pin) for pin in (PINS.relay, PINS.led, PINS.illuminator)]


def settle(inputs: Inputs, lamp: Illuminator, seconds: float) -> None:
    ends_s = time.monotonic() + seconds
    while time.monotonic() < ends_s:
        inputs.tick()
        lamp.tick()
        time.sleep(0.01)


def main() -> None:
    seen: dict[str, object] = {"factory": LGPIOFactory.__module__}
    clock, factory = SystemClock(), Factory(chip=0)
    outputs, inputs = Outputs(PINS, factory, clock), Inputs(INPUTS, factory, clock)
    assert inputs.illuminator_fault
    assert inputs.presence
    assert inputs.power_fail
    lamp = Illuminator(outputs.illuminator, inputs.illuminator_fault, clock)
    seen["claimed"] = levels()
    lines = (inputs.illuminator_fault, inputs.presence, inputs.power_fail)
    seen["unconnected"] = [line.raised for line in lines]
    for line in lines:
        hold(line.pin, high=False)
    settle(inputs, lamp, 0.3)
    seen["quiet"] = [line.raised for line in lines]
    outputs.relay.pulse(0.2)
    outputs.led.pulse(60)
    lamp.on()
    seen["on"] = levels()
    time.sleep(0.25)
    outputs.tick()
    seen["pulse over"] = levels()
    hold(24, high=True)
    settle(inputs, lamp, 0.1)
    seen["somebody"] = [line.raised for line in lines]
    hold(23, high=True)
    settle(inputs, lamp, 0.8)
    seen["strobe fault"] = [level(PINS.illuminator), lamp.faults]
    outputs.close()
    inputs.close()
    seen["closed"] = levels()
    factory.close()
    seen["killed"] = killed()
    sys.stdout.write(f"SEEN {json.dumps(seen)}\n")


def killed() -> list[list[int]]:
    """Everything on in another process, which is then killed: the levels before and after."""
    child = os.fork()
    if child == 0:
        outputs = Outputs(PINS, Factory(chip=0), SystemClock())
        for output in (outputs.relay, outputs.led, outputs.illuminator):
            output.on()
        signal.pause()
    ends_s = time.monotonic() + PATIENCE_S
    while levels() != [1, 1, 1] and time.monotonic() < ends_s:
        time.sleep(0.01)
    before = levels()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return [before, levels()]


main()
