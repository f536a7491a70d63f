"""docs/record.md: every command that it shows is understood and answered."""

from __future__ import annotations

import getpass
import re
import shlex
import shutil
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import ROOT
from makers import evidence, read
from test_evidence import make_keys

from anpr_node import access, audit
from anpr_node.access import Person
from anpr_node.cli import main
from anpr_node.evidence import fingerprint_of
from anpr_node.recorder import encode
from anpr_node.store.database import open_store
from anpr_node.store.reads import add_read
from anpr_node.store.sealing import load_seal

PAGE = (ROOT / "docs" / "record.md").read_text()
COMMANDS = re.findall(r"^    anpr-node (.*?)(?:\s+#.*)?$", PAGE, re.MULTILINE)
KEYS_BY_OPENSSL = re.findall(r"^    (openssl .*)$", PAGE, re.MULTILINE)
PASSWORD = "correct horse battery\n"
GROUPS = {"user", "audit", "hotlist", "evidence", "store"}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "node.toml").write_text(f'[store]\nfolder = "{tmp_path / "state"}"\n')
    with closing(open_store(tmp_path / "state")) as store:
        add_read(store, read(read_id="r1", at_s=time.time() - 60), encode(evidence()), [])
    return tmp_path / "node.toml"


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_shows_what_works(config: Path, tmp_path: Path, command: str) -> None:
    state = tmp_path / "state"
    prepare(command, config, state)
    blanks = {"READ_ID": "r1", "FINGERPRINT": fingerprint_of(state), "/media/key": str(tmp_path), " …": " x"}
    blanks["812:9f3c…"] = audit.head(state)
    for blank, filling in blanks.items():
        command = command.replace(blank, filling)
    words = shlex.split(command)
    at = 2 if words[0] in GROUPS else 1
    options = [] if words[:2] in (["evidence", "verify"], ["evidence", "open"]) else ["--config", str(config)]
    result = CliRunner().invoke(main, [*words[:at], *options, *words[at:]], input=PASSWORD * 2)
    refused_by_date = result.exit_code == 3 and "--decision" in result.output
    assert result.exit_code == 0 or refused_by_date, result.output


def prepare(command: str, config: Path, state: Path) -> None:
    """What must be there before: people for `user`, a package to verify, a line to be an anchor."""
    audit.append(state, audit.Entry("node", "purge"))
    if command.startswith("user"):
        with closing(open_store(state)) as store:
            access.add(store, Person("me", "service"), getpass.getuser(), None, 0)
            if "remove" in command:
                access.add(store, Person("jan", "auditor"), "jan", None, 0)
    if command.startswith("evidence open"):
        for line in KEYS_BY_OPENSSL if shutil.which("openssl") else []:
            subprocess.run(shlex.split(line), check=True, capture_output=True)
        if not shutil.which("openssl"):
            make_keys(config.with_name("office-private.pem"), config.with_name("office.pem"))
        with closing(open_store(state)) as store:
            made, seal = read(read_id="r2", at_s=time.time() - 50), load_seal(config.with_name("office.pem"))
            add_read(store, made, encode(evidence()), [], seal)
    if command.startswith(("evidence verify", "evidence open")):
        why = ["--reason", "r", "--case", "c", "--out", "r1.zip"]
        read_id = "r2" if "open" in command else "r1"
        exported = CliRunner().invoke(main, ["evidence", "export", "--config", str(config), read_id, *why])
        assert exported.exit_code == 0, exported.output


def test_the_page_shows_commands_of_every_kind() -> None:
    assert {command.split()[0] for command in COMMANDS} == {"search", "evidence", "user", "audit", "purge", "store"}
