"""Opens the console where it is wanted: on a serial port, again and again, or once on the terminal it was started from.

Without a running node a simulated roadside is started for the session, as a process of its own, to try things out; on
an installed node never.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from anpr_node.config import DEFAULT_PATH, Settings, load
from anpr_node.console.login import Refusals
from anpr_node.console.node_link import NodeLink
from anpr_node.console.port import Disconnected, open_serial, open_terminal
from anpr_node.console.session import Session
from anpr_node.console.terminal import Terminal
from anpr_node.errors import AnprError
from anpr_node.whole_file import write_whole

START_S = 30.0
STOP_S = 20.0
PAUSE_S = 1.0
IDLE_AT_LOGIN_S = 3600.0


def serve(settings: Settings, port: str) -> None:
    """The console on a port, or with - on this terminal."""
    if port != "-":
        _serve_serial(settings, port)
        return
    settings = with_file(settings)
    for ended in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ended, _leave)  # a closed window must not leave a node behind
    with _tried_out(settings), open_terminal() as terminal_port:
        terminal = Terminal(terminal_port, IDLE_AT_LOGIN_S)
        with contextlib.suppress(Disconnected):
            Session(terminal, settings, local=False).run()


def _leave(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(1)


def _serve_serial(settings: Settings, port: str) -> None:
    """Until the process is ended: whoever plugs a cable in finds a login."""
    refusals, told = Refusals(settings.state_folder), ""
    if sys.stderr.isatty():  # a person, who sees nothing else here
        print(f"console: on {port}; this terminal's own is: anpr-node console --port -", file=sys.stderr)  # noqa: T201
    while True:
        try:
            with open_serial(port, settings.console.baud) as line:
                told = ""
                while True:
                    if settings.source is not None:
                        settings = load(settings.source)
                    Session(Terminal(line, IDLE_AT_LOGIN_S), settings, local=True, refusals=refusals).run()
        except AnprError as error:
            told = _tell(str(error), told)
            time.sleep(PAUSE_S)


def _tell(problem: str, told: str) -> str:
    """A problem that was not told last, for the service's log: once, not each second while an adapter is away."""
    if problem != told:
        print(f"console: {problem}; tried again each second", file=sys.stderr, flush=True)  # noqa: T201
    return problem


def with_file(settings: Settings) -> Settings:
    """Settings that can be saved: a checkout gets a node.toml of its own in its state folder."""
    if settings.source is not None:
        return settings
    path = settings.state_folder / "node.toml"
    if not path.exists():
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        write_whole(path, f'[store]\nfolder = "{settings.state_folder}"\n')
    return load(path)


@contextlib.contextmanager
def _tried_out(settings: Settings) -> Iterator[None]:
    """A node beside the session, where there is none and the roadside is simulated.

    An installed node is its unit's to start: it may be about to.
    """
    if settings.camera.kind != "simulated" or settings.source == DEFAULT_PATH or NodeLink.of(settings).is_there():
        yield
        return
    settings.state_folder.mkdir(0o700, parents=True, exist_ok=True)
    with (settings.state_folder / "tried-out.log").open("wb") as log:
        node = subprocess.Popen(
            [sys.executable, "-m", "anpr_node", "run", "--config", str(_source(settings))],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            if not NodeLink.of(settings).wait(START_S):
                raise AnprError(f"the simulated node does not start: see {log.name}")
            yield
        finally:
            node.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                node.wait(STOP_S)
            if node.poll() is None:
                node.kill()


def _source(settings: Settings) -> Path:
    assert settings.source is not None
    return settings.source
