"""README and docs name no file, test, option of pytest or command of this repository that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from conftest import ROOT

from anpr_node.cli import main

PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *(ROOT / "docs").rglob("*.md")})
NAMED = re.compile(r"(?<![\w./-])((?:anpr_node|docs|hw|models|scripts|tests|image(?!/jpeg))/[\w./-]*\w)")
MODULE = re.compile(r"(?<![\w./-])((?:[a-z_]+/)*[a-z_]+\.py)\b")
LINKED = re.compile(r"\]\(([^)#: ]+)(?:#[^)]*)?\)")
CHOSEN = re.compile(r"(?:scripts/test|pytest)[\w =-]* -k (\w+)")
COMMAND = re.compile(r"(?:^    |`)anpr-node ([a-z-]+)(?: ([a-z-]+))?(?![\w|])", re.MULTILINE)
CODE = [
    path for folder in ("anpr_node", "image", "models", "scripts", "tests") for path in (ROOT / folder).rglob("*.py")
]
FILES = [f"/{path.relative_to(ROOT)}" for path in CODE]
TESTS = {test for path in CODE for test in re.findall(r"def (test_\w+)", path.read_text())} | {p.stem for p in CODE}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    gone = [name for name in NAMED.findall(text) if not (ROOT / name).exists()]
    gone += [link for link in LINKED.findall(text) if not (page.parent / link).exists()]
    gone += [name for name in MODULE.findall(text) if not any(file.endswith(f"/{name}") for file in FILES)]
    gone += [f"-k {part}" for part in CHOSEN.findall(text) if not any(part in test for test in TESTS)]
    gone += [" ".join(words) for words in COMMAND.findall(text) if not is_command(*words)]
    assert gone == []


def is_command(name: str, second: str) -> bool:
    """Whether there is such a command; the second word counts where the first is a group of commands."""
    first = main.commands.get(name)
    return first is not None and (not second or not isinstance(first, click.Group) or second in first.commands)
