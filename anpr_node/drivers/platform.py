"""Chooses the drivers that the settings name and wires them together; the only place that knows all of them.

It starts nothing by itself: light and trigger come on with `Platform.start`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gpiozero.exc import GPIOZeroError
from gpiozero.pins import Factory

from anpr_node.config import CameraSection, InputsSection, OutputsSection, Settings
from anpr_node.drivers.camera import Camera
from anpr_node.drivers.clock import Clock, SimulatedClock, SystemClock
from anpr_node.drivers.gpio import Outputs, Pins, RelayLimits
from anpr_node.drivers.illuminator import Illuminator
from anpr_node.drivers.inputs import InputPins, Inputs
from anpr_node.drivers.pacing import WallPacer
from anpr_node.drivers.pulses import Exposures, LightName, PatientCamera, PulsePlan, Pulses
from anpr_node.drivers.pwm import PwmChannel, find_chip, stop_channel
from anpr_node.drivers.pwm_trigger import PwmTrigger
from anpr_node.drivers.replay import ReplayCamera
from anpr_node.drivers.trigger import Trigger
from anpr_node.errors import ConfigError, WiringError

US_PER_S = 1_000_000


@dataclass(frozen=True, slots=True)
class Platform:
    """The hardware of one node, real or simulated. `trigger` is None where the frames come from a recording.

    What a board does not have is None: then the illuminator is a bare pin and the pulses always run.
    """

    clock: Clock
    outputs: Outputs
    camera: Camera
    trigger: Trigger | None
    inputs: Inputs | None = None
    illuminator: Illuminator | None = None
    pulses: Pulses | None = None
    day_lit: bool = True
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def power_failing(self) -> bool:
        """Whether the supply has given its warning."""
        return self.inputs is not None and self.inputs.power_fail is not None and self.inputs.power_fail.raised

    def start(self, camera: CameraSection) -> None:
        """Illuminator on, then pulses. Raises ConfigError when the exposure is beyond the duty limit."""
        (self.illuminator or self.outputs.illuminator).on()
        try:
            if self.pulses is not None:
                self.pulses.start()
            elif self.trigger is not None:
                self.trigger.start(round(US_PER_S / camera.fps), camera.exposure_us)
        except ValueError as error:
            keys = "camera.exposure_us, trigger.bracket_us or daynight.day_exposure_us"
            raise ConfigError(f"{keys}: {error}") from error

    def tick(self) -> None:
        """Look at the inputs and follow them; called many times a second, from any thread."""
        with self._lock:
            for part in (self.inputs, self.illuminator, self.pulses):
                if part is not None:
                    part.tick()

    def use_light(self, light: LightName) -> None:
        """Go over to the exposures of day or night, and light or not."""
        with self._lock:
            if self.pulses is not None:
                self.pulses.use(light)
            if self.illuminator is not None:
                (self.illuminator.on if light == "night" or self.day_lit else self.illuminator.off)()

    def make_dark(self) -> None:
        """No light, no pulses: what draws most goes first. The outputs stay claimed."""
        with self._lock:
            (self.illuminator or self.outputs.illuminator).off()
            if self.pulses is not None:
                self.pulses.stop()
            elif self.trigger is not None:
                self.trigger.stop()

    def close(self) -> None:
        """The safe state: outputs off first, pulses stopped, camera closed, whatever of that fails."""
        try:
            self.outputs.all_off()
            self.make_dark()
        finally:
            try:
                self.camera.close()
                if isinstance(self.trigger, PwmTrigger):
                    self.trigger.close()
            finally:
                self.outputs.close()
                if self.inputs is not None:
                    self.inputs.close()


def pins_of(outputs: OutputsSection) -> Pins:
    """The pin numbers of the settings."""
    return Pins(outputs.relay_pin, outputs.led_pin, outputs.illuminator_pin)


def relay_limits_of(outputs: OutputsSection) -> RelayLimits:
    """How the contact may move."""
    return RelayLimits(outputs.relay_on_s_min, outputs.relay_on_s_max, outputs.relay_off_s_min)


def input_pins_of(inputs: InputsSection) -> InputPins:
    """The input pins that are fitted."""

    def pin(name: str) -> int | None:
        return getattr(inputs, f"{name}_pin") if name in inputs.fitted else None

    closes = inputs.presence_contact == "closes"
    return InputPins(pin("illuminator_fault"), pin("presence"), pin("power_fail"), closes)


def pulse_plan_of(settings: Settings) -> PulsePlan:
    """The pulses that the settings name."""
    trigger, daynight = settings.trigger, settings.daynight
    night = Exposures(settings.camera.exposure_us, trigger.bracket_us)
    return PulsePlan(
        round(US_PER_S / settings.camera.fps),
        round(US_PER_S / min(trigger.idle_fps, settings.camera.fps)),
        trigger.presence_hold_s,
        night,
        night if daynight.mode == "fixed" else Exposures(daynight.day_exposure_us),
    )


def pin_factory(outputs: OutputsSection) -> Factory:
    """Gpiozero's factory for real or simulated pins. Raises WiringError where lgpio finds no chip."""
    if outputs.pins == "simulated":
        from anpr_node.drivers.simulated.wires import wired_factory

        return wired_factory()
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
    return assemble(settings, clock, pin_factory(settings.outputs), None, lambda _: camera)


