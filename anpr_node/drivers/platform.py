"""Chooses the drivers that the settings name and wires them together; the only place that knows all of them.

It starts nothing by itself: light and trigger come on with `Platform.start`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gpiozero.exc import GPIOZeroError
from gpiozero.pins import Factory
from gpiozero.pins.mock import MockFactory

from anpr_node.config import CameraSection, OutputsSection, Settings
from anpr_node.drivers.boards import BOARDS
from anpr_node.drivers.camera import Camera
from anpr_node.drivers.clock import Clock, SimulatedClock, SystemClock
from anpr_node.drivers.csi_camera import CsiCamera
from anpr_node.drivers.gpio import Outputs, Pins
from anpr_node.drivers.gst_camera import GstCamera
from anpr_node.drivers.lighting import Lighting
from anpr_node.drivers.pacing import WallPacer
from anpr_node.drivers.replay import ReplayCamera
from anpr_node.drivers.trigger import Trigger
from anpr_node.errors import AnprError, ConfigError, WiringError

US_PER_S = 1_000_000


@dataclass(frozen=True, slots=True)
class Platform:
    """The hardware of one node, real or simulated. `trigger` is None where the frames come from a recording."""

    clock: Clock
    outputs: Outputs
    camera: Camera
    trigger: Trigger | None

    def start(self, camera: CameraSection) -> None:
        """Illuminator on, then pulses. Raises ConfigError when the exposure is beyond the duty limit."""
        self.outputs.illuminator.on()
        if self.trigger is not None:
            try:
                self.trigger.start(round(US_PER_S / camera.fps), camera.exposure_us)
            except ValueError as error:
                raise ConfigError(f"camera.exposure_us: {error}") from error

    def close(self) -> None:
        """The safe state: pulses stopped, every output off, camera closed."""
        if self.trigger is not None:
            self.trigger.stop()
        self.camera.close()
        self.outputs.close()


def pins_of(outputs: OutputsSection) -> Pins:
    """The pin numbers of the settings."""
    return Pins(outputs.relay_pin, outputs.led_pin, outputs.illuminator_pin)


def pin_factory(outputs: OutputsSection, board: str = "pc") -> Factory:
    """Gpiozero's factory for real or simulated pins. Raises WiringError where lgpio finds no chip."""
    if outputs.pins == "simulated":
        return MockFactory()
    chip = BOARDS[board]
    try:
        from gpiozero.pins.lgpio import LGPIOFactory

        from anpr_node.drivers.header_pins import HeaderFactory

        return LGPIOFactory() if chip.gpio_label is None else HeaderFactory(chip.gpio_label, chip.gpio_lines)
    except WiringError:
        raise
    except (ImportError, OSError, ValueError, GPIOZeroError) as error:
        raise WiringError(f"no GPIO chip to drive ({error}); on a PC set outputs.pins = 'simulated'") from error


def open_platform(settings: Settings, *, realtime: bool = True, planted: Sequence[str] = ()) -> Platform:
    """Open what the settings name. `planted` are plates that the simulated traffic shall include.

    Raises:
        ClipError: the recording cannot be played.
        WiringError: a pin cannot be driven.

    """
    if settings.camera.kind == "simulated":
        return _simulated(settings, realtime, planted)
    if settings.camera.kind in {"csi", "gstreamer"}:
        return _real(settings)
    clock = SimulatedClock()
    camera = ReplayCamera(Path(settings.camera.path or ""), clock, WallPacer() if realtime else None)
    return Platform(
        clock,
        Outputs(pins_of(settings.outputs), pin_factory(settings.outputs, settings.node.board), clock),
        camera,
        None,
    )


def _real(settings: Settings) -> Platform:
    """The board's own pins and a real camera; the pulse's width is the one that is set."""
    clock, board = SystemClock(), BOARDS[settings.node.board]
    outputs = Outputs(pins_of(settings.outputs), pin_factory(settings.outputs, board.name), clock)
    camera, sensor = settings.camera, settings.sensor
    pulse_us = (lambda _: camera.exposure_us) if sensor.external_trigger else None
    lighting = Lighting(pulse_us, lambda: outputs.illuminator.is_on)
    try:
        if camera.kind == "csi":
            return Platform(clock, outputs, CsiCamera(camera, sensor, lighting), None)
        return Platform(clock, outputs, GstCamera(board.pipeline(camera, sensor), camera, sensor, lighting), None)
    except AnprError:
        outputs.close()
        raise


def _simulated(settings: Settings, realtime: bool, planted: Sequence[str]) -> Platform:
    from anpr_node.drivers.simulated.camera import SimulatedCamera
    from anpr_node.drivers.simulated.circuit import Circuit
    from anpr_node.drivers.simulated.traffic import Traffic

    clock, pins = SimulatedClock(), pins_of(settings.outputs)
    circuit = Circuit(clock, pins, WallPacer() if realtime else None)
    traffic = Traffic(seed=settings.camera.seed, planted=tuple(planted))
    camera = SimulatedCamera(circuit, traffic, light=settings.camera.light, seed=settings.camera.seed)
    return Platform(clock, Outputs(pins, circuit.factory, clock), camera, circuit.trigger)
