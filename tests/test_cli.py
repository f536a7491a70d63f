"""The command line: help that teaches, exit codes, JSON that is a contract, and bad input in words."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from conftest import PICTURES, ROOT
from test_replay import make_clip

from anpr_node.cli import main
from anpr_node.commands.guard import Guarded
from anpr_node.policy import roles


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(f'[store]\nfolder = "{tmp_path / "state"}"\n')
    return path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def rows(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


COMMANDS = [
    ["demo"],
    ["run"],
    ["read"],
    ["replay"],
    ["search"],
    ["hotlist"],
    ["hotlist", "import"],
    ["hotlist", "list"],
    ["hotlist", "update"],
    ["hotlist", "status"],
    ["hotlist", "preview"],
    ["hotlist", "hits"],
    ["hotlist", "look"],
    ["hotlist", "verify"],
    ["hotlist", "sign"],
    ["status"],
    ["check"],
    ["safe"],
    ["evidence", "export"],
    ["evidence", "verify"],
    ["evidence", "open"],
    ["audit", "show"],
    ["audit", "verify"],
    ["user", "add"],
    ["user", "list"],
    ["user", "remove"],
    ["purge"],
    ["uplink", "status"],
    ["uplink", "refused"],
    ["uplink", "retry"],
    ["uplink", "overview"],
    ["uplink", "schema"],
    ["sink"],
    ["store", "encrypt"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_and_stands_in_the_readme(command: list[str]) -> None:
    result = call(*command, "--help")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 4
    assert f"anpr-node {command[0]}" in (ROOT / "README.md").read_text()


GROUPS = [[], *([name] for name, command in main.commands.items() if isinstance(command, click.Group))]


@pytest.mark.parametrize("group", GROUPS, ids=" ".join)
def test_no_list_of_commands_cuts_a_sentence_off(group: list[str]) -> None:
    help_ = CliRunner(env={"COLUMNS": "80"}).invoke(main, [*group, "--help"])
    listed = help_.stdout.partition("Commands:\n")[2]
    assert listed
    assert "..." not in listed


def test_read_is_a_contract(config: Path) -> None:
    result = call("read", "--config", config, PICTURES / "ro_0894.jpg")
    picture, meta = rows(result)
    assert set(picture) == {"image", "ms", "cpu_ms", "plates"}
    assert picture["image"] == "ro_0894.jpg"
    plate = picture["plates"][0]  # type: ignore[index]
    assert set(plate) == {"text", "confidence", "box", "corners", "country", "legibility", "candidates"}
    assert plate["text"] == plate["candidates"][0] == "B305CIL"
    assert len(plate["box"]) == 4
    assert {"load_s", "peak_rss_mb"} <= set(meta["meta"])  # type: ignore[arg-type]


def test_read_writes_files_and_marked_pictures(config: Path, tmp_path: Path) -> None:
    result = call("read", "--config", config, PICTURES, "--jsonl", tmp_path / "r.jsonl", "--annotate", tmp_path / "out")
    assert result.exit_code == 0
    assert result.stdout == ""
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 7
    assert len(list((tmp_path / "out").glob("*.png"))) == 6


def test_marked_pictures_of_one_name_do_not_overwrite_each_other(config: Path, tmp_path: Path) -> None:
    pictures = [tmp_path / "x.jpg", tmp_path / "x.jpeg", tmp_path / "other" / "x.jpg"]
    (tmp_path / "other").mkdir()
    for path in pictures:
        path.write_bytes((PICTURES / "ro_0894.jpg").read_bytes())
    assert call("read", "--config", config, *pictures, "--annotate", tmp_path / "out").exit_code == 0
    marked = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert marked == ["x.2.annotated.png", "x.3.annotated.png", "x.annotated.png"]


def test_read_goes_on_past_a_bad_picture(config: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    result = call("read", "--config", config, tmp_path / "bad.jpg", PICTURES / "ro_0894.jpg")
    assert result.exit_code == 0
    assert [row.get("error") is not None for row in rows(result)] == [True, False, False]
    assert "warning:" in result.stderr
    assert "bad.jpg" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["read", "{tmp}/bad.jpg"], 1, "no picture could be read"),
        (["read", "{tmp}/none.jpg"], 1, "no such file"),
        (["read", "{tmp}/empty"], 1, "no picture in this folder"),
        (["read"], 2, "Usage"),
        (["read", "x.jpg", "--jsonl", "{tmp}/none/r.jsonl"], 1, "No such file"),
        (["replay", "{tmp}/none.avi"], 1, "no clip could be read"),
        (["replay", "{tmp}/bad.jpg"], 1, "bad.jpg"),
        (["replay", "{tmp}/empty"], 1, "neither clips nor pictures"),
        (["hotlist", "import", "{tmp}/none.csv"], 1, "No such file"),
        (["search", "1ABC123"], 3, "refused"),
        (["search", "1ABC123", "--reason", "x", "--case", " "], 3, "refused"),
        (["hotlist", "sign", "x.csv", "--key", "k.pem", "--list", "a/b", "--revision", "1"], 2, "is no name"),
        (["hotlist", "sign", "x.csv", "--key", "k.pem", "--list", "", "--revision", "1"], 2, "is no name"),
        (["nonsense"], 2, "No such command"),
    ],
)
def test_bad_input_is_one_line_and_the_right_exit_code(
    config: Path, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    (tmp_path / "empty").mkdir()
    filled = [a.format(tmp=tmp_path) for a in arguments]
    options = [] if arguments[:2] in (["nonsense"], ["hotlist", "sign"]) else ["--config", str(config)]
    at = 2 if arguments[0] == "hotlist" else 1
    result = call(*filled[:at], *options, *filled[at:])
    assert result.exit_code == code, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_a_bad_configuration_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text("[camera]\nfps = 999\n")
    result = call("status", "--config", tmp_path / "node.toml")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "camera.fps" in result.stderr


def test_replay_is_a_contract(config: Path, tmp_path: Path) -> None:
    result = call("replay", "--config", config, make_clip(tmp_path / "c.avi"))
    clip, meta = rows(result)
    assert set(clip) == {"clip", "frames", "dropped", "ms_per_frame"}
    assert (clip["frames"], clip["dropped"]) == (20, 0)
    assert "meta" in meta


def test_replay_of_a_cut_off_clip_reads_what_there_is(config: Path, tmp_path: Path) -> None:
    path = make_clip(tmp_path / "c.avi")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    result = call("replay", "--config", config, path)
    assert result.exit_code == 0
    assert rows(result)[0]["frames"] > 5  # type: ignore[operator]


def test_hotlist_import_list_and_status(config: Path, tmp_path: Path) -> None:
    (tmp_path / "stolen.csv").write_text("vrm,category\n1ABC123,seize\n2DEF,nonsense\n")
    result = call("hotlist", "import", "--config", config, tmp_path / "stolen.csv")
    assert result.exit_code == 0
    assert "stolen.csv:3:" in result.stderr
    assert "1 entries in force, 1 rows left out" in result.stdout
    listed = call("hotlist", "list", "--config", config).stdout
    assert "stolen" in listed
    assert "1ABC123" not in listed
    status = json.loads(call("status", "--config", config, "--json").stdout)
    assert status["hotlists"][0]["entries"] == 1
    assert status["running"] is None


def test_a_search_is_answered_and_written_down(config: Path, tmp_path: Path) -> None:
    from contextlib import closing

    from makers import evidence, read

    from anpr_node import audit, search
    from anpr_node.recorder import encode
    from anpr_node.store.database import open_store
    from anpr_node.store.reads import add_read

    with closing(open_store(tmp_path / "state")) as database:
        add_read(database, read("1ABC123", at_s=time.time() - 60), encode(evidence()), [])
    result = call("search", "--config", config, "1-abc-*", "--reason", "burglary", "--case", "LI/1")
    assert result.exit_code == 0
    assert "1ABC123" in result.stdout
    call("search", "--config", config, "*")
    log = [line.entry for line in audit.read(tmp_path / "state")]
    asked = [search.readable(tmp_path / "state", e.detail)["pattern"] for e in log]
    assert [(pattern, e.reason, e.case_ref, e.outcome, e.rows) for pattern, e in zip(asked, log, strict=True)] == [
        ("1ABC*", "burglary", "LI/1", "done", 1),
        ("*", "", "", "refused", 0),
    ]


def test_check_warns_of_messages_that_nobody_sends(config: Path) -> None:
    assert "OK   sms" in call("check", "--config", config).stdout
    config.write_text(f'{config.read_text()}\n[sms]\nnumbers = ["+32470123456"]\n')
    assert "WARN sms           numbers are named and no modem" in call("check", "--config", config).stdout
    config.write_text(f'{config.read_text()}\n[modem]\nkind = "simulated"\n')
    result = call("check", "--config", config).stdout
    assert "OK   sms           1 are told" in result
    assert "WARN modem         simulated" in result


def test_check_says_what_to_do(config: Path, tmp_path: Path) -> None:
    result = call("check", "--config", config)
    assert result.exit_code == 0, result.output
    assert "OK   models" in result.stdout
    assert "WARN wiring" in result.stdout
    (tmp_path / "node.toml").write_text(f'[models]\nfolder = "{tmp_path}"\n[store]\nfolder = "/proc/none"\n')
    result = call("check", "--config", config)
    assert result.exit_code == 1
    assert "FAIL models" in result.stdout
    assert "FAIL store" in result.stdout
    assert "FAIL disk" in result.stdout


def test_check_warns_of_a_record_that_every_account_may_read(config: Path, tmp_path: Path) -> None:
    assert "OK   store" in call("check", "--config", config).stdout
    (tmp_path / "state").chmod(0o755)
    assert f"chmod 700 {tmp_path / 'state'}" in call("check", "--config", config).stdout


def test_safe_switches_everything_off(config: Path) -> None:
    assert call("safe", "--config", config).exit_code == 0


@pytest.mark.parametrize("command", [["status"], ["hotlist", "list"], ["search", "*", "--reason", "r", "--case", "c"]])
def test_a_state_folder_that_cannot_be_written_is_one_line(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "node.toml").write_text('[store]\nfolder = "/proc/anpr-node"\n')
    result = call(*command, "--config", tmp_path / "node.toml")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: cannot open /proc/anpr-node")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [["status"], ["hotlist", "list"], ["search", "*", "--reason", "r", "--case", "c"], ["hotlist", "import", "l.csv"]],
)
def test_a_damaged_store_is_one_line(config: Path, tmp_path: Path, command: list[str]) -> None:
    """The file's head is whole, so it opens; every table of it is overwritten."""
    from anpr_node.store.database import FILE_NAME, open_store

    open_store(tmp_path / "state").close()
    path = tmp_path / "state" / FILE_NAME
    pages = path.read_bytes()
    (tmp_path / "l.csv").write_text("vrm,category\n1ABC123,seize\n")
    kept = 3 * 4096  # the schema, and which migrations were applied
    path.write_bytes(pages[:kept] + b"\xa5" * (len(pages) - kept))
    filled = [str(tmp_path / a) if a.endswith(".csv") else a for a in command]
    result = call(*filled, "--config", config)
    assert result.exit_code == 1
    assert result.stderr.startswith("error:")
    assert result.stderr.count("\n") == 1


