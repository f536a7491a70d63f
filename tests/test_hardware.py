"""What is written about the hardware agrees with the settings."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conftest import ROOT
from gpiozero.pins.mock import MockFactory

from anpr_node.config import Settings, TriggerSection, load
from anpr_node.drivers.boards import BOARDS
from anpr_node.drivers.gpio import PATTERNS
from anpr_node.drivers.trigger import DUTY_MAX, PULSE_MAX_US

OVERLAY = ROOT / "image" / "overlay"


HW = ROOT / "hw"
PIN_ROW = re.compile(r"\| `(\w+_pin)` \| (\d+) \| (\d+) \| (in|out)")
RESET_WITH_PULL_DOWN_FROM = 9
"""BCM 0 to 8 come out of reset pulled up, the others down (BCM2835 peripherals, table of alternative functions)."""


def default_pins() -> dict[str, int]:
    """Every pin that the settings know, by its key."""
    sections = (Settings().outputs, Settings().inputs, Settings().trigger, Settings().modem)
    return {name: value for section in sections for name, value in section if name.endswith("_pin")}


def test_the_pin_table_shows_the_defaults() -> None:
    rows = PIN_ROW.findall((HW / "README.md").read_text())
    assert {name: int(bcm) for name, bcm, _, _ in rows} == default_pins()
    inputs = {name for name, _ in Settings().inputs if name.endswith("_pin")}
    assert {name for name, _, _, direction in rows if direction == "in"} == inputs


def test_the_pin_table_knows_the_header() -> None:
    header = MockFactory().board_info.headers["J8"].pins
    for name, bcm, position, _ in PIN_ROW.findall((HW / "README.md").read_text()):
        assert header[int(position)].name == f"GPIO{bcm}", name


def test_no_two_signals_share_a_pin_and_outputs_start_pulled_down() -> None:
    pins = default_pins()
    assert len(set(pins.values())) == len(pins)
    assert all(pin >= RESET_WITH_PULL_DOWN_FROM for pin in pins.values())


def test_the_drawing_is_a_picture_of_the_same_pins() -> None:
    root = ElementTree.fromstring((HW / "wiring.svg").read_text())
    texts = {"".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")}
    rows = PIN_ROW.findall((HW / "README.md").read_text())
    assert {f"GPIO{bcm} · pin {position}" for _, bcm, position, _ in rows} == {t for t in texts if t.startswith("GPIO")}


def test_the_boot_configuration_sets_the_same_pins() -> None:
    lines = re.findall(r"^gpio=([\d,]+)=(\w+),(\w+)$", (HW / "config.txt").read_text(), re.MULTILINE)
    at_boot = {int(pin): (kind, level) for pins, kind, level in lines for pin in pins.split(",")}
    pins = default_pins()
    inputs = {pins[name] for name in ("illuminator_fault_pin", "presence_pin", "power_fail_pin")}
    outputs = {pins[name] for name in ("relay_pin", "led_pin", "illuminator_pin", "power_pin")}
    assert at_boot == dict.fromkeys(inputs, ("ip", "pu")) | dict.fromkeys(outputs, ("op", "dl"))
    assert "dtparam=strict_gpiod" in (HW / "config.txt").read_text()


@pytest.mark.skipif(shutil.which("dtc") is None, reason="dtc is not installed: apt-get install device-tree-compiler")
@pytest.mark.parametrize("board", ["pi4", "pi5"])
def test_the_overlay_compiles_and_brings_out_the_pulse(board: str, tmp_path: Path) -> None:
    source, compiled = HW / "overlay" / f"anpr-node-{board}.dts", tmp_path / "overlay.dtbo"
    made = subprocess.run(
        ["dtc", "-@", "-I", "dts", "-O", "dtb", "-o", compiled, source], capture_output=True, text=True, check=False
    )
    assert (made.returncode, made.stderr) == (0, "")
    back = subprocess.run(
        ["dtc", "-I", "dtb", "-O", "dts", compiled], capture_output=True, text=True, check=True
    ).stdout
    pin = Settings().trigger.pwm_pin
    shown = f"brcm,pins = <{pin:#x}>" if board == "pi4" else f'pins = "gpio{pin}"'
    assert shown in back.replace("<0x0", "<0x")
    assert 'status = "okay"' in back
    assert "__fixups__" in back
    assert f"dtoverlay=anpr-node-{board}" in (HW / "config.txt").read_text()


def test_libcamera_waits_longer_than_the_slowest_pulses() -> None:
    slowest_s = 2 / TriggerSection.model_json_schema()["properties"]["idle_fps"]["minimum"]
    for name, target in [("pisp", "pisp"), ("vc4", "bcm2835")]:
        file = json.loads((HW / "libcamera" / f"{name}.yaml").read_text())  # JSON, which YAML contains
        assert (file["version"], file["target"]) == (1.0, target)
        assert file["pipeline_handler"]["camera_timeout_value_ms"] > slowest_s * 1000


def udev_rules(name: str) -> list[str]:
    lines = (HW / "udev" / name).read_text().splitlines()
    return [line for line in lines if line[:1] not in ("", "#")]


@pytest.mark.parametrize("name", ["99-anpr-node.rules", "75-anpr-modem.rules"])
def test_the_udev_rules_are_rules(name: str) -> None:
    item = r'[A-Z]+(\{\w+\})?(==|!=|=|\+=)"[^"]*"'
    assert [rule for rule in udev_rules(name) if not re.fullmatch(rf"{item}(, {item})*", rule)] == []


def test_the_modems_port_gets_the_name_of_the_settings_and_is_kept_from_others() -> None:
    for rule in udev_rules("75-anpr-modem.rules"):
        assert f'SYMLINK+="{Path(Settings().modem.device).name}"' in rule
        assert 'ENV{ID_MM_PORT_IGNORE}="1"' in rule
    unit = (OVERLAY / "etc/systemd/system/anpr-node.service").read_text()
    assert {"char-ttyUSB", "char-ttyACM"} <= set(re.findall(r"^DeviceAllow=(\S+) rw$", unit, re.MULTILINE))


def test_the_udev_rules_serve_the_groups_of_the_unit() -> None:
    rules = udev_rules("99-anpr-node.rules")
    assert {re.search(r'SUBSYSTEM=="(\w+)"', rule)[1] for rule in rules} == {"gpio", "dma_heap", "pwm"}  # type: ignore[index]


def test_the_sensor_waits_for_pulses() -> None:
    lines = (HW / "modprobe" / "anpr-node.conf").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["options imx296 trigger_mode=1"]


@pytest.mark.parametrize("board", ["raspberry-pi-4", "raspberry-pi-5"])
def test_the_unit_may_write_to_the_pwm_of_the_board(board: str) -> None:
    device = BOARDS[board].pwm_device
    assert f"/{device}\n" in (OVERLAY / "etc/systemd/system/anpr-node.service.d/pwm.conf").read_text()
    assert f"`{device}`" in (HW / "README.md").read_text()
    assert f"| `{board}` | `{BOARDS[board].gpio_label}` | `{device}`" in (ROOT / "docs" / "boards.md").read_text()


def test_a_node_costs_less_than_600_euros() -> None:
    with (HW / "bom.csv").open(encoding="utf-8") as file:
        parts = list(csv.DictReader(file))
    assert len(parts) > 15
    assert sum(int(part["quantity"]) * float(part["unit_eur"]) for part in parts) < 600
    assert {part["price"] for part in parts} <= {"list price unchecked", "checked"}


def quantities(page: str) -> dict[str, float]:
    """The rows `| name | value | unit |` of a page's calculations."""
    rows = re.findall(r"^\| ([^|]+) \| ([\d.]+) \| [^|]*\|$", (HW / page).read_text(), re.MULTILINE)
    return {name: float(value) for name, value in rows}


