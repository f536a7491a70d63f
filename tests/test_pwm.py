"""Hardware PWM through sysfs: the order of writes, the limits, and what a killed process leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from anpr_node.drivers.pacing import VirtualPacer
from anpr_node.drivers.pwm import PwmChannel, find_chip, stop_channel, write_attribute
from anpr_node.drivers.simulated.pwm import PwmState, SimulatedPwmChip
from anpr_node.errors import WiringError

PERIODS_NS = st.integers(8_000_000, 1_000_000_000)
DUTY = st.floats(0.001, 0.10)


def open_channel(root: Path) -> tuple[SimulatedPwmChip, PwmChannel]:
    chip = SimulatedPwmChip(root)
    return chip, PwmChannel(root, write=chip.write, pacer=VirtualPacer())


def test_the_simulated_kernel_refuses_what_the_kernel_refuses(tmp_path: Path) -> None:
    chip = SimulatedPwmChip(tmp_path)
    folder = tmp_path / "pwmchip0"
    for path, text, refusal in [
        (folder / "export", "4", "No such device"),
        (folder / "unexport", "0", "No such device"),
        (folder / "pwm0" / "period", "1000", "No such file"),
    ]:
        with pytest.raises(OSError, match=refusal):
            chip.write(path, text)
    chip.write(folder / "export", "0")
    with pytest.raises(OSError, match="busy"):
        chip.write(folder / "export", "0")
    for name, text in [("duty_cycle", "10"), ("enable", "1"), ("enable", "0"), ("polarity", "inversed")]:
        with pytest.raises(OSError, match="Invalid argument"):  # no period yet
            chip.write(folder / "pwm0" / name, text)
    chip.write(folder / "pwm0" / "period", "1000")
    chip.write(folder / "pwm0" / "duty_cycle", "900")
    for name, text in [("period", "800"), ("duty_cycle", "1001"), ("enable", "yes"), ("polarity", "odd")]:
        with pytest.raises(OSError, match="Invalid argument"):
            chip.write(folder / "pwm0" / name, text)
    assert (folder / "pwm0" / "period").read_text() == "1000\n"
    chip.write(folder / "pwm0" / "enable", "1")
    with pytest.raises(OSError, match="busy"):
        chip.write(folder / "pwm0" / "polarity", "inversed")


def test_a_channel_runs_changes_and_stops(tmp_path: Path) -> None:
    chip, channel = open_channel(tmp_path)
    assert not channel.is_running
    channel.run(33_333_000, 286_000)
    assert chip.states[0] == PwmState(33_333_000, 286_000, True)
    channel.run(8_000_000, 400_000)
    assert chip.states[0] == PwmState(8_000_000, 400_000, True)
    channel.stop()
    assert not channel.is_running
    channel.close()
    channel.close()
    assert not (tmp_path / "pwmchip0" / "pwm0").exists()
    assert chip.states[0] == PwmState(8_000_000, 0, False)


@limits(max_examples=25, deadline=None)
@given(changes=st.lists(st.tuples(PERIODS_NS, DUTY), min_size=1, max_size=6))
def test_no_change_passes_the_limit_on_its_way(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, float]]
) -> None:
    chip, channel = open_channel(tmp_path_factory.mktemp("pwm"))
    for period_ns, duty in changes:
        channel.run(period_ns, int(period_ns * duty))
    assert all(state.width_ns <= 0.10 * state.period_ns for _, state in chip.history)
    assert chip.states[0].enabled


def test_what_a_killed_process_left_running_is_stopped(tmp_path: Path) -> None:
    chip, killed = open_channel(tmp_path)
    killed.run(33_333_000, 286_000)
    second = PwmChannel(tmp_path, write=chip.write, pacer=VirtualPacer())
    assert not second.is_running
    second.run(33_333_000, 286_000)
    stop_channel(tmp_path, 0, 0, chip.write)
    assert chip.states[0] == PwmState(33_333_000, 0, False)
    stop_channel(tmp_path, 0, 0, chip.write)  # given back: nothing to do, nothing refused


def test_a_line_another_program_inverted_rests_low_again(tmp_path: Path) -> None:
    chip = SimulatedPwmChip(tmp_path)
    folder = tmp_path / "pwmchip0"
    chip.write(folder / "export", "0")
    for name, text in [("period", "1000"), ("polarity", "inversed"), ("enable", "1")]:
        chip.write(folder / "pwm0" / name, text)
    PwmChannel(tmp_path, write=chip.write, pacer=VirtualPacer())
    assert chip.states[0] == PwmState(1000, 0, False, "normal")


def test_an_absent_chip_names_those_that_are_there(tmp_path: Path) -> None:
    SimulatedPwmChip(tmp_path, chip=2)
    with pytest.raises(WiringError, match=r"no .*pwmchip0; chips there: pwmchip2"):
        PwmChannel(tmp_path)


def test_the_chip_is_found_by_its_device_because_its_number_changes(tmp_path: Path) -> None:
    SimulatedPwmChip(tmp_path, chip=0, device="1f0009c000.pwm")  # the fan's
    SimulatedPwmChip(tmp_path, chip=2)
    assert find_chip(tmp_path, "1f00098000.pwm") == 2
    with pytest.raises(WiringError, match=r"no PWM fe20c000\.pwm.*there: 1f00098000\.pwm, 1f0009c000\.pwm"):
        find_chip(tmp_path, "fe20c000.pwm")


def test_a_channel_the_chip_does_not_have_is_refused(tmp_path: Path) -> None:
    chip = SimulatedPwmChip(tmp_path)
    with pytest.raises(WiringError, match="7 refused: No such device"):
        PwmChannel(tmp_path, channel=7, write=chip.write, pacer=VirtualPacer())


def test_a_second_user_of_the_channel_shows(tmp_path: Path) -> None:
    chip = SimulatedPwmChip(tmp_path)

    def and_another(path: Path, text: str) -> None:
        chip.write(path, text)
        if path.name == "duty_cycle" and text != "0":
            chip.write(path, "77")

    channel = PwmChannel(tmp_path, write=and_another, pacer=VirtualPacer())
    with pytest.raises(WiringError, match="used twice"):
        channel.run(33_333_000, 286_000)


def test_one_write_is_one_value(tmp_path: Path) -> None:
    (tmp_path / "period").touch()
    write_attribute(tmp_path / "period", "33333000")
    assert (tmp_path / "period").read_text() == "33333000"
    with pytest.raises(FileNotFoundError):
        write_attribute(tmp_path / "missing", "1")
