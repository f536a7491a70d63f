"""The modem beside a running node: status, commands, power, text messages, and a modem that fails disturbs nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from modem_pty import ModemOnPty
from stalls import Stalls

from anpr_node.config import Settings, parse
from anpr_node.drivers.clock import SystemClock
from anpr_node.drivers.modem.line import ModemLine
from anpr_node.drivers.modem.link import InterfaceLink
from anpr_node.drivers.modem.port import SerialPort
from anpr_node.drivers.platform import Platform, open_platform
from anpr_node.drivers.simulated.modem_dialects import EC25
from anpr_node.node import Node

pytestmark = pytest.mark.system

ANPR_NODE = [sys.executable, "-m", "anpr_node"]
NOBODY = 65_534


def eventually(holds: Callable[[], object], within_s: float = 120.0) -> None:
    ends_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < ends_s, "it did not come about"
        threading.Event().wait(0.05)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(
        f'[store]\nfolder = "{tmp_path / "state"}"\n'
        '[modem]\nkind = "simulated"\npower_fitted = true\npower_off_s = 1.0\n'
    )
    return path


def call(*arguments: str, config: Path) -> str:
    command = [*ANPR_NODE, *arguments, "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_running_node_tells_of_its_modem_and_cycles_its_power(config: Path) -> None:
    with subprocess.Popen([*ANPR_NODE, "run", "--config", config], stderr=subprocess.PIPE, text=True) as node:
        try:
            eventually(lambda: running(config).get("modem", {}).get("modem", {}).get("sim") == "ready")
            row = json.loads(call("modem", "status", "--json", config=config))
            assert (row["modem"]["operator"], row["modem"]["signal_dbm"], row["link"]["up"]) == ("Proximus", -71, True)
            assert row["alarms"] == []
            assert "signal -71 dBm" in call("modem", "status", config=config)
            assert "the running node does it" in call("modem", "power-cycle", config=config)
            eventually(lambda: running(config).get("modem", {}).get("steps") == ["modem_power"])
            eventually(lambda: running(config).get("modem", {}).get("modem", {}).get("sim") == "ready")
        finally:
            node.send_signal(signal.SIGTERM)
            log = node.communicate(timeout=60)[1]
    assert node.returncode == 0, log
    assert "recovery: modem_power (asked for)" in log
    assert "ERROR" not in log


def running(config: Path) -> dict[str, dict[str, dict[str, object]]]:
    status = json.loads(call("status", "--json", config=config))
    return status["running"] or {}


@pytest.fixture
def pty(tmp_path: Path) -> Iterator[ModemOnPty]:
    with ModemOnPty(tmp_path, EC25, pace=1.0) as pty:
        yield pty


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return parse({"store": {"folder": str(tmp_path / "state")}, "modem": {"kind": "serial", "look_s": 1.0}}, "test")


@pytest.fixture
def platform(settings: Settings, pty: ModemOnPty) -> Platform:
    line = ModemLine(lambda: SerialPort(str(pty.name)), InterfaceLink("lo"), SystemClock())
    return replace(open_platform(settings), modem=line)


def test_a_modem_that_goes_away_disturbs_nothing(settings: Settings, platform: Platform, pty: ModemOnPty) -> None:
    with Node(settings, platform) as node:
        modem = node.modem
        assert modem is not None
        eventually(lambda: modem.report.modem.is_registered)
        with pty.lock:
            pty.modem.unplugged = True
        eventually(lambda: modem.report.trouble == "modem_missing")
        before = node.snapshot().frames
        eventually(lambda: node.snapshot().frames > before + 60)
        assert modem.report.trouble == "modem_missing", "frames go on all the same"
        assert not node.ended.is_set()
        with pty.lock:
            pty.modem.unplugged = False
        eventually(lambda: modem.report.modem.is_registered)
        with pty.lock:
            pty.modem.faults.silent = True
        eventually(lambda: modem.report.trouble == "modem_silent")
        with Stalls() as stalls:
            began_s = time.monotonic()
            node.stop()
            took_s = time.monotonic() - began_s
        assert took_s < 5 or stalls.waited_s > 2, "a silent modem keeps no node from stopping"
    assert node.failure is None
    assert "modem" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.skipif(os.geteuid() != 0, reason="another account is needed to try, and root to become it")
def test_other_programs_cannot_get_at_the_port(settings: Settings, platform: Platform, pty: ModemOnPty) -> None:
    device = Path(os.path.realpath(pty.name))
    device.chmod(0o666)
    intrude = (
        "import os, sys, time\nends, got = time.monotonic() + 4, 0\n"
        "while time.monotonic() < ends:\n"
        "    try:\n        handle = os.open(sys.argv[1], os.O_RDWR | os.O_NONBLOCK)\n"
        "    except OSError:\n        continue\n"
        "    got += 1\n    os.write(handle, b'ATZ\\r')\n    os.close(handle)\nprint(got)"
    )
    with Node(settings, platform) as node:
        modem = node.modem
        assert modem is not None
        eventually(lambda: modem.report.modem.is_registered)
        command = ["/usr/bin/python3", "-c", intrude, device]
        others = [subprocess.Popen(command, stdout=subprocess.PIPE, user=NOBODY, text=True) for _ in range(2)]
        assert [other.communicate(timeout=120)[0].strip() for other in others] == ["0", "0"]
        assert modem.report.trouble == ""
        assert modem.report.modem.is_registered


def test_the_supply_comes_back_when_the_node_stops_in_the_middle_of_a_cut(tmp_path: Path) -> None:
    sections = {"kind": "simulated", "power_fitted": True, "power_off_s": 60.0}
    settings = parse({"store": {"folder": str(tmp_path / "state")}, "modem": sections}, "test")
    platform = open_platform(settings)
    assert platform.modem is not None
    supply = platform.modem.supply
    assert supply is not None
    with Node(settings, platform) as node:
        assert node.modem is not None
        modem = node.modem
        eventually(lambda: modem.report.modem.is_registered)
        modem.ask_for_power_cycle()
        eventually(lambda: supply.is_on)
    assert not supply.is_on
    assert node.failure is None
