"""Chooses the drivers that the settings name and wires them together; the only place that knows all of them.

It starts nothing by itself: light and trigger come on with `Platform.start`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gpiozero.pins import Factory

from anpr_node.config import CameraSection, InputsSection, Settings
from anpr_node.drivers.boards import BOARDS
from anpr_node.drivers.camera import Camera
from anpr_node.drivers.clock import Clock, SimulatedClock, SystemClock
from anpr_node.drivers.csi_camera import CsiCamera
from anpr_node.drivers.gpio import Outputs
from anpr_node.drivers.gst_camera import GstCamera
from anpr_node.drivers.illuminator import Illuminator
from anpr_node.drivers.inputs import InputPins, Inputs
from anpr_node.drivers.lighting import Lighting
from anpr_node.drivers.modem.line import ModemLine, open_line
from anpr_node.drivers.pacing import WallPacer
from anpr_node.drivers.pulses import Exposures, LightName, PatientCamera, PulsePlan, Pulses
from anpr_node.drivers.pwm import PwmChannel, find_chip
from anpr_node.drivers.pwm_trigger import PwmTrigger
from anpr_node.drivers.replay import ReplayCamera
from anpr_node.drivers.trigger import Trigger
from anpr_node.drivers.wiring import pin_factory, pins_of, pwm_device_of, relay_limits_of
from anpr_node.errors import ConfigError
from anpr_node.units import US_PER_S


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
    reopen: Callable[[], Camera] | None = None
    """Opens the camera once more, after it was closed; None where that makes no sense."""
    modem: ModemLine | None = None
    painted: bool = False
    """Whether a program paints the frames: where it is too slow, opening it anew costs more time, and mends nothing."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def power_failing(self) -> bool:
        """Whether the supply has given its warning."""
        return self.inputs is not None and self.inputs.power_fail is not None and self.inputs.power_fail.raised

    def start(self, camera: CameraSection) -> None:
        """Illuminator on, then pulses. Raises ConfigError when the exposure is beyond the duty limit."""
        (self.illuminator or self.outputs.illuminator).on()
        self._start_pulses(camera)

    def restart_pulses(self, camera: CameraSection) -> None:
        """Pulses off and on again: the mildest thing to try when no frames come."""
        with self._lock:
            self._stop_pulses()
            self._start_pulses(camera)

    def _start_pulses(self, camera: CameraSection) -> None:
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
            self._stop_pulses()

    def _stop_pulses(self) -> None:
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
                for part in (self.outputs, self.inputs, self.modem):
                    if part is not None:
                        part.close()


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


def open_platform(settings: Settings, *, realtime: bool = True, planted: Sequence[str] = ()) -> Platform:
    """Open what the settings name. `planted` are plates that the simulated traffic shall include.

    Raises:
        ClipError: the recording cannot be played.
        WiringError: a pin cannot be driven, or the camera cannot be opened.

    """
    if settings.camera.kind == "simulated":
        return _simulated(settings, realtime, planted)
    if settings.camera.kind in {"csi", "gstreamer"}:
        return _real(settings)
    clock = _clock_from_now()
    camera = ReplayCamera(Path(settings.camera.path or ""), clock, WallPacer() if realtime else None)
    factory = pin_factory(settings.outputs, settings.node.board)
    return replace(assemble(settings, clock, factory, None, lambda _: camera), reopen=None)


def _real(settings: Settings) -> Platform:
    """The board's own pins, the pulses that the settings name, and a real camera that is told of both."""
    clock, board = SystemClock(), BOARDS[settings.node.board]
    factory = pin_factory(settings.outputs, board.name)
    trigger = open_trigger(settings, clock)
    pulse_us = None if trigger is None else trigger.taken
    camera, sensor = settings.camera, settings.sensor

    def open_camera(lamp: Illuminator) -> Camera:
        lighting = Lighting(pulse_us, lambda: lamp.is_lit)
        if camera.kind == "csi":
            return CsiCamera(camera, sensor, lighting)
        return GstCamera(board.pipeline(camera, sensor), camera, sensor, lighting)

    return assemble(settings, clock, factory, trigger, open_camera)


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
        modem = open_line(settings.modem, factory)
        if modem is not None:
            undo.callback(modem.close)
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
        reopen=lambda: open_camera(illuminator),
        modem=modem,
    )
    if pulses is None or not on_presence:
        return platform

    def patient(camera: Camera) -> Camera:
        return PatientCamera(camera, pulses, clock, platform.tick)

    return replace(platform, camera=patient(camera), reopen=lambda: patient(open_camera(illuminator)))


def open_trigger(settings: Settings, clock: Clock) -> PwmTrigger | None:
    """The pulse hardware that the settings name, stopped; None where the camera runs free. Raises WiringError."""
    trigger = settings.trigger
    if trigger.kind == "none":
        return None
    root = Path(trigger.pwm_root)
    channel = PwmChannel(root, find_chip(root, pwm_device_of(settings)), trigger.pwm_channel)
    return PwmTrigger(channel, clock, trigger.duty_max)


def _clock_from_now() -> SimulatedClock:
    """Simulated time that begins at the machine's own UTC, so that reads, lists and searches speak of the same day."""
    machine = SystemClock()
    return SimulatedClock(machine.utc_ns(machine.monotonic_ns()))


def _simulated(settings: Settings, realtime: bool, planted: Sequence[str]) -> Platform:
    from anpr_node.drivers.simulated.bench import read_bench
    from anpr_node.drivers.simulated.camera import SimulatedCamera
    from anpr_node.drivers.simulated.circuit import Circuit
    from anpr_node.drivers.simulated.traffic import Traffic

    clock, pins = _clock_from_now(), pins_of(settings.outputs)
    pacer = WallPacer() if realtime else None
    if pacer is not None:
        clock.go_on_by(pacer.now_ns)
    circuit = Circuit(clock, pins, pacer)
    traffic = Traffic(seed=settings.camera.seed, planted=tuple(planted))
    if "presence" in settings.inputs.fitted:
        circuit.lay_loop(traffic, settings.inputs.presence_pin)

    def open_camera(_: Illuminator) -> Camera:
        bench = read_bench(settings.state_folder)
        circuit.break_strobe(bench.strobe == 0)
        return SimulatedCamera(circuit, traffic, settings.camera.light, settings.camera.seed, bench)

    return replace(assemble(settings, clock, circuit.factory, circuit.trigger, open_camera), painted=True)
