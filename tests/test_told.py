"""What commands tell people: one verdict and not two, moments as they write them, what to do where there is nothing."""

from __future__ import annotations

import os
import pty
import struct
import subprocess
import sys
import termios
import time
from contextlib import closing
from fcntl import ioctl
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from makers import evidence, read

from anpr_node import audit, live, status
from anpr_node.cli import main
from anpr_node.config import PolicySection
from anpr_node.console import host
from anpr_node.console.port import Disconnected, open_serial
from anpr_node.recorder import encode
from anpr_node.snapshot import Snapshot
from anpr_node.store.database import open_store
from anpr_node.store.reads import add_read
from anpr_node.uplink import standing

WHY = ("--reason", "burglary", "--case", "LI/1")
MODEM = {"messages": {"sent": 1, "delivered": 2, "waiting": 1}, "modem": {"signal_dbm": -71}}
BUSY = Snapshot(1_234_567, 8901, 0, 12.3, 40.0, 64, 64, 0, 0, 99_999, 1234, 0, True, True, False, modem=MODEM)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(f'[store]\nfolder = "{tmp_path / "state"}"\n')
    return path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["hotlist", "verify", "HIT", "--confirmed", "--not-this-vehicle"], "--confirmed or --not-this-vehicle"),
        (["hotlist", "import", "x.csv", "--delta", "--remove"], "--delta or --remove"),
        (["search", "*", *WHY, "--json", "--csv"], "--json or --csv"),
        (["status", "--json", "--prometheus"], "--json or --prometheus"),
    ],
)
def test_of_two_that_exclude_each_other_none_is_taken(config: Path, command: list[str], words: str) -> None:
    at = 2 if command[0] == "hotlist" else 1
    result = call(*command[:at], "--config", config, *command[at:])
    assert result.exit_code == 2, result.output
    assert words in result.stderr


@pytest.mark.parametrize("written", ["2026-11-31", "yesterday", "2026-11-29T25:00"])
@pytest.mark.parametrize("command", [["search", "*", *WHY], ["audit", "show"]])
def test_what_is_no_moment_is_answered_with_one(config: Path, command: list[str], written: str) -> None:
    at = 2 if command[0] == "audit" else 1
    result = call(*command[:at], "--config", config, *command[at:], "--from", written)
    assert result.exit_code == 2
    assert "2026-11-29T14:05" in result.stderr
    assert "%" not in result.stderr


def test_the_audit_shows_the_moments_of_a_search_as_people_write_them(config: Path) -> None:
    call("search", "--config", config, "*", *WHY, "--from", "2026-11-29T14:05", "--to", "2026-11-30")
    shown = call("audit", "show", "--config", config).stdout
    assert 'from="2026-11-29 14:05:00Z" before="2026-11-30 00:00:00Z"' in shown
    assert "_ns" not in shown
    assert '"from_ns": 1795961100000000000' in call("audit", "show", "--config", config, "--json").stdout


def test_the_audit_is_shown_by_case_and_span(config: Path, tmp_path: Path) -> None:
    day_ns = 86_400 * 1_000_000_000
    for n, case in enumerate(("LI/1", "LI/2", "LI/1")):
        audit.append(tmp_path / "state", audit.Entry("jan", f"deed{n}", reason="r", case_ref=case), n * day_ns)

    def shown(*options: str) -> list[str]:
        lines = call("audit", "show", "--config", config, *options).stdout.splitlines()
        return [word for line in lines for word in line.split() if word.startswith("deed")]

    assert shown("--case", "LI/1") == ["deed0", "deed2"]
    assert shown("--case", "LI/1", "--to", "1970-01-03") == ["deed0"]
    assert shown("--to", "1970-01-03", "--from", "1970-01-02") == ["deed1"]
    assert shown("--case", "LI/3") == []


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["hotlist", "list"], "anpr-node hotlist import FILE.csv"),
        (["hotlist", "hits"], "--all"),
        (["hotlist", "hits", "--all"], "there is none"),
        (["uplink", "refused"], "nothing is refused"),
    ],
)
def test_where_there_is_nothing_that_is_said(config: Path, command: list[str], words: str) -> None:
    result = call(*command[:2], "--config", config, *command[2:])
    assert result.exit_code == 0
    assert words in result.stderr


def test_an_overview_that_no_sink_takes_is_said_to_go_after_a_day(config: Path, tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "state")) as database:
        add_read(database, read(at_s=time.time() - 60), encode(evidence()), [])
    for kinds, said in (("reads", True), ("overviews", False)):
        config.write_text(
            f'[store]\nfolder = "{tmp_path / "state"}"\n[[sinks]]\nname = "zone"\nurl = "http://127.0.0.1:9/"\n'
            f'kinds = ["{kinds}"]\n'
        )
        result = call("uplink", "overview", "--config", config, "r1", *WHY)
        assert result.exit_code == 0, result.output
        assert ("no sink takes overviews" in result.stderr) is said


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["evidence", "open", "{zip}", "--key", "{tmp}/none.pem", "--out", "{tmp}/o"], "none.pem: No such file"),
        (["evidence", "open", "{zip}", "--key", "{zip}", "--out", "{tmp}/o"], "is no private key in PEM"),
        (["evidence", "verify", "{zip}"], "no evidence package"),
        (["replay", "{tmp}/none.mp4"], "none.mp4: No such file"),
    ],
)
def test_a_file_that_is_not_there_is_not_called_a_wrong_one(tmp_path: Path, command: list[str], words: str) -> None:
    (tmp_path / "x.zip").write_bytes(b"nothing")
    result = call(*(word.format(zip=tmp_path / "x.zip", tmp=tmp_path) for word in command))
    assert result.exit_code == 1
    assert words in result.stderr
    assert "Errno" not in result.stderr