def commands_of(group: click.Group, path: tuple[str, ...] = ()) -> dict[str, click.Command]:
    """Every command that can be called, by the words that call it."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= commands_of(command, (*path, name))
        else:
            found[" ".join((*path, name))] = command
    return found


def test_every_command_stands_behind_the_guard_and_answers_somebody() -> None:
    granted = roles().anyone.union(*roles().commands.values())
    for name, command in commands_of(main).items():
        assert isinstance(command, Guarded), name
        assert name in granted, f"{name} answers nobody: add it to policy/roles.toml"


def test_the_roles_name_no_command_that_is_not_there() -> None:
    """A right within a command begins with the command's name."""
    there = commands_of(main)
    for name in roles().anyone.union(*roles().commands.values()):
        words = name.split()
        assert any(" ".join(words[:n]) in there for n in range(1, len(words) + 1)), f"roles.toml: no command {name}"
    for name in roles().held | roles().under:
        assert "settings" in {option.name for option in there[name].params}, f"roles.toml: {name} takes no settings"


@pytest.fixture
def with_modem(config: Path) -> Path:
    sections = '[modem]\nkind = "simulated"\npower_fitted = true\npower_off_s = 1.0\n'
    config.write_text(f"{config.read_text()}\n{sections}")
    return config


def test_modem_status_asks_the_modem_itself_where_no_node_runs(with_modem: Path) -> None:
    shown = call("modem", "status", "--config", with_modem)
    assert shown.exit_code == 0, shown.output
    assert "modem       SIMCOM_SIM7600E-H, 38 °C, card ready\n" in shown.stdout
    assert "network     home, Proximus LTE, signal -71 dBm\n" in shown.stdout
    row = json.loads(call("modem", "status", "--json", "--config", with_modem).stdout)
    assert (row["modem"]["operator"], row["link"]["up"], row["alarms"]) == ("Proximus", True, [])
    assert "in 45 ms" in call("modem", "ping", "--config", with_modem).stdout
    assert "was off for 1 s" in call("modem", "power-cycle", "--config", with_modem).stdout


@pytest.mark.parametrize("command", ["status", "ping", "power-cycle"])
def test_without_a_modem_its_commands_say_what_to_set(config: Path, command: str) -> None:
    result = call("modem", command, "--config", config)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: no ")
    assert "modem." in result.stderr


def test_a_modem_that_is_not_there_fails_the_check(config: Path) -> None:
    config.write_text(f'{config.read_text()}\n[modem]\nkind = "serial"\ndevice = "/dev/no-such-modem"\n')
    result = call("check", "--config", config)
    assert "FAIL modem         /dev/no-such-modem: no such device" in result.stdout
    assert result.exit_code == 1
