"""The modem's port and dialogue on real pseudo-terminals: exclusive, by a name that stays, whatever modems do badly."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial
from modem_pty import ModemOnPty

from anpr_node.drivers.clock import SystemClock
from anpr_node.drivers.modem.dialogue import LINE_BYTES_MAX, Dialogue, Patience
from anpr_node.drivers.modem.families import EC25, OTHER, SIM7600, family_of
from anpr_node.drivers.modem.link import InterfaceLink
from anpr_node.drivers.modem.messages import Report, report_of, submit
from anpr_node.drivers.modem.modem import AtModem, Wishes
from anpr_node.drivers.modem.pin import PinMemory
from anpr_node.drivers.modem.port import SerialPort
from anpr_node.drivers.simulated.modem_dialects import DIALECTS
from anpr_node.drivers.simulated.modem_network import unpack
from anpr_node.errors import ModemError, ModemGone, ModemLeft, ModemRefused, ModemRestarted, ModemSilent, ModemTaken

PACE = 0.02


@pytest.fixture(params=sorted(DIALECTS))
def pty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ModemOnPty]:
    with ModemOnPty(tmp_path, DIALECTS[request.param]) as pty:
        yield pty


def driver(pty: ModemOnPty, folder: Path, pace: float = PACE, **wishes: object) -> AtModem:
    pins = PinMemory(folder, b"x" * 32)
    opened = lambda: SerialPort(str(pty.name))  # noqa: E731
    return AtModem(opened, SystemClock(), pins, Wishes(**wishes), Patience(pace=pace))  # type: ignore[arg-type]


def eventually(step: Callable[[], object], within_s: float = 60.0) -> object:
    """What `step` returns once it raises no more."""
    ends_s = time.monotonic() + within_s
    while True:
        try:
            return step()
        except ModemError:
            if time.monotonic() > ends_s:
                raise
            threading.Event().wait(0.01)


def repeat(step: Callable[[], object], times: int) -> None:
    """Until it raises, at most so often."""
    for _ in range(times):
        step()


def test_everything_over_a_real_line(pty: ModemOnPty, tmp_path: Path) -> None:
    modem = driver(pty, tmp_path, pace=1.0)
    modem.start()
    state = modem.look()
    assert state.family == pty.modem.dialect.name
    assert (state.sim, state.registration, state.technology, state.operator) == ("ready", "home", "LTE", "Proximus")
    assert (state.signal_dbm, state.temperature_c) == (-71, 38)
    reference = modem.send("+32470123456", "Hello")
    reports: list[Report] = []
    while not reports:
        modem.listen(1.0)
        reports = modem.reports()
    assert reports == [Report(reference, "3456", "delivered", 0)]
    modem.close()
    modem.close()


def test_nobody_else_gets_the_port_while_it_is_open(pty: ModemOnPty) -> None:
    port = SerialPort(str(pty.name))
    with pytest.raises(ModemTaken, match="another program"):
        SerialPort(str(pty.name))
    with pytest.raises(serial.SerialException):
        serial.Serial(os.path.realpath(pty.name), exclusive=True)
    port.close()
    SerialPort(str(pty.name)).close()


def test_a_port_in_other_hands_is_not_taken(pty: ModemOnPty) -> None:
    with pty.name.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ModemTaken, match="fuser"):
            SerialPort(str(pty.name))
    SerialPort(str(pty.name)).close()


def test_what_is_not_there_or_no_port_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModemGone, match="udev"):
        SerialPort(str(tmp_path / "nothing"))
    (tmp_path / "file").write_text("no port")
    with pytest.raises(ModemGone):
        SerialPort(str(tmp_path / "file"))


def test_a_device_that_comes_back_under_another_name_is_found(pty: ModemOnPty, tmp_path: Path) -> None:
    modem = driver(pty, tmp_path)
    eventually(modem.start)
    before = os.path.realpath(pty.name)
    holder = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)  # the number that becomes free is not the next one
    with pty.lock:
        pty.modem.restart()

    def come_back() -> None:
        modem.start()
        modem.look()

    with pytest.raises(ModemError):
        repeat(come_back, 100)
    modem.close()

    def well() -> None:
        come_back()
        assert modem.look().is_registered

    eventually(well)
    os.close(holder)
    assert before
    modem.close()


def test_the_line_is_left_at_once_when_the_node_stops(pty: ModemOnPty) -> None:
    stopping = threading.Event()
    port = SerialPort(str(pty.name))
    dialogue = Dialogue(port, SystemClock(), Patience(stopping.is_set))
    pty.modem.faults.silent = True
    threading.Timer(0.1, stopping.set).start()
    began_s = time.monotonic()
    with pytest.raises(ModemLeft):
        dialogue.ask("AT+COPS?", 180.0, "+COPS:")
    assert time.monotonic() - began_s < 60
    port.close()


@pytest.mark.parametrize(
    ("fault", "value", "error"),
    [("silent", True, ModemSilent), ("silent_on", "AT+CSQ", ModemSilent), ("restarts_on", "AT+CSQ", ModemError)],
)
def test_a_fault_is_an_error_and_never_a_hang(
    pty: ModemOnPty, tmp_path: Path, fault: str, value: object, error: type[ModemError]
) -> None:
    modem = driver(pty, tmp_path)
    eventually(modem.start)
    with pty.lock:
        setattr(pty.modem.faults, fault, value)
    with pytest.raises(error):
        repeat(modem.look, 5)
    with pty.lock:
        setattr(pty.modem.faults, fault, type(value)())
    modem.close()

    def well() -> None:
        modem.start()
        assert modem.look().is_registered

    eventually(well)
    modem.close()


class Wire:
    """A port whose far end is the test."""

    def __init__(self, pace: float = 1.0) -> None:
        self.far, near = os.openpty()
        self.port = SerialPort(os.ttyname(near))
        os.close(near)
        self.dialogue = Dialogue(self.port, SystemClock(), Patience(pace=pace))
        self._thread: threading.Thread | None = None

    def answer(self, *answers: bytes) -> None:
        """Answer each command that comes, in this order; the first AT is answered for it."""

        def play() -> None:
            heard = b""
            pending = [b"\r\nOK\r\n", *answers]
            while pending:
                heard += os.read(self.far, 100)
                if heard.endswith((b"\r", b"\x1a")):
                    heard = b""
                    os.write(self.far, pending.pop(0))

        self._thread = threading.Thread(target=play)
        self._thread.start()

    def close(self) -> None:
        if self._thread is not None:
            self._thread.join(60)
        self.port.close()
        os.close(self.far)


@pytest.fixture
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    wire = Wire(getattr(request, "param", 1.0))
    yield wire
    wire.close()


def test_an_answer_is_told_from_what_comes_unasked(wire: Wire) -> None:
    wire.answer(b'\r\n+CMTI: "SM",1\r\n\r\n+CEREG: 2,"1A2B","01A2D051",7\r\n+CSQ: 20,99\r\nRING\r\n\r\nOK\r\n')
    assert wire.dialogue.ask("AT+CSQ", 5, "+CSQ:") == ["20,99"]
    assert wire.dialogue.unasked() == ['+CMTI: "SM",1', '+CEREG: 2,"1A2B","01A2D051",7', "RING"]
    assert wire.dialogue.unasked() == []


def test_an_old_ok_is_not_taken_for_the_answer(wire: Wire) -> None:
    wire.answer(b"\r\nOK\r\n\r\n+CSQ: 20,99\r\n\r\nOK\r\n")
    assert wire.dialogue.ask("AT+CSQ", 5, "+CSQ:") == ["20,99"]


def test_a_report_comes_in_two_lines_wherever_it_comes(wire: Wire) -> None:
    wire.answer(b"\r\n+CDS: 24\r\n07912374\r\n+CSQ: 1,99\r\nOK\r\n")
    wire.dialogue.ask("AT+CSQ", 5, "+CSQ:")
    assert wire.dialogue.unasked() == ["+CDS: 24 07912374"]


def test_errors_are_refusals_that_name_no_number(wire: Wire) -> None:
    wire.answer(b"\r\n+CME ERROR: 16\r\n", b"\r\nERROR\r\n", b"\r\nOK\r\n")
    with pytest.raises(ModemRefused, match=r"AT\+CPIN: \+CME ERROR: 16") as refused:
        wire.dialogue.ask('AT+CPIN="1234"', 5)
    assert "1234" not in str(refused.value)
    with pytest.raises(ModemRefused, match="ERROR"):
        wire.dialogue.ask("AT+CSQ", 5, "+CSQ:")
    with pytest.raises(ModemRefused, match="without"):
        wire.dialogue.ask("AT+CSQ", 1, "+CSQ:")


def test_a_restart_ends_a_command_at_once(wire: Wire) -> None:
    wire.answer(b"\r\nRDY\r\n")
    with pytest.raises(ModemRestarted):
        wire.dialogue.ask("AT+COPS?", 1000, "+COPS:")


@pytest.mark.parametrize("wire", [0.1], indirect=True, ids=["hasty"])
def test_endless_garbage_is_thrown_away_and_ends_in_silence(wire: Wire) -> None:
    wire.answer(b"\xff" * (3 * LINE_BYTES_MAX))
    with pytest.raises(ModemSilent):
        wire.dialogue.ask("AT+CSQ", 5, "+CSQ:")
    assert wire.dialogue.garbage >= LINE_BYTES_MAX


def test_bytes_that_are_no_letters_are_left_out(wire: Wire) -> None:
    wire.answer(b"\x00\xff\r\n\x80+CSQ: 2\x000,99\r\n\r\nOK\r\n")
    assert wire.dialogue.ask("AT+CSQ", 5, "+CSQ:") == ["20,99"]


def test_a_message_waits_for_its_prompt(wire: Wire) -> None:
    wire.answer(b"\r\n> ", b"\r\n+CMGS: 17\r\n\r\nOK\r\n")
    assert wire.dialogue.ask_with_message('AT+CMGS="+32"', "text", 5, "+CMGS:") == ["17"]


ANPR_TEXT = "ANPR N69 km 12 lane 1: seize 10:00:00Z ref hit00001. Unverified. Link is down."


@pytest.mark.parametrize(
    ("text", "length", "packed"),
    [
        ("How are you?", 25, "0CC8F71D14969741F977FD07"),
        ("@£$¥èéùìòÇ", 23, "0A8080604028180E8804"),
        (ANPR_TEXT, 83,
         "4E4127540A72DA72A0751B149381D861771914D381E6E5B4BE0C8AC17430980E06D382E46533089DA6C3603058CC05AABAED6579DA9C2E93"
         "5D2066DABD06A5E720F2FBEE7601"),
    ],
)  # fmt: skip
def test_messages_are_packed_as_elsewhere(text: str, length: int, packed: str) -> None:
    """These PDUs came out of python-gsmmodem 0.13 for the same number, text, validity and wish for a report."""
    assert submit("+31641600986", text, 3600) == (f"0031000B911346610089F600000B{packed}", length)
    assert unpack(bytes.fromhex(f"0031000B911346610089F600000B{packed}")) == ("+31641600986", text, True)


@pytest.mark.parametrize("text", ["", "a", "1234567", "12345678", "@£$¥èéùìòÇ", "x" * 160])
def test_any_length_comes_out_as_it_went_in(text: str) -> None:
    pdu, length = submit("+3247012345", text, 900)
    assert unpack(bytes.fromhex(pdu)) == ("+3247012345", text, True)
    assert length == len(pdu) // 2 - 1


def test_longer_texts_and_foreign_letters_are_cut_and_replaced() -> None:
    assert unpack(bytes.fromhex(submit("+32470123456", "ж" + "x" * 200, 900)[0]))[1] == "?" + "x" * 159


@pytest.mark.parametrize(
    ("line", "report"),
    [
        ("+CDS: 25 07911326040000F0060C0B911346610089F6112051015195801120510151A58000",
         Report(12, "0986", "delivered", 0)),
        ('+CDS: 6,7,"+32470123456",145,"26/11/29,15:00:40+04","26/11/29,15:00:41+04",70',
         Report(7, "3456", "failed", 70)),
        ('+CDS: 6,7,"26/11/29,15:00:40+04","26/11/29,15:00:41+04",32', Report(7, "", "pending", 32)),
        ("+CDS: 25 0791", None),
        ("+CDS: 25 XYZ", None),
        ("+CMTI: \"SM\",1", None),
    ],
)  # fmt: skip
def test_delivery_reports_are_read_in_both_formats(line: str, report: Report | None) -> None:
    assert report_of(line) == report


@pytest.mark.parametrize(
    ("model", "family"),
    [("SIMCOM_SIM7600G-H", SIM7600), ("SIM7500E", SIM7600), ("EC25", EC25), ("EG25-G", EC25), ("Quectel EC21", EC25),
     ("MC7304", OTHER), ("", OTHER)],
)  # fmt: skip
def test_families_are_known_by_their_models(model: str, family: object) -> None:
    assert family_of(model) is family


class TestLink:
    def folder(self, tmp_path: Path, state: str, address: str = "") -> tuple[Path, Path]:
        (tmp_path / "class" / "net" / "wwan9").mkdir(parents=True)
        (tmp_path / "class" / "net" / "wwan9" / "operstate").write_text(state + "\n")
        (tmp_path / "net").mkdir()
        (tmp_path / "net" / "if_inet6").write_text(address)
        return tmp_path, tmp_path

    @pytest.mark.parametrize(("state", "up"), [("up", True), ("unknown", True), ("down", False), ("dormant", False)])
    def test_is_up_with_an_address(self, tmp_path: Path, state: str, up: bool) -> None:
        sys, proc = self.folder(tmp_path, state, "20010db8000000000000000000000001 05 40 00 80    wwan9\n")
        link = InterfaceLink("wwan9", sys=sys, proc=proc).look()
        assert (link.up, link.address) == (up, "2001:db8::1")

    def test_an_address_that_ends_at_the_next_machine_is_none(self, tmp_path: Path) -> None:
        sys, proc = self.folder(tmp_path, "up", "fe800000000000000000000000000001 05 40 20 80    wwan9\n")
        assert not InterfaceLink("wwan9", sys=sys, proc=proc).look().up

    def test_the_machines_own_loopback_is_up(self) -> None:
        link = InterfaceLink("lo").look()
        assert (link.up, link.address) == (True, "127.0.0.1")

    def test_an_interface_that_is_not_there_is_down(self) -> None:
        assert not InterfaceLink("wwan77").look().up

    def test_reaches_what_answers_and_nothing_else(self) -> None:
        import socket

        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            answered_ms = InterfaceLink("lo", f"127.0.0.1:{port}").reach()
            assert answered_ms is not None
            assert answered_ms < 3000
        assert InterfaceLink("lo", f"127.0.0.1:{port}").reach() is None
        assert InterfaceLink("lo").reach() is None
