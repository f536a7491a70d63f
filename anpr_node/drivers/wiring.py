"""The pins and the PWM that the settings name, and the safe state of them all.

`anpr-node safe` runs this within a second of the node's end on a slow board too: nothing that reads pictures is
imported here.
"""

from __future__ import annotations

from pathlib import Path

from gpiozero.exc import GPIOZeroError
from gpiozero.pins import Factory

from anpr_node.config import OutputsSection, Settings
from anpr_node.drivers.boards import BOARDS
from anpr_node.drivers.clock import Clock
from anpr_node.drivers.gpio import Outputs, Pins, RelayLimits
from anpr_node.drivers.modem.line import open_supply
from anpr_node.drivers.pwm import find_chip, stop_channel
from anpr_node.errors import WiringError


def pins_of(outputs: OutputsSection) -> Pins:
    """The pin numbers of the settings."""
    return Pins(outputs.relay_pin, outputs.led_pin, outputs.illuminator_pin)


def relay_limits_of(outputs: OutputsSection) -> RelayLimits:
    """How the contact may move."""
    return RelayLimits(outputs.relay_on_s_min, outputs.relay_on_s_max, outputs.relay_off_s_min)


def pin_factory(outputs: OutputsSection, board: str) -> Factory:
    """Gpiozero's factory for real or simulated pins. Raises WiringError where lgpio finds no chip."""
    if outputs.pins == "simulated":
        from anpr_node.drivers.simulated.wires import wired_factory

        return wired_factory()
    chip = BOARDS[board]
    try:
        from gpiozero.pins.lgpio import LGPIOFactory

        from anpr_node.drivers.header_pins import HeaderFactory

        return LGPIOFactory() if chip.gpio_label is None else HeaderFactory(chip.gpio_label, chip.gpio_lines)
    except WiringError:
        raise
    except (ImportError, OSError, ValueError, GPIOZeroError) as error:
        raise WiringError(f"no GPIO chip to drive ({error}); on a PC set outputs.pins = 'simulated'") from error


def pwm_device_of(settings: Settings) -> str:
    """The PWM that the settings name, else the board's own. Raises WiringError where neither has one."""
    device = settings.trigger.pwm_device or BOARDS[settings.node.board].pwm_device
    if device is None:
        raise WiringError(f"a {settings.node.board} has no PWM of its own: set node.board, or trigger.pwm_device")
    return device


def make_safe(settings: Settings, clock: Clock) -> None:
    """Pulses stopped and every output off, whoever left them on. Raises WiringError, after doing what can be done.

    The pulses come first: they go on in hardware when a process is killed, while pins fall off with it.
    """
    try:
        if settings.trigger.kind == "pwm":
            root = Path(settings.trigger.pwm_root)
            stop_channel(root, find_chip(root, pwm_device_of(settings)), settings.trigger.pwm_channel)
    finally:
        factory = pin_factory(settings.outputs, settings.node.board)
        outputs = Outputs(pins_of(settings.outputs), factory, clock)
        outputs.all_off()
        outputs.close()
        supply = open_supply(settings.modem, factory)
        if supply is not None:
            supply.close()
