"""Who may speak to the updater on the image's bus: a real dbus-daemon with the image's rules. Needs root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

OURS = ROOT / "image" / "overlay" / "etc" / "dbus-1" / "system.d" / "anpr-node.conf"
PEOPLE = "nogroup"
"""Stands for the image's group of people; the account has it."""
UPDATER = '<policy context="default"><allow send_destination="de.pengutronix.rauc"/></policy>'
"""What Debian's package of the updater says."""
CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>custom</type><listen>unix:path={folder}/bus</listen><auth>EXTERNAL</auth><servicedir>{folder}</servicedir>
  <policy context="default">
    <allow user="*"/> <deny send_type="method_call"/> <allow send_destination="org.freedesktop.DBus"/>
    <allow receive_type="method_return"/> <allow receive_type="error"/> <allow receive_type="signal"/>
  </policy>
  {updater}
  <include>{ours}</include>
</busconfig>"""
INSTALLER = "de.pengutronix.rauc.Installer"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="root alone becomes other accounts"),
    pytest.mark.skipif(
        any(shutil.which(tool) is None for tool in ("dbus-daemon", "dbus-send")),
        reason="dbus is not installed: apt-get install dbus",
    ),
]


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[str]:
    """Its address. Whoever may speak to the updater has it started, which fails; who may not is told so before."""
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    ours, configuration = tmp_path / "ours.conf", tmp_path / "bus.conf"
    ours.write_text(OURS.read_text().replace('"people"', f'"{PEOPLE}"'))
    configuration.write_text(CONFIGURATION.format(folder=tmp_path, updater=UPDATER, ours=ours))
    (tmp_path / "rauc.service").write_text("[D-BUS Service]\nName=de.pengutronix.rauc\nExec=/bin/false\n")
    with subprocess.Popen(
        ["dbus-daemon", f"--config-file={configuration}", "--nofork", "--print-address"],
        stdout=subprocess.PIPE,
        text=True,
    ) as daemon:
        assert daemon.stdout is not None
        try:
            yield daemon.stdout.readline().strip()
        finally:
            daemon.terminate()


def is_denied(bus: str, member: str, user: str) -> bool:
    """Whether the bus keeps a call from the updater."""
    command = ["dbus-send", f"--bus={bus}", "--dest=de.pengutronix.rauc", "--print-reply", "--reply-timeout=9000"]
    said = subprocess.run(
        [*command, "/", f"{INSTALLER}.{member}"], check=False, capture_output=True, text=True,
        user=user, group=pwd.getpwnam(user).pw_gid, extra_groups=[],
    ).stderr  # fmt: skip
    assert "AccessDenied" in said or "ChildExited" in said, said
    return "AccessDenied" in said


@pytest.mark.parametrize("member", ["InstallBundle", "Mark"])
def test_bundles_are_installed_and_slots_named_by_root_alone(bus: str, member: str) -> None:
    assert [is_denied(bus, member, user) for user in ("root", "nobody", "daemon")] == [False, True, True]


def test_people_may_ask_how_the_slots_stand(bus: str) -> None:
    assert [is_denied(bus, "GetSlotStatus", user) for user in ("nobody", "daemon")] == [False, True]
