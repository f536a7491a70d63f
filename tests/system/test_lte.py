"""The image's data link over LTE: its own script and the real mmcli, over a bus on which a modem stands."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT

from anpr_node.claim.document import LtePart

pytestmark = pytest.mark.system

SCRIPT = ROOT / "image/overlay/usr/lib/anpr-node/lte"
STAND_IN = Path(__file__).with_name("modem_manager.py")
PYTHON = "/usr/bin/python3"
DIALLED = "allow-roaming=True,apn=internet,ip-type=1,password=secret,user=node"
LINK = LtePart(apn="internet", user="node", password="secret")
PATIENCE_S = 30.0
HAS_GIO = subprocess.run([PYTHON, "-c", "from gi.repository import Gio"], capture_output=True, check=False)


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    missing = [tool for tool in ("mmcli", "dbus-daemon") if shutil.which(tool) is None]
    if missing or HAS_GIO.returncode:
        pytest.skip(f"{', '.join(missing) or 'python3-gi'} not installed")
    command = ["dbus-daemon", "--session", "--nofork", "--print-address"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as daemon:
        assert daemon.stdout
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", daemon.stdout.readline().strip())
        yield
        daemon.terminate()


class Link:
    """The script at work, in a folder of its own, and the modem that it talks to."""

    def __init__(self, folder: Path, method: str, link: LtePart = LINK) -> None:
        site, self.network, programs = folder / "site", folder / "network", folder / "bin"
        for each in (site, self.network, programs):
            each.mkdir()
        (site / "lte").write_text(link.as_mmcli() + "\n")
        text = SCRIPT.read_text()
        for place, here in (("/etc/anpr-node/site", site), ("/run/systemd/network", self.network)):
            text = text.replace(place, str(here))
        (folder / "lte").write_text(text)
        (programs / "networkctl").write_text(f'#!/bin/sh\necho "$*" >>{folder}/reloads\n')
        (programs / "networkctl").chmod(0o755)
        self.file, self.reloads, self.log = self.network / "20-lte.network", folder / "reloads", folder / "log"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.modem = subprocess.Popen([PYTHON, STAND_IN, DIALLED, method], **pipes)
        assert self.modem.stdout
        assert self.modem.stdout.readline() == "ready\n"
        with self.log.open("w") as log:
            environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "ANPR_LTE_LOOK_S": "0.2"}
            self.script = subprocess.Popen(["sh", folder / "lte"], stdout=log, stderr=log, env=environment)

    def tell(self, line: str) -> None:
        assert self.modem.stdin
        self.modem.stdin.write(f"{line}\n")
        self.modem.stdin.flush()

    def wait(self, what: Callable[[], bool]) -> None:
        ends_s = time.monotonic() + PATIENCE_S
        while not what():
            assert time.monotonic() < ends_s, self.log.read_text()
            time.sleep(0.05)

    def has(self, text: str) -> bool:
        return self.file.exists() and text in self.file.read_text()

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self.script, self.modem):
            process.terminate()
            process.wait(10)
        for pipe in (self.modem.stdin, self.modem.stdout):
            assert pipe
            pipe.close()


@pytest.mark.usefixtures("bus")
def test_what_the_network_gave_is_handed_over_once_and_kept(tmp_path: Path) -> None:
    with Link(tmp_path, "static") as link:
        link.wait(lambda: "is up" in link.log.read_text())
        text = link.file.read_text()
        assert "[Match]\nName=wwan0\n" in text
        assert "Address=10.64.0.2/29\n" in text
        assert "DNS=10.64.1.1\nDNS=10.64.1.2\n" in text
        assert "Metric=2000\nGateway=10.64.0.1\n" in text
        assert text.endswith("[Link]\nMTUBytes=1430\n")
        assert link.file.stat().st_mode & 0o777 == 0o644  # networkd is another account
        link.tell("move")
        link.wait(lambda: link.has("Address=10.64.0.3/29"))
        link.wait(lambda: "10.64.0.3" in link.log.read_text())
        link.tell("lose")
        link.wait(lambda: len(link.reloads.read_text().splitlines()) == 4)  # gone, and dialled anew
        link.wait(lambda: link.has("Address=10.64.0.3/29"))
        assert sorted(path.name for path in link.network.iterdir()) == ["20-lte.network"]
        assert link.log.read_text().splitlines() == ["wwan0 is up with 10.64.0.2", "wwan0 is up with 10.64.0.3"]


@pytest.mark.usefixtures("bus")
def test_what_networkd_does_not_take_is_handed_over_again(tmp_path: Path) -> None:
    with Link(tmp_path, "static") as link:
        (tmp_path / "bin" / "networkctl").write_text(f"#!/bin/sh\necho x >>{link.reloads}; [ -e {tmp_path}/up ]\n")
        link.tell("move")
        link.wait(lambda: "does not take the link" in link.log.read_text())
        (tmp_path / "up").touch()
        link.wait(lambda: link.has("Address=10.64.0.3/29"))


@pytest.mark.usefixtures("bus")
def test_a_modem_that_gives_addresses_itself_is_asked_for_one(tmp_path: Path) -> None:
    with Link(tmp_path, "dhcp") as link:
        link.wait(lambda: link.has("DHCP=ipv4\n"))
        assert not link.has("[Route]")
        assert link.has("RouteMetric=2000\n")


@pytest.mark.usefixtures("bus")
@pytest.mark.parametrize(
    ("method", "dialled", "said"),
    [
        ("static", LtePart(apn="intranet"), "requested service option not subscribed"),
        ("ppp", LINK, "set it to QMI or MBIM"),
    ],
)
def test_what_does_not_work_is_said_once(tmp_path: Path, method: str, dialled: LtePart, said: str) -> None:
    with Link(tmp_path, method, dialled) as link:
        link.wait(lambda: said in link.log.read_text())
        time.sleep(1)  # some more looks
        assert len(link.log.read_text().splitlines()) == 1
        assert not link.file.exists()
        assert link.script.poll() is None


@pytest.mark.usefixtures("bus")
def test_where_no_manager_is_it_goes_on_looking(tmp_path: Path) -> None:
    with Link(tmp_path, "static") as link:
        link.modem.terminate()
        link.modem.wait(10)
        link.wait(lambda: "no link: " in link.log.read_text())
        assert link.script.poll() is None
