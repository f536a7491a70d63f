"""One state folder, one node: a second is refused in words, and nothing is left in the way of the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import ROOT

from anpr_node.cli import main
from anpr_node.errors import StoreError
from anpr_node.store.only_node import LOCK_NAME, only_node

HOLD = """
import sys
from pathlib import Path
from anpr_node.store.only_node import only_node
with only_node(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder as a node does."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield other
        other.kill()


def test_a_second_run_is_refused_and_commands_are_not(tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text(f'[store]\nfolder = "{tmp_path / "state"}"\n')
    with held(tmp_path / "state") as other:
        second = CliRunner().invoke(main, ["run", "--config", str(config)])
        assert second.exit_code == 1, second.output
        assert f"a node runs here already (pid {other.pid})" in second.output
        for command in (["status"], ["search", "*", "--reason", "r", "--case", "c"]):
            beside = CliRunner().invoke(main, [*command, "--config", str(config)])
            assert beside.exit_code == 0, beside.output


def test_a_killed_node_leaves_the_folder_free(tmp_path: Path) -> None:
    with held(tmp_path) as other:
        other.send_signal(signal.SIGKILL)
        other.wait()
        with only_node(tmp_path):
            assert (tmp_path / LOCK_NAME).read_text() == f"{os.getpid()}\n"


def test_nodes_one_after_the_other(tmp_path: Path) -> None:
    for _ in range(2):
        with only_node(tmp_path), pytest.raises(StoreError, match=f"pid {os.getpid()}"), only_node(tmp_path):
            pass


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="writable"), only_node(tmp_path / "file" / "state"):
        pass
