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
from anpr_node.drivers.camera import Camera
from anpr_node.drivers.clock import Clock, SimulatedClock, SystemClock
from anpr_node.drivers.gpio import Outputs, Pins
from anpr_node.drivers.pacing import WallPacer
from anpr_node.drivers.replay import ReplayCamera
from anpr_node.drivers.trigger import Trigger
from anpr_node.errors import ConfigError, WiringError

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


def pin_factory(outputs: OutputsSection) -> Factory:
    """Gpiozero's factory for real or simulated pins. Raises WiringError where lgpio finds no chip."""
    if outputs.pins == "simulated":
        return MockFactory()
    try:
        from gpiozero.pins.lgpio import LGPIOFactory

        return LGPIOFactory()
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
    clock = _clock_from_now()
    camera = ReplayCamera(Path(settings.camera.path or ""), clock, WallPacer() if realtime else None)
    return Platform(clock, Outputs(pins_of(settings.outputs), pin_factory(settings.outputs), clock), camera, None)


def _clock_from_now() -> SimulatedClock:
    """Simulated time that begins at the machine's own UTC, so that reads, lists and searches speak of the same day."""
    machine = SystemClock()
    return SimulatedClock(machine.utc_ns(machine.monotonic_ns()))


def _simulated(settings: Settings, realtime: bool, planted: Sequence[str]) -> Platform:
    from anpr_node.drivers.simulated.camera import SimulatedCamera
    from anpr_node.drivers.simulated.circuit import Circuit
    from anpr_node.drivers.simulated.traffic import Traffic

    clock, pins = _clock_from_now(), pins_of(settings.outputs)
    circuit = Circuit(clock, pins, WallPacer() if realtime else None)
    traffic = Traffic(seed=settings.camera.seed, planted=tuple(planted))
    camera = SimulatedCamera(circuit, traffic, light=settings.camera.light, seed=settings.camera.seed)
    return Platform(clock, Outputs(pins, circuit.factory, clock), camera, circuit.trigger)
