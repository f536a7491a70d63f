"""The whole simulated hardware, wired as a node wires it: inputs, illuminator, pulses and supply."""

from __future__ import annotations

import itertools
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from roadside import VIEW

from anpr_node.config import CameraSection, Settings, parse
from anpr_node.drivers.camera import Camera
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.illuminator import Illuminator
from anpr_node.drivers.pacing import VirtualPacer
from anpr_node.drivers.platform import Platform, assemble, open_platform, open_trigger
from anpr_node.drivers.pwm import PwmChannel
from anpr_node.drivers.pwm_trigger import PwmTrigger
from anpr_node.drivers.simulated.camera import SimulatedCamera
from anpr_node.drivers.simulated.circuit import Circuit
from anpr_node.drivers.simulated.pwm import PwmState, SimulatedPwmChip
from anpr_node.drivers.simulated.traffic import Traffic, TrafficPlan
from anpr_node.drivers.wiring import make_safe, pins_of
from anpr_node.errors import ConfigError, FrameTimeout, WiringError
from anpr_node.records import Frame

S = 1_000_000_000
ON_PRESENCE = {
    "trigger": {"capture": "presence"},
    "inputs": {"fitted": ["illuminator_fault", "presence", "power_fail"]},
}


@dataclass
class Site:
    """One platform in virtual time, with its circuit in view."""

    settings: Settings
    circuit: Circuit
    traffic: Traffic
    platform: Platform

    def frame(self) -> Frame:
        frame = self.platform.camera.capture()
        assert frame is not None
        self.platform.tick()
        return frame


def make_site(content: dict[str, object] | None = None, plan: TrafficPlan | None = None) -> Site:
    settings = parse(content or {}, "test")
    clock = SimulatedClock()
    circuit, traffic = Circuit(clock, pins_of(settings.outputs)), Traffic(plan, view=VIEW)
    if "presence" in settings.inputs.fitted:
        circuit.lay_loop(traffic, settings.inputs.presence_pin)
    camera = SimulatedCamera(circuit, traffic)
    platform = assemble(settings, clock, circuit.factory, circuit.trigger, lambda _: camera)
    platform.start(settings.camera)
    return Site(settings, circuit, traffic, platform)


def test_a_failing_strobe_is_switched_off_and_comes_back() -> None:
    site = make_site()
    assert site.frame().illuminated
    site.circuit.fail_strobe(site.settings.inputs.illuminator_fault_pin)
    lit = [(site.frame().illuminated, site.platform.outputs.illuminator.is_on) for _ in range(30)]
    assert not any(light for light, _ in lit)
    assert lit[-1] == (False, False)
    site.circuit.fail_strobe(site.settings.inputs.illuminator_fault_pin, failed=False)
    assert any(site.frame().illuminated for _ in range(330))
    assert site.platform.illuminator is not None
    assert site.platform.illuminator.faults == 1


def test_bracketing_shows_in_the_frames() -> None:
    site = make_site({"trigger": {"bracket_us": 900}})
    exposures = [site.frame().exposure_us for _ in range(6)]
    assert sorted(exposures) == [300] * 3 + [900] * 3
    assert all(one != other for one, other in itertools.pairwise(exposures))


def test_day_and_night_have_their_own_light_and_exposure() -> None:
    site = make_site({"daynight": {"mode": "auto"}})
    site.platform.use_light("day")
    frames = [site.frame() for _ in range(2)]
    assert {(frame.exposure_us, frame.illuminated) for frame in frames} == {(200, False)}
    site.platform.use_light("night")
    assert (site.frame().exposure_us, site.frame().illuminated) == (300, True)


def test_presence_catches_every_passage_and_rests_on_an_empty_road() -> None:
    plan = TrafficPlan(count=12, gap_s_mean=8.0, neighbour_lane=False)
    site = make_site(ON_PRESENCE, plan)
    captured, clock = [], site.platform.clock
    while not site.traffic.is_over(clock.monotonic_ns()):
        captured.append(site.frame().captured_ns)
    seconds = clock.monotonic_ns() / S
    assert len(captured) < 0.8 * 30 * seconds  # it did rest
    passages = [p for p in site.traffic.passages(clock.monotonic_ns()) if p.lane == "1"]
    assert len(passages) == 12
    for passage in passages:
        frames = sum(passage.enters_ns <= moment <= passage.leaves_ns for moment in captured)
        wanted = (passage.leaves_ns - passage.enters_ns) / S * 30
        assert frames >= 0.8 * wanted - 1, (passage, frames)


def test_an_empty_road_is_looked_at_once_a_second_and_no_timeout_counts() -> None:
    site = make_site(ON_PRESENCE, TrafficPlan(count=0, neighbour_lane=False))
    moments = [site.frame().captured_ns for _ in range(5)]
    assert all(abs(b - a - S) < 1_000_000 for a, b in itertools.pairwise(moments))
    site.circuit.trigger.stop()
    with pytest.raises(FrameTimeout):
        site.platform.camera.capture()