def test_a_list_with_other_separators_is_told_of_the_format_for_it(config: Path, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("vrm;category\n1ABC123;seize\n")
    assert "format = 'columns'" in call("hotlist", "import", "--config", config, tmp_path / "x.csv").stderr


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        ("BE", "BE: reads 365 d, hits 365 d, by decision after 30 d; oldest 2026-11-29"),
        ("NL", "NL: reads 28 d, hits 28 d, shown by decision only; oldest 2026-11-29"),
        ("FR", "FR: reads 15 d, hits 30 d; oldest 2026-11-29"),
    ],
)
def test_the_status_says_under_which_terms_the_record_is_kept(preset: str, words: str) -> None:
    assert status._terms(PolicySection(preset=preset), 1_795_961_100.0) == words


def test_the_status_of_an_empty_record_names_no_oldest_read(config: Path) -> None:
    shown = call("status", "--config", config).stdout
    assert "terms       BE: reads 365 d, hits 365 d, by decision after 30 d\n" in shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3, "3 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (172_799, "47 h"),
        (1_814_400, "21 d"),
    ],
)
def test_weeks_of_waiting_are_no_seconds(seconds: int, words: str) -> None:
    assert standing._for_so_long(seconds) == words


@pytest.mark.parametrize("columns", [40, 80, 132])
def test_the_line_of_the_demo_stays_in_one_row(columns: int) -> None:
    far, near = pty.openpty()
    ioctl(near, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(near, "w") as terminal:
        line = live.status_line(BUSY, live.columns_of(terminal))
    os.close(far)
    assert len(line) < columns
    assert line.startswith("relay CLOSED LED ON  IR OFF")
    assert ("reads 99999 hits 1234" in line) is (columns >= 80)
    assert line in live.status_line(BUSY)


def test_a_terminal_that_does_not_know_its_width_gets_the_whole_line(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as file:
        assert live.status_line(BUSY, live.columns_of(file)).endswith("modem -71 dBm, SMS 3 of 4")


def test_a_port_that_is_not_there_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    told = ""
    for _ in range(3):
        with pytest.raises(Disconnected) as raised, open_serial("/dev/nothing", 115200):
            pass
        told = host._tell(str(raised.value), told)
    host._tell("the line is gone: Input/output error", told)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("console: /dev/nothing cannot be opened: No such file or directory; check the cable")
    assert second.startswith("console: the line is gone")


def test_who_opens_a_serial_console_by_hand_is_told_of_the_other(config: Path) -> None:
    far, near = pty.openpty()
    program = [sys.executable, "-m", "anpr_node", "console", "--config", str(config), "--port", "/dev/nothing"]
    with subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=near, stderr=near) as console:
        os.close(near)
        with os.fdopen(far, encoding="utf-8", errors="replace") as screen:
            first, second = screen.readline(), screen.readline()
            console.terminate()
    assert first.strip() == "console: on /dev/nothing; this terminal's own is: anpr-node console --port -"
    assert "No such file or directory" in second


@pytest.mark.parametrize("command", [["status"], ["uplink", "status"], ["hotlist", "status"], ["user", "list"]])
def test_what_only_looks_loads_neither_camera_nor_network(config: Path, command: list[str]) -> None:
    """They are called by people, timers and scrapers; on a small board the time until the answer is all loading."""
    program = (
        "import sys; from anpr_node.cli import main; main(sys.argv[1:], standalone_mode=False); "
        "print(sorted({'av', 'requests', 'gpiozero', 'PIL', 'ai_edge_litert', 'anpr_node.node'} & sys.modules.keys()))"
    )
    arguments = [sys.executable, "-c", program, *command, "--config", str(config)]
    result = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert result.stdout.endswith("[]\n"), result.stdout + result.stderr


def test_a_terminal_without_the_letters_of_a_reason_shows_the_rest(config: Path) -> None:
    call("search", "--config", config, "*", "--reason", "Łódź", "--case", "LI/1")
    result = subprocess.run(
        [sys.executable, "-m", "anpr_node", "audit", "show", "--config", str(config)],
        capture_output=True, env={**os.environ, "PYTHONIOENCODING": "latin-1"}, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert r'reason="\u0141ód\u017a"'.encode("latin-1") in result.stdout


def test_a_refused_file_leaves_the_list_in_force_or_says_that_there_is_none(config: Path, tmp_path: Path) -> None:
    rubbish, good = tmp_path / "a.csv", tmp_path / "good.csv"
    rubbish.write_text("vrm\n" + "?123\n" * 11)
    good.write_text("vrm\n1ABC123\n")
    assert "nothing is put in force" in call("hotlist", "import", "--config", config, rubbish).stderr
    assert call("hotlist", "import", "--config", config, good, "--list", "a").exit_code == 0
    said = call("hotlist", "import", "--config", config, rubbish).stderr
    assert "the list in force stays" in said
    assert "wildcard = true" in said
