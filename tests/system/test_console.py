"""The console as a technician has it: a real terminal program at the far end of a cable, a real node behind it."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pexpect
import pytest
from conftest import ROOT
from console.cable import Cable
from console.far_end import PASSWORD, RunningNode, settings_in
from makers import put_list

from anpr_node import access, audit, evidence, pictures
from anpr_node.access import Person
from anpr_node.config import Settings, load
from anpr_node.records import Frame
from anpr_node.store.database import open_store
from anpr_node.vision.reader import PlateReader

pytestmark = pytest.mark.system

SHOWN = re.findall(r"^    > (.+)$", (ROOT / "docs" / "console.md").read_text(), re.MULTILINE)
PROMPT = r"node-1\*?> "
ASKED_S = 180
FAST = '[camera]\nfps = 10\n[console]\nidle_minutes = 5\n[site]\nresponsible_officer = "Insp. Verhoeven"\n'
ANSWERS = {
    r"\[y/n\] ": "n",
    r"\]: ": "",
    "password: ": PASSWORD,
    "once more: ": PASSWORD,
    r"Enter: leave ": "",
}
MAY_COMPLAIN = {"modem", "modem ping", "modem cycle", "update", "reboot", "save", "user remove piet"}
"""What is not fitted here, or is answered with no."""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    found = settings_in(tmp_path_factory.mktemp("console"), FAST)
    with closing(open_store(found.state_folder)) as store:
        for role in ("technician", "service", "officer"):
            access.add(store, Person(role, role), None, PASSWORD, 0)
        access.add(store, Person("verhoeven", "auditor"), None, PASSWORD, 0)
        put_list(store, found, "vrm,category\n1ABC123,seize\n", "zone")
    return found


@pytest.fixture(scope="module")
def node(settings: Settings) -> Iterator[RunningNode]:
    with RunningNode(settings) as running:
        yield running


@contextlib.contextmanager
def console_at(settings: Settings, cable: Cable) -> Iterator[subprocess.Popen[bytes]]:
    """The console's own process at one end of a cable."""
    process = subprocess.Popen(
        [sys.executable, "-m", "anpr_node", "console", "--config", str(settings.source), "--port", cable.console_end],
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(ASKED_S)
        if process.stderr is not None:
            process.stderr.close()


class Technician:
    """picocom at the laptop's end."""

    def __init__(self, cable: Cable, folder: Path) -> None:
        command = ["--baud", "115200", "--noreset", "--receive-cmd", "rz --overwrite", cable.laptop_end]
        self.screen = pexpect.spawn(
            "picocom", command, encoding="latin-1", timeout=ASKED_S, cwd=str(folder), dimensions=(40, 80)
        )
        self.screen.expect("Terminal ready")

    def log_in(self, name: str) -> None:
        self.screen.send("\r")
        self.screen.expect("login: ")
        self.screen.send(f"{name}\r")
        self.screen.expect("password: ")
        self.screen.send(f"{PASSWORD}\r")
        self.screen.expect(f"hello {name}")
        self.screen.expect(PROMPT)

    def type(self, line: str) -> str:
        """Type a line and answer what is asked; what was shown."""
        self.screen.send(f"{line}\r")
        shown = ""
        while True:
            index = self.screen.expect([PROMPT, "bye", *ANSWERS])
            shown += self.screen.before or ""
            if index < 2:
                return shown
            self.screen.send(list(ANSWERS.values())[index - 2] + "\r")

    def leave(self) -> None:
        self.screen.send("\x01\x18")  # Ctrl-A Ctrl-X
        self.screen.expect(pexpect.EOF)
        self.screen.close()


@pytest.fixture
def cable() -> Iterator[Cable]:
    with closing(Cable()) as laid:
        yield laid


@pytest.fixture
def technician(settings: Settings, node: RunningNode, cable: Cable, tmp_path: Path) -> Iterator[Technician]:
    """At the prompt of nobody yet."""
    if shutil.which("picocom") is None:
        pytest.skip("picocom is not installed: apt-get install picocom")
    with console_at(settings, cable):
        person = Technician(cable, tmp_path)
        yield person
        person.leave()


def wait_for_reads(settings: Settings) -> None:
    """Until somebody has passed."""
    ends_s = time.monotonic() + ASKED_S
    with closing(open_store(settings.state_folder)) as store:
        while not store.execute("SELECT 1 FROM read").fetchone():
            assert time.monotonic() < ends_s, "the node reads nothing"
            time.sleep(0.2)


def test_every_command_of_the_page_works_in_picocom(settings: Settings, technician: Technician) -> None:
    technician.log_in("service")
    for line in SHOWN:
        if line == "install":  # asked about at length elsewhere
            continue
        shown = technician.type(line)
        assert "Traceback" not in shown
        assert "internal" not in shown
        if line not in MAY_COMPLAIN:
            assert "error:" not in shown, f"{line}: {shown}"
            assert "refused:" not in shown, f"{line}: {shown}"
        folded = [row for row in shown.replace("\r", "").split("\n") if len(row) > 80]
        assert not folded, folded
    assert load(settings.source).camera.exposure_us == 300  # saved, and taken back
    actions = {line.entry.action for line in audit.read(settings.state_folder)}
    assert {"console login", "console save", "console undo", "console relay test", "console bundle"} <= actions


@pytest.mark.skipif(shutil.which("rz") is None, reason="rz is not installed: apt-get install lrzsz")
def test_a_picture_comes_over_the_same_cable_and_shows_no_plate(
    technician: Technician, tmp_path: Path, reader: PlateReader
) -> None:
    technician.log_in("technician")
    assert any("fetch it with" in technician.type("snap plate") for _ in range(5))  # the next plate may take a while
    technician.screen.send("pull snap.jpg\r")
    technician.screen.expect("sending by ZMODEM")
    technician.screen.send("\x01\x12")  # Ctrl-A Ctrl-R
    technician.screen.expect("rz")
    technician.screen.send("\r")
    technician.screen.expect(["exit status: 0", "snap.jpg sent"])  # rz may swallow what follows
    picture = pictures.load_grey(tmp_path / "snap.jpg")
    assert picture.shape[1] <= 240
    grown = pictures.resize(picture, 1456, 1088)
    boxes = reader.detector.first_look(Frame(0, 0, 0, 1.0, False, grown, pictures.small_plane(grown)))
    read = [view for view in (reader.look(grown, box) for box in boxes) if view and reader.is_reading(view.plate)]
    assert not read


def test_the_sheet_is_signed_and_names_no_plate(settings: Settings, technician: Technician) -> None:
    wait_for_reads(settings)
    technician.log_in("officer")
    plates = set(re.findall(r"\d\d:\d\d:\d\d +([A-Z0-9]{4,9}) ", technician.type("reads 50")))
    technician.type("logout")
    technician.log_in("technician")
    shown = technician.type("reads 50") + technician.type("report")
    assert "result: NOT accepted" in shown
    package = (settings.state_folder / "report.zip").read_bytes()
    verdict = evidence.verify(package)
    assert {"report.txt", "report.html", "report.json"} <= set(verdict.files)
    assert plates
    assert not [plate for plate in plates if plate in shown or plate.encode() in package]


def test_two_sessions_at_once_lose_nothing_of_each_other(settings: Settings, node: RunningNode) -> None:
    with closing(Cable()) as one, closing(Cable()) as other, console_at(settings, one), console_at(settings, other):
        ends = [pexpect_on(cable) for cable in (one, other)]
        for screen in ends:
            enter(screen, "technician")
        for screen, line in zip(ends, ("set camera.exposure_us 280", "set node.lane 7"), strict=True):
            screen.send(f"{line}\r")
            screen.expect(PROMPT)
        for screen in ends:
            screen.send("save\r")
        for screen in ends:
            screen.expect("saved: ")
            screen.expect(PROMPT)
    after = load(settings.source)
    assert (after.camera.exposure_us, after.node.lane) == (280, "7")


def pexpect_on(cable: Cable) -> pexpect.spawnbase.SpawnBase:
    """A bare terminal at the laptop's end."""
    import os

    from pexpect import fdpexpect

    return fdpexpect.fdspawn(os.open(cable.laptop_end, os.O_RDWR | os.O_NOCTTY), encoding="latin-1", timeout=ASKED_S)


def enter(screen: pexpect.spawnbase.SpawnBase, name: str) -> None:
    screen.send("\r")
    for asked, answer in (("login: ", name), ("password: ", PASSWORD)):
        screen.expect(asked)
        screen.send(f"{answer}\r")
    screen.expect(f"hello {name}")
    screen.expect(PROMPT)


def test_noise_long_lines_and_pulled_cables_disturb_nobody(settings: Settings, node: RunningNode) -> None:
    """Nothing is changed, nothing stays on, nothing crashes; what it costs the loop, test_console_load.py measures."""
    before = load(settings.source)
    for round_number in range(2):
        with closing(Cable(struck_share=0.2, seed=round_number)) as cable, console_at(settings, cable) as process:
            screen = pexpect_on(cable)
            enter_anyway(screen)
            cable.send(bytes(range(256)) * 40 + b"x" * 1_000_000 + b"\r\nrelay test\r\nset camera.exposure_us 99\r")
            time.sleep(4.0)  # until it is through; a slow machine is a while longer at it
            cable.send(b"relay test 8\rset camera.exposure_us 99\rsav")
            time.sleep(0.5)
            assert process.poll() is None
    time.sleep(1.0)
    assert load(settings.source) == before
    ends_s = time.monotonic() + ASKED_S
    while node.link.call("numbers")["relay_on"]:
        assert time.monotonic() < ends_s, "the relay stays on"
        time.sleep(0.2)


def enter_anyway(screen: pexpect.spawnbase.SpawnBase, name: str = "technician") -> None:
    """Through a noisy cable it may take a few tries, or not succeed: either is fine here."""
    for _ in range(2):
        screen.send(f"\r{name}\r")
        if screen.expect(["password: ", pexpect.TIMEOUT], timeout=2) == 0:
            screen.send(f"{PASSWORD}\r")
            if screen.expect([f"hello {name}", pexpect.TIMEOUT], timeout=3) == 0:
                return


def test_a_trial_ends_by_itself_in_the_running_node(settings: Settings, node: RunningNode, cable: Cable) -> None:
    with console_at(settings, cable):
        screen = pexpect_on(cable)
        enter(screen, "technician")
        exposure_us = load(settings.source).camera.exposure_us
        screen.send("set camera.exposure_us 111\rtry 0.25\r")
        screen.expect("it runs")
        assert node.link.call("hello")["settings"]["camera"]["exposure_us"] == 111
    ends_s = time.monotonic() + ASKED_S
    while time.monotonic() < ends_s:  # the cable is pulled: nobody takes it back but the node itself
        with contextlib.suppress(Exception):
            if node.link.call("hello")["settings"]["camera"]["exposure_us"] == exposure_us:
                break
        time.sleep(0.3)
    assert node.link.call("hello")["settings"]["camera"]["exposure_us"] == exposure_us


def test_a_bundle_holds_nothing_personal(settings: Settings, node: RunningNode, cable: Cable, tmp_path: Path) -> None:
    import io
    import zipfile
    from base64 import decodebytes

    with console_at(settings, cable):
        wait_for_reads(settings)
        screen = pexpect_on(cable)
        enter(screen, "technician")
        screen.send("bundle\rpull bundle.zip base64\r")
        screen.expect("-----BEGIN bundle.zip-----")
        screen.expect("-----END bundle.zip-----")
        archive = zipfile.ZipFile(io.BytesIO(decodebytes((screen.before or "").encode())))
    whole = "".join(archive.read(name).decode() for name in archive.namelist())
    assert json.loads(archive.read("about.json"))["node_id"] == "node-1"
    with closing(open_store(settings.state_folder)) as store:
        plates = [row[0] for row in store.execute("SELECT vrm FROM read").fetchall()]
    assert plates
    assert not [plate for plate in plates if plate in whole]
    assert not [name for name in ("erhoeven", PASSWORD, "1ABC123") if name in whole]
