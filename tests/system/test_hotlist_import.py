"""Imports as processes: killed in the middle, several at once, beside a matcher that never stops asking."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from makers import put_list
from sqlite_utils import Database

from anpr_node.config import Settings
from anpr_node.hotlist.lists import FOLDER, show
from anpr_node.hotlist.matching import Matcher, Sighting, open_matcher

pytestmark = pytest.mark.system

ROWS = 60_000
PATIENCE_S = 180.0


@pytest.fixture
def matcher(store: Database, settings: Settings) -> Iterator[Matcher]:
    with closing(open_matcher(store, settings)) as opened:
        yield opened


def start_import(tmp_path: Path, name: str, first: str, rows: int) -> subprocess.Popen[bytes]:
    """`anpr-node hotlist import` of so many rows, `first` among them."""
    config, file = tmp_path / "node.toml", tmp_path / f"{name}.csv"
    config.write_text(f'[store]\nfolder = "{tmp_path / "state"}"\n')
    file.write_text(f"vrm,reason\n{first},{name}\n" + "".join(f"9QQ{n:06},{name}\n" for n in range(rows)))
    command = [
        sys.executable,
        "-m",
        "anpr_node",
        "hotlist",
        "import",
        "--config",
        str(config),
        "--list",
        "l",
        str(file),
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def found(matcher: Matcher) -> list[str]:
    """What the watched plate is on."""
    return [match.entry.reason for match in matcher.match(Sighting("1ABC123", "B", 0.9, (), 10**18))]


def killed_in_the_middle(tmp_path: Path, folder: Path, rows: int) -> bool:
    """Whether an import was killed between the first byte of its list and its end."""
    process = start_import(tmp_path, "new", "1ABC123", rows)
    ends_s = time.monotonic() + PATIENCE_S
    while len(list(folder.glob("*.list"))) < 2 and process.poll() is None:
        assert time.monotonic() < ends_s
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_S)
    return process.returncode == -signal.SIGKILL and len(list(folder.glob("*.list"))) == 2


def test_an_import_that_is_killed_leaves_the_list_and_the_next_one_cleans_up(
    store: Database, settings: Settings, matcher: Matcher, tmp_path: Path
) -> None:
    folder = settings.state_folder / FOLDER
    for rows in (ROWS, 5 * ROWS, 25 * ROWS):  # a machine may be through with it before this process sees that it began
        put_list(store, settings, "vrm,reason\n1ABC123,old\n", may_shrink=True)
        if killed_in_the_middle(tmp_path, folder, rows):
            break
    assert found(matcher) == ["old"]
    assert len(list(folder.glob("*.list"))) == 2, "what was begun is still there"
    assert start_import(tmp_path, "next", "1ABC123", 10).wait(PATIENCE_S) == 0
    assert found(matcher) == ["next"]
    assert [path.name for path in folder.iterdir()] == [show(store)[0].file]


def test_imports_at_once_follow_each_other_and_no_question_goes_unanswered(
    store: Database, settings: Settings, matcher: Matcher, tmp_path: Path
) -> None:
    put_list(store, settings, "vrm,reason\n1ABC123,old\n")
    processes = [start_import(tmp_path, name, "1ABC123", 3_000) for name in ("first", "second", "third")]
    seen = []
    while any(process.poll() is None for process in processes):
        (reason,) = found(matcher)
        seen += [reason] if reason not in seen[-1:] else []
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(set(seen)) == len(seen), "no list came back that was replaced"
    assert found(matcher)[0] in {"first", "second", "third"}
