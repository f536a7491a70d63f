"""What is written about the hardware agrees with the settings."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from conftest import ROOT

from anpr_node.config import Settings, load

OVERLAY = ROOT / "image" / "overlay"


def test_the_pin_table_shows_the_defaults() -> None:
    table = dict(re.findall(r"\| `(\w+_pin)` \| (\d+) \|", (ROOT / "hw" / "README.md").read_text()))
    outputs = Settings().outputs
    assert {name: int(pin) for name, pin in table.items()} == {
        "relay_pin": outputs.relay_pin,
        "led_pin": outputs.led_pin,
        "illuminator_pin": outputs.illuminator_pin,
    }


def test_the_example_configuration_is_valid() -> None:
    settings = load(OVERLAY / "etc" / "anpr-node" / "node.toml")
    assert settings.outputs == Settings().outputs


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_unit_is_hardened() -> None:
    unit = OVERLAY / "etc" / "systemd" / "system" / "anpr-node.service"
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=30", str(unit)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
