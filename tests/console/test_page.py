"""docs/console.md shows every command, and every command it shows is one."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT

from anpr_node.console import commands  # noqa: F401
from anpr_node.console.registry import COMMANDS, find

PAGE = (ROOT / "docs" / "console.md").read_text()
SHOWN = re.findall(r"^    > (.+)$", PAGE, re.MULTILINE)


def test_every_command_is_on_the_page() -> None:
    assert {find(line)[0].name for line in SHOWN} == set(COMMANDS)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_explains_itself(name: str) -> None:
    each = COMMANDS[name]
    assert len(each.more) > 40
    assert each.usage.startswith(name)
    assert each.summary