def test_the_loop_fails_towards_capturing() -> None:
    site = make_site(ON_PRESENCE, TrafficPlan(count=0, neighbour_lane=False))
    site.circuit.trigger.when_time_passes = lambda _now_ns: None
    site.circuit.raise_line(site.settings.inputs.presence_pin)  # the cable is cut
    site.frame()
    moments = [site.frame().captured_ns for _ in range(5)]
    assert moments[-1] - moments[0] < 0.2 * S


def test_darkness_first_when_the_supply_fails() -> None:
    site = make_site()
    assert not site.platform.power_failing
    site.circuit.raise_line(site.settings.inputs.power_fail_pin)
    for _ in range(5):
        site.frame()
    assert site.platform.power_failing
    site.platform.make_dark()
    site.platform.tick()
    assert not site.platform.outputs.illuminator.is_on
    with pytest.raises(FrameTimeout):
        site.platform.camera.capture()
    site.platform.close()
    site.platform.close()


@pytest.mark.parametrize("where", ["trigger", "daynight"])
def test_no_setting_passes_the_limits(where: str) -> None:
    content: dict[str, dict[str, object]] = {"camera": {"fps": 120}}
    content[where] = {"bracket_us": 900} if where == "trigger" else {"mode": "auto", "day_exposure_us": 900}
    with pytest.raises(ConfigError, match="900 us is outside 1 to 833 us"):
        make_site(content)  # type: ignore[arg-type]


def test_the_pwm_trigger_is_stopped_when_the_platform_closes(tmp_path: Path) -> None:
    settings = parse({}, "test")
    chip, simulated = SimulatedPwmChip(tmp_path), open_platform(settings, realtime=False)
    trigger = PwmTrigger(PwmChannel(tmp_path, write=chip.write, pacer=VirtualPacer()), simulated.clock)
    platform = replace(simulated, trigger=trigger, pulses=None)
    platform.start(CameraSection())
    assert chip.states[0] == PwmState(33_333_000, 286_000, True)
    platform.close()
    platform.close()
    assert chip.states[0] == PwmState(33_333_000, 0, False)


def test_a_camera_that_does_not_open_leaves_nothing_claimed_or_pulsing(tmp_path: Path) -> None:
    settings, clock = parse({}, "test"), SimulatedClock()
    chip, factory = SimulatedPwmChip(tmp_path), Circuit(clock, pins_of(parse({}, "test").outputs)).factory
    trigger = PwmTrigger(PwmChannel(tmp_path, write=chip.write, pacer=VirtualPacer()), clock)

    def broken(_: Illuminator) -> Camera:
        raise WiringError("no camera")

    for _ in range(2):  # the second time would fail on the pins, were they still claimed
        with pytest.raises(WiringError, match="no camera"):
            assemble(settings, clock, factory, trigger, broken)
    assert not (tmp_path / "pwmchip0" / "pwm0").exists()


def leave_running(root: Path) -> Path:
    """Plain files, as a killed node's channel would show them."""
    folder = root / "pwmchip0" / "pwm0"
    folder.mkdir(parents=True)
    for name, value in [("period", "33333000"), ("duty_cycle", "286000"), ("enable", "1"), ("polarity", "normal")]:
        (folder / name).write_text(f"{value}\n")
    (root / "pwmchip0" / "unexport").touch()
    (root / "1f00098000.pwm").mkdir()
    (root / "pwmchip0" / "device").symlink_to(root / "1f00098000.pwm")
    return folder


def pwm_settings(root: Path, recording: Path) -> Settings:
    camera = {"kind": "replay", "path": str(recording)}
    trigger = {"kind": "pwm", "pwm_root": str(root)}
    return parse({"node": {"board": "raspberry-pi-5"}, "camera": camera, "trigger": trigger}, "test")


def test_safe_stops_what_a_killed_node_left_pulsing(tmp_path: Path) -> None:
    folder = leave_running(tmp_path)
    make_safe(pwm_settings(tmp_path, tmp_path), SimulatedClock())
    assert [(folder / name).read_text().strip() for name in ("enable", "duty_cycle")] == ["0", "0"]
    assert (tmp_path / "pwmchip0" / "unexport").read_text() == "0"


def test_safe_loads_nothing_that_is_slow_to_load() -> None:
    code = "import sys, anpr_node.cli, anpr_node.drivers.wiring; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "PIL", "av", "gi"} & set(run.stdout.split())


def test_safe_says_when_the_channel_cannot_be_stopped(tmp_path: Path) -> None:
    folder = leave_running(tmp_path)
    (folder / "enable").unlink()
    (folder / "enable").mkdir()
    with pytest.raises(WiringError, match="enable: 0 refused"):
        make_safe(pwm_settings(tmp_path, tmp_path), SimulatedClock())


def test_a_trigger_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    assert open_trigger(parse({}, "test"), SimulatedClock()) is None
    with pytest.raises(WiringError, match=r"no PWM 1f00098000\.pwm in .*hw/README\.md"):
        open_trigger(pwm_settings(tmp_path, tmp_path), SimulatedClock())