def test_the_eye_safety_calculation_adds_up() -> None:
    stated = quantities("strobe.md")
    power_w = stated["LEDs"] * stated["radiant power of one at 2 A"] * stated["share that leaves the lens"]
    intensity = power_w * math.log(2) / (math.pi * math.radians(stated["half angle at half intensity"]) ** 2)
    assert stated["peak intensity on the axis"] == pytest.approx(intensity, rel=0.02)
    for case in ("hardware limit", "software limit", "300 µs at 30 Hz"):
        distance_m = math.sqrt(intensity * stated[f"mean share, {case}"] / 100)
        assert stated[f"distance, {case}"] == pytest.approx(distance_m, rel=0.03), case
    lens_m2 = math.pi * (stated["lens diameter"] / 2000) ** 2
    weighted = intensity / stated["LEDs"] / lens_m2 * 10 ** ((700 - 850) / 500) * stated["mean share, hardware limit"]
    assert stated["weighted mean radiance of a lens"] == pytest.approx(weighted, rel=0.03)
    assert stated["its limit"] == 6000 / 0.1
    assert stated["mean share, software limit"] == DUTY_MAX
    assert f"{stated['distance, hardware limit']} m away" in (HW / "wiring.svg").read_text()
    assert f"one-shot A: {PULSE_MAX_US // 1000} ms" in (HW / "strobe.md").read_text()


def test_the_hold_up_calculation_adds_up() -> None:
    stated = quantities("power.md")
    energy_j = stated["capacitance"] * (stated["from"] ** 2 - stated["down to"] ** 2) / 2
    hold_up_s = energy_j * stated["efficiency of the converter"] / stated["node without strobe"]
    assert stated["hold-up"] == pytest.approx(hold_up_s, abs=1)


def test_the_example_configuration_is_valid() -> None:
    settings = load(OVERLAY / "etc" / "anpr-node" / "node.toml")
    assert settings.outputs == Settings().outputs
    assert settings.modem == Settings().modem
    assert (settings.trigger, settings.inputs, settings.daynight) == (
        TriggerSection(),
        Settings().inputs,
        Settings().daynight,
    )


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("name", ["anpr-node.service", "anpr-node-lists.service"])
def test_the_unit_is_hardened(name: str) -> None:
    unit = OVERLAY / "etc" / "systemd" / "system" / name
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=30", str(unit)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_the_drawing_of_the_led_is_that_of_the_patterns() -> None:
    """600 units are six seconds; each lit stretch begins with M and its place."""
    drawing = (ROOT / "hw" / "led.svg").read_text()
    for state, pattern in PATTERNS.items():
        path = re.search(rf'id="{state}" d="([^"]+)"', drawing)
        assert path
        drawn = [(float(x), float(w)) for x, w in re.findall(r"M([\d.]+) \d+h([\d.]+)", path[1])]
        lit, at_ms = [], 0
        for index, length_ms in enumerate(pattern * 6):
            if index % 2 == 0 and at_ms < 6000:
                lit.append((110 + at_ms / 10, min(length_ms, 6000 - at_ms) / 10))
            at_ms += length_ms
        assert drawn == lit