def assemble(
    settings: Settings,
    clock: Clock,
    factory: Factory,
    trigger: Trigger | None,
    open_camera: Callable[[Illuminator], Camera],
) -> Platform:
    """The whole hardware of a node around its pins, its trigger and a camera, which may ask whether it is lit.

    Raises WiringError, or what `open_camera` raises; then everything is given back, off.
    """
    with contextlib.ExitStack() as undo:
        if isinstance(trigger, PwmTrigger):
            undo.callback(trigger.close)
        outputs = Outputs(pins_of(settings.outputs), factory, clock, relay_limits_of(settings.outputs))
        undo.callback(outputs.close)
        inputs = Inputs(input_pins_of(settings.inputs), factory, clock)
        undo.callback(inputs.close)
        illuminator = Illuminator(outputs.illuminator, inputs.illuminator_fault, clock)
        camera = open_camera(illuminator)
        undo.pop_all()
    on_presence = settings.trigger.capture == "presence"
    pulses = None
    if trigger is not None:
        pulses = Pulses(trigger, clock, pulse_plan_of(settings), inputs.presence if on_presence else None)
    platform = Platform(
        clock,
        outputs,
        camera,
        trigger,
        inputs=inputs,
        illuminator=illuminator,
        pulses=pulses,
        day_lit=settings.daynight.day_lit,
    )
    if pulses is None or not on_presence:
        return platform
    return replace(platform, camera=PatientCamera(camera, pulses, clock, platform.tick))


def open_trigger(settings: Settings, clock: Clock) -> PwmTrigger | None:
    """The pulse hardware that the settings name, stopped; None where the camera runs free. Raises WiringError."""
    trigger = settings.trigger
    if trigger.kind == "none":
        return None
    root = Path(trigger.pwm_root)
    channel = PwmChannel(root, find_chip(root, trigger.pwm_device), trigger.pwm_channel)
    return PwmTrigger(channel, clock, trigger.duty_max)


def make_safe(settings: Settings, clock: Clock) -> None:
    """Every output off and the pulses stopped, whoever left them on. Raises WiringError, after doing what can be done.

    The pulses go on in hardware when a process is killed, and a pin may keep its level.
    """
    try:
        outputs = Outputs(pins_of(settings.outputs), pin_factory(settings.outputs), clock)
        outputs.all_off()
        outputs.close()
    finally:
        trigger = settings.trigger
        if trigger.kind == "pwm":
            root = Path(trigger.pwm_root)
            stop_channel(root, find_chip(root, trigger.pwm_device), trigger.pwm_channel)


def _clock_from_now() -> SimulatedClock:
    """Simulated time that begins at the machine's own UTC, so that reads, lists and searches speak of the same day."""
    machine = SystemClock()
    return SimulatedClock(machine.utc_ns(machine.monotonic_ns()))


def _simulated(settings: Settings, realtime: bool, planted: Sequence[str]) -> Platform:
    from anpr_node.drivers.simulated.camera import SimulatedCamera
    from anpr_node.drivers.simulated.circuit import Circuit
    from anpr_node.drivers.simulated.traffic import Traffic

    clock, pins = _clock_from_now(), pins_of(settings.outputs)
    pacer = WallPacer() if realtime else None
    if pacer is not None:
        clock.go_on_by(pacer.now_ns)
    circuit = Circuit(clock, pins, pacer)
    traffic = Traffic(seed=settings.camera.seed, planted=tuple(planted))
    camera = SimulatedCamera(circuit, traffic, light=settings.camera.light, seed=settings.camera.seed)
    if "presence" in settings.inputs.fitted:
        circuit.lay_loop(traffic, settings.inputs.presence_pin)
    return assemble(settings, clock, circuit.factory, circuit.trigger, lambda _: camera)
