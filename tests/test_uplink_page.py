"""docs/uplink.md: its commands are understood, its settings are accepted, its figures are the code's."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest
from conftest import ROOT

from anpr_node.cli import main
from anpr_node.config import parse
from anpr_node.store.outbox import HIT, IN_ORDER, REFUSED_MAX
from anpr_node.uplink.backoff import FIRST_S, LAST_S
from anpr_node.uplink.formats.clickhouse import ClickHouse
from anpr_node.uplink.line import PASSING, REFUSALS
from anpr_node.uplink.packer import GATHER_ROWS, GATHER_S
from anpr_node.uplink.urgent import IDLE_S

PAGE = (ROOT / "docs" / "uplink.md").read_text()
COMMANDS = re.findall(r"^    anpr-node (.*?)(?:\s+#.*)?$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_of_the_page_exists(command: str) -> None:
    words, group = shlex.split(command), main
    while isinstance(group, click.Group):
        group = group.commands[words.pop(0)]  # type: ignore[assignment]
    context = group.make_context("x", words, resilient_parsing=True)
    assert not context.args


def test_every_setting_of_the_page_is_accepted(tmp_path: Path) -> None:
    blocks = re.findall(r"((?:^    .*\n|^\n)+)", PAGE, re.MULTILINE)
    texts = [block.replace("\n    ", "\n").strip() for block in blocks if "[[sinks]]" in block]
    assert len(texts) == 2
    for text in texts:
        parse(tomllib.loads(text), "the page")


def test_lanes_answers_and_figures() -> None:
    rows = [line.split("|")[1].strip() for line in PAGE.splitlines() if line.startswith("| ")]
    lanes = rows[rows.index("lane") + 1 :][: 1 + len(IN_ORDER)]
    assert lanes == [HIT, *IN_ORDER]
    assert ", ".join(str(status) for status in sorted(REFUSALS)) in rows
    assert any(row.startswith(", ".join(str(status) for status in sorted(PASSING))) for row in rows)
    assert f"{GATHER_ROWS} together, or after {GATHER_S:g} s" in PAGE
    assert f"within {IDLE_S:g} s of its commit" in PAGE
    assert f"from {FIRST_S:g} s to {LAST_S / 60:g} min" in PAGE
    assert f"({REFUSED_MAX:,} a sink" in PAGE
    assert f"up to {ClickHouse.items_max:,} rows" in PAGE
