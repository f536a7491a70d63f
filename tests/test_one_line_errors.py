"""Full cards, foreign accounts, files that are not what they should be: one line in words, never a traceback."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import PICTURES, ROOT
from makers import evidence, read

from anpr_node import status
from anpr_node.cli import main
from anpr_node.config import Settings, load
from anpr_node.recorder import encode
from anpr_node.store.database import open_store
from anpr_node.store.reads import add_read

BOUND = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]
"""Root, and yet what a folder forbids is forbidden."""
WHY = ["--reason", "r", "--case", "c"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A state folder with a read in it."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        (path / "node.toml").write_text(f'[store]\nfolder = "{path / "state"}"\n')
        with closing(open_store(path / "state")) as store:
            add_read(store, read(read_id="r1", at_s=time.time() - 60), encode(evidence()), [])
        yield path


def run(*arguments: object, stdout: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The program as a process that is no more than the owner of its files, whoever runs the tests."""
    command = [*(BOUND if os.geteuid() == 0 else []), sys.executable, "-m", "anpr_node", *map(str, arguments)]
    with (stdout or Path(os.devnull)).open("w") as out:
        return subprocess.run(
            command,
            cwd="/",
            env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "HOME": "/nonexistent"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )


def said_in_one_line(result: subprocess.CompletedProcess[str], words: str) -> None:
    lines = [line for line in result.stderr.splitlines() if " INFO " not in line]
    assert result.returncode == 1, result.stderr
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    assert words in lines[0]


@pytest.mark.parametrize("shape", [[], ["--csv"], ["--json"]])
def test_a_full_card_behind_the_output_of_a_search(folder: Path, shape: list[str]) -> None:
    result = run("search", "--config", folder / "node.toml", "*", *WHY, *shape, stdout=Path("/dev/full"))
    said_in_one_line(result, "No space left")


def test_a_full_card_behind_what_was_read(folder: Path) -> None:
    said_in_one_line(
        run("read", "--config", folder / "node.toml", PICTURES / "ro_0894.jpg", stdout=Path("/dev/full")), "No space"
    )


def test_a_reader_that_has_gone_is_no_error(folder: Path) -> None:
    """As `| head`: the program ends without a word."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "anpr_node", "search", "--config", str(folder / "node.toml"), "*", *WHY, "--json"]
    result = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert result.returncode == 1
    assert "rror" not in result.stderr


def test_marked_pictures_into_a_folder_of_somebody_else(folder: Path) -> None:
    out = folder / "out"
    out.mkdir()
    out.chmod(0o555)
    picture = folder / "a.jpg"
    picture.write_bytes((PICTURES / "ro_0894.jpg").read_bytes())
    said_in_one_line(run("read", picture, "--annotate", out), "a.annotated.png: Permission denied")


def test_a_picture_in_a_folder_that_is_closed_is_one_of_the_bad_ones(folder: Path) -> None:
    closed, picture = folder / "closed", folder / "a.jpg"
    closed.mkdir()
    for path in (closed / "x.jpg", picture):
        path.write_bytes((PICTURES / "ro_0894.jpg").read_bytes())
    closed.chmod(0)
    result = run("read", closed / "x.jpg", picture, stdout=folder / "out.jsonl")
    closed.chmod(0o700)
    assert result.returncode == 0, result.stderr
    assert f"{closed / 'x.jpg'}: you may not read it" in result.stderr
    assert "B305CIL" in (folder / "out.jsonl").read_text()
    assert "Traceback" not in result.stderr


def test_the_console_beside_the_state_of_another_account(folder: Path) -> None:
    state = folder / "state"
    for path in (state, *state.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    result = run("console", "--port", "-", "--config", folder / "node.toml")
    state.chmod(0o755)
    said_in_one_line(result, "tried-out.log: Permission denied")


@pytest.fixture
def settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(status, "RUN_FOLDER", folder / "none")
    return load(folder / "node.toml")


@pytest.mark.parametrize("content", [b"[]", b"\xff\xfe{", b"", b"{}", b"7", b'{"at_s": 1e12}'])
def test_a_heartbeat_that_is_none_is_no_running_node(settings: Settings, content: bytes) -> None:
    (settings.state_folder / "status.json").write_bytes(content)
    result = CliRunner().invoke(main, ["status", "--config", str(settings.source)])
    assert result.exit_code == 0, result.output
    assert "running     no" in result.stdout


def test_a_dead_node_is_dead_though_the_clock_went_back(settings: Settings) -> None:
    """Its last beat is from a wall clock that was three days ahead; and a live node shows whatever the clock does."""
    beat = {"pid": 1, "frames": 9, "boot_id": status.BOOT_ID, "up_s": time.clock_gettime(time.CLOCK_BOOTTIME)}
    path = status.heartbeat_path(settings)
    path.write_text(json.dumps({**beat, "at_s": time.time() - 3 * 86_400}))
    assert status.read_heartbeat(settings) is not None
    for dead in ({"up_s": beat["up_s"] - 60}, {"up_s": beat["up_s"] + 1000}, {"boot_id": "the boot before"}):
        path.write_text(json.dumps({**beat, "at_s": time.time() + 3 * 86_400, **dead}))
        assert status.read_heartbeat(settings) is None


@pytest.mark.parametrize("secret", [b"", b"short"])
def test_a_signing_key_that_is_none(settings: Settings, tmp_path: Path, secret: bytes) -> None:
    (settings.state_folder / "evidence.secret").write_bytes(secret)
    options = ["--config", str(settings.source), "r1", "--out", str(tmp_path / "r1.zip"), *WHY]
    result = CliRunner().invoke(main, ["evidence", "export", *options])
    assert (result.exit_code, result.exception.__class__) == (1, SystemExit), result.output
    assert "evidence.secret holds no key that fits" in result.output


def test_a_secret_of_another_key(settings: Settings, tmp_path: Path) -> None:
    state = settings.state_folder
    (state / "evidence.secret").write_bytes(b"x" * 60)
    shutil.rmtree(state)
    state.mkdir()
    (state / "store.key").write_bytes(bytes(32))
    (state / "evidence.secret").write_bytes(b"x" * 60)
    with closing(open_store(state)) as store:
        add_read(store, read(read_id="r1", at_s=time.time() - 60), encode(evidence()), [])
    options = ["--config", str(settings.source), "r1", "--out", str(tmp_path / "r1.zip"), *WHY]
    result = CliRunner().invoke(main, ["evidence", "export", *options])
    assert result.exit_code == 1, result.output
    assert "holds no key that fits" in result.output


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_store_of_another_account_names_its_owner(folder: Path) -> None:
    state = folder / "state"
    for path in (*state.iterdir(), state):
        path.chmod(0o700)
        os.chown(path, 65534, -1)
    owner = pwd.getpwuid(65534).pw_name
    result = run("status", "--config", folder / "node.toml")
    said_in_one_line(result, f"belongs to the account {owner}: sudo -u {owner} anpr-node")
