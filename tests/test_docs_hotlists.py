"""The commands and the tables of docs/hotlists.md: what stands there works, and says what is so."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import ROOT
from makers import evidence, read
from sqlite_utils import Database

from anpr_node import policy
from anpr_node.cli import main
from anpr_node.config import parse
from anpr_node.recorder import encode
from anpr_node.records import Hit, HotlistEntry
from anpr_node.store.reads import add_read

PAGE = (ROOT / "docs" / "hotlists.md").read_text()
BLOCKS = [re.sub(r"^    ", "", block, flags=re.M) for block in re.findall(r"(?:^    .*\n)+", PAGE, flags=re.M)]
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line.startswith(("anpr-node", "openssl"))]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Database) -> Path:
    """Where the page's files lie: its own example list, under every name that the page uses."""
    rows = next(block for block in BLOCKS if block.startswith("vrm,country"))
    for name in ("stolen.csv", "wanted.csv", "emergency.csv", "stolen-42.csv", "stolen-43.csv"):
        (tmp_path / name).write_text(rows)
    entry = HotlistEntry("stolen", "1ABC123", "B", "seize", 80, "stolen", "zone", None, None, ("relay",))
    add_read(store, read(at_s=time.time() - 60), encode(evidence()), [Hit("HIT", "r1", entry, "exact", 5)])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_of_the_page_runs_in_its_order(folder: Path) -> None:
    config = folder / "node.toml"
    config.write_text(f'[store]\nfolder = "{folder / "state"}"\n')
    ran = 0
    for line in COMMANDS:
        command = shlex.split(line)
        if command[0] == "openssl":
            if shutil.which("openssl") is None:
                pytest.skip("openssl is not installed")
            subprocess.run(command, check=True, capture_output=True)
            continue
        options = [] if "sign" in command else ["--config", str(config)]
        if "--manifest" in command:
            key = CliRunner().invoke(main, ["hotlist", "sign", "--key", "list-key.pem", "--show-key"]).stdout.strip()
            config.write_text(config.read_text() + f'[hotlists.lists.stolen]\npublic_key = "{key}"\n')
            sign_again = next(shlex.split(c)[1:] for c in COMMANDS if "--revision 42" in c)
            assert CliRunner().invoke(main, sign_again).exit_code == 0
        result = CliRunner().invoke(main, [*(a.replace("/tmp", str(folder)) for a in command[1:]), *options])
        assert result.exit_code == 0, (line, result.output)
        ran += 1
    assert ran >= 12


def test_every_setting_of_the_page_is_one() -> None:
    shown = [block for block in BLOCKS if block.startswith("[hotlists")]
    assert len(shown) == 3
    for block in shown:
        key = "A" * 43 + "="
        parse(tomllib.loads(block.replace("…", key)), "the page")


def test_the_table_of_categories_is_that_of_the_policy() -> None:
    rows = re.findall(r"^\| ([a-z, ]+) \|\s*(\d*)\s*\| (\d+) \| ([a-z ]+) \|$", PAGE, flags=re.M)
    shown = {name: (article, int(priority), tuple(actions.split())) for names, article, priority, actions in rows
             for name in names.split(", ")}  # fmt: skip
    known = {c.name: (str(c.sis_article or ""), c.priority, c.actions) for c in policy.categories().values()}
    assert shown == known


def test_the_page_names_every_format_and_the_pairs() -> None:
    from anpr_node.hotlist.formats import PARSERS

    for name in PARSERS:
        assert f"`{name}`" in PAGE
    assert set(policy.confusions("match")["0"]) == set("OQD")
