"""A person at the far end of a console: types a line whenever the console waits for one, and keeps what was shown."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from anpr_node.access import Person
from anpr_node.config import Settings, load
from anpr_node.console.context import Context
from anpr_node.console.node_link import NodeLink
from anpr_node.console.port import READ_BYTES_MAX, Disconnected
from anpr_node.console.session import Session
from anpr_node.console.terminal import Terminal

WAITS = re.compile(rb"(> |: |\] |leave |again )$")
IDLE_MAX = 300_000
PASSWORD = "correct horse battery"


class Typist:
    """A port whose user has prepared all lines; when they are used up the line is cut."""

    def __init__(self, lines: Iterable[bytes | str]) -> None:
        self.lines = [line.encode() + b"\r" if isinstance(line, str) else line for line in lines]
        self.shown = bytearray()
        self._unfinished = False
        self._idle = 0

    def read(self, wait_s: float) -> bytes:
        if not self._unfinished and not WAITS.search(self.shown[-40:]):
            self._idle += 1
            assert self._idle < IDLE_MAX, f"nobody asks: {self.shown[-200:]!r}"
            return b""
        if not self.lines:
            raise Disconnected("the cable was pulled")
        self._idle = 0
        line = self.lines.pop(0)
        if len(line) > READ_BYTES_MAX:
            self.lines.insert(0, line[READ_BYTES_MAX:])
            line = line[:READ_BYTES_MAX]
        self._unfinished = not line.endswith((b"\r", b"\n"))
        return line

    def write(self, data: bytes) -> None:
        self.shown += data

    def fds(self) -> tuple[int, int]:
        raise Disconnected("no descriptors here")

    @property
    def text(self) -> str:
        return self.shown.decode("ascii")


def talk(settings: Settings, *lines: bytes | str, local: bool = False) -> str:
    """One session: what it showed when all lines were typed and the cable was pulled."""
    typist = Typist(lines)
    with contextlib.suppress(Disconnected):
        Session(Terminal(typist), settings, local=local).run()
    return typist.text


def context_for(settings: Settings, role: str = "technician", *lines: bytes | str) -> tuple[Context, Typist]:
    """A session's inside, logged in already."""
    typist = Typist(lines)
    return Context(Terminal(typist), Person("jan", role), settings), typist


def settings_in(folder: Path, more: str = "") -> Settings:
    """Settings from a file of their own."""
    path = folder / "node.toml"
    path.write_text(f'[store]\nfolder = "{folder / "state"}"\n{more}')
    return load(path)


class RunningNode:
    """`anpr-node run` on the simulated roadside, as a process of its own."""

    def __init__(self, settings: Settings) -> None:
        assert settings.source is not None
        self.settings = settings
        settings.state_folder.mkdir(parents=True, exist_ok=True)
        self._log = (settings.state_folder / "run.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "anpr_node", "run", "--config", str(settings.source)],
            stdout=self._log,
            stderr=self._log,
        )
        self.link = NodeLink.of(settings)

    def __enter__(self) -> RunningNode:
        assert self.link.wait(60), (self.settings.state_folder / "run.log").read_text()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._log.close()
