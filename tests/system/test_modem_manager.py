"""ModemManager judges the simulated modem: what it accepts, registers and sends messages with is a modem.

It is the real one, on a message bus of its own; skipped, saying so, where it is not installed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from modem_socket import ModemOnSocket

from anpr_node.drivers.simulated.modem_dialects import DIALECTS
from anpr_node.drivers.simulated.modem_network import SimCard, Telephoned

MANAGER = shutil.which("ModemManager") or "/usr/sbin/ModemManager"
TOOLS = [tool for tool in ("mmcli", "dbus-daemon", "dbus-send") if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        bool(TOOLS) or not Path(MANAGER).exists(),
        reason="ModemManager is not installed: apt-get install modemmanager dbus",
    ),
]
SERVICE, PATH = "org.freedesktop.ModemManager1", "/org/freedesktop/ModemManager1"


@dataclass
class Manager:
    """ModemManager with one modem."""

    environment: dict[str, str]
    line: ModemOnSocket
    modem: str = ""

    def call(self, *arguments: str) -> str:
        command = ["mmcli", "--test-session", *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True, timeout=60
        ).stdout

    def shown(self) -> dict[str, Any]:
        return json.loads(self.call("-m", self.modem, "-J"))["modem"]  # type: ignore[no-any-return]

    def becomes(self, *states: str) -> str:
        """Wait for one of these states."""
        for _ in range(150):
            state = str(self.shown()["generic"]["state"])
            if state in states:
                return state
            threading.Event().wait(0.2)
        raise AssertionError(f"{state}, not {states}")


@pytest.fixture
def manager(request: pytest.FixtureRequest) -> Iterator[Manager]:
    dialect, card = request.param
    bus = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert bus.stdout
    environment = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": bus.stdout.readline().strip()}
    options = ["--test-session", "--test-enable", "--test-no-udev", "--no-auto-scan"]
    daemon = subprocess.Popen(
        [MANAGER, *options], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with ModemOnSocket(f"anpr{os.getpid()}", dialect) as line:
            line.modem.card = card
            yield begin(Manager(environment, line))
    finally:
        for process in (daemon, bus):
            process.terminate()
            process.wait(10)
        bus.stdout.close()


def begin(manager: Manager) -> Manager:
    profile = ["string:anpr", "string:generic", f"array:string:{manager.line.name}"]
    command = [
        "dbus-send",
        "--session",
        "--print-reply",
        f"--dest={SERVICE}",
        PATH,
        f"{SERVICE}.Test.SetProfile",
        *profile,
    ]
    ends_s = time.monotonic() + 20
    while subprocess.run(command, env=manager.environment, capture_output=True, check=False).returncode:
        assert time.monotonic() < ends_s, "ModemManager does not answer"
        threading.Event().wait(0.2)
    while "/Modem/" not in (listed := manager.call("-L")):
        assert time.monotonic() < ends_s + 20, "no modem was accepted"
        threading.Event().wait(0.2)
    manager.modem = listed.split()[0]
    return manager


@pytest.mark.parametrize("manager", [(d, SimCard()) for d in DIALECTS.values()], ids=list(DIALECTS), indirect=True)
def test_it_accepts_registers_and_sends_a_message(manager: Manager) -> None:
    dialect = manager.line.modem.dialect
    manager.becomes("disabled")
    manager.call("-m", manager.modem, "-e")
    manager.becomes("registered")
    shown = manager.shown()
    assert shown["generic"]["model"] == dialect.model
    assert shown["generic"]["manufacturer"] == dialect.maker
    assert shown["3gpp"]["imei"] == dialect.imei
    assert (shown["3gpp"]["operator-name"], shown["3gpp"]["registration-state"]) == ("Proximus", "home")
    assert int(shown["generic"]["signal-quality"]["value"]) == round(21 / 31 * 100) - 1
    text = "ref hit00001. Unverified. Link is down."
    message = f"--messaging-create-sms=text='{text}',number='+32470123456',delivery-report-request=yes"
    path = manager.call("-m", manager.modem, message).split()[-1]
    assert "successfully sent" in manager.call("-s", path, "--send")
    assert manager.line.modem.network.messages == [Telephoned("+32470123456", text, 1, report_wanted=True)]


@pytest.mark.parametrize(
    "manager", [(d, SimCard(pin="1234")) for d in DIALECTS.values()], ids=list(DIALECTS), indirect=True
)
def test_it_opens_the_card_with_the_pin_and_not_with_another(manager: Manager) -> None:
    manager.becomes("locked")
    card = manager.shown()["generic"]["sim"]
    with pytest.raises(subprocess.CalledProcessError):
        manager.call("-i", card, "--pin=9999")
    assert manager.line.modem.card.tries == 2
    manager.call("-i", card, "--pin=1234")
    manager.becomes("disabled")
    assert manager.line.modem.card.tried == ["9999", "1234"]
