"""The serial console of a board: everything said on it is kept, everything typed on it is seen to arrive. No test.

A line is typed, its echo waited for, and only then ended: what a tty drops while a program changes its modes is typed
again.
"""

from __future__ import annotations

import os
import re
import select
import shlex
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

PROMPT = "anpr-test$ "
ECHO_S, TRIES, PATIENCE_S = 20.0, 4, 180.0
DROP_LINE = "\x15"


class Timeout(AssertionError):
    """The console did not say in time what was waited for."""


class Console:
    """Both directions of a serial line, everything said on it kept. A slow board gets `pace` times the patience."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, pace: int = 1) -> None:
        self._process, self._log, self.pace = process, log, pace
        self.said, self.seen = "", 0

    def expect(self, pattern: str, timeout_s: float) -> re.Match[str]:
        """Wait until the console says something; what came after it is still to come."""
        until_s = time.monotonic() + timeout_s * self.pace
        wanted = re.compile(pattern)
        while True:
            found = wanted.search(self.said, self.seen)
            if found:
                self.seen = found.end()
                return found
            if not self._read(until_s):
                raise Timeout(f"{pattern!r} not said within {timeout_s} s; last: {self.said[-3000:]}")

    def provoke(self, pattern: str, timeout_s: float) -> None:
        """Wait for a question that may have been asked before; Enter has it asked again."""
        until_s = time.monotonic() + timeout_s * self.pace
        while True:
            try:
                self.expect(pattern, ECHO_S)
            except Timeout:
                if time.monotonic() > until_s:
                    raise
                self.send("\r")
            else:
                return

    def _read(self, until_s: float) -> bool:
        """Take what is there; False when the time is up or the line is dead."""
        assert self._process.stdout is not None
        rest_s = until_s - time.monotonic()
        if rest_s <= 0 or not select.select([self._process.stdout], [], [], rest_s)[0]:
            return False
        chunk = os.read(self._process.stdout.fileno(), 65536)
        if not chunk:
            return False
        text = chunk.decode("utf-8", "replace")
        self.said += text
        with self._log.open("a") as log:
            log.write(text)
        return True

    def drain(self, timeout_s: float) -> None:
        """Read until the line is dead."""
        until_s = time.monotonic() + timeout_s
        while self._read(until_s):
            pass

    def send(self, text: str) -> None:
        """Press keys."""
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def type_line(self, text: str, *, hidden: bool = False) -> None:
        """Type a line, see it arrive, press Enter, see that arrive. Of a hidden one only the end is echoed."""
        for tried in range(TRIES):
            self.send((DROP_LINE if tried else "") + text)
            try:
                if not hidden:
                    self.expect(re.escape(text), ECHO_S)
                self.send("\r")
                self.expect("\r?\n", ECHO_S)
            except Timeout:
                if tried + 1 == TRIES:
                    raise
            else:
                return

    def answer(self, question: str, text: str, timeout_s: float = PATIENCE_S, *, hidden: bool = False) -> None:
        """Wait for a question, type the answer."""
        self.expect(question, timeout_s)
        self.type_line(text, hidden=hidden)

    def converse(self, dialogue: Sequence[tuple[str, str]]) -> None:
        """Question and answer, one after the other; what is asked for a password is hidden."""
        for question, text in dialogue:
            self.answer(question, text, hidden=question in HIDDEN)


HIDDEN = {"Your password:", "Once more:", "Password:", "sudo-asks"}


class Shell:
    """Commands as root, of somebody who came in at the console with name and password.

    The person's own shell reads the console: sudo, which lays a terminal of its own between, has one command at a time.
    """

    def __init__(
        self, console: Console, name: str, password: str, timeout_s: float = PATIENCE_S, *, settled: bool = True
    ) -> None:
        """`settled`: wait until everything is up; a node that cannot start is tried for ever, and never is."""
        self._console, self._number = console, 0
        self._settled = settled
        self._name, self._password = name, password
        self.log_in(timeout_s)

    def log_in(self, timeout_s: float = PATIENCE_S) -> None:
        """Come in at the login, wherever its question stands by now."""
        console, name, password = self._console, self._name, self._password
        console.provoke("login:", timeout_s)
        console.type_line(name)
        console.answer("Password:", password, hidden=True)
        console.expect(r"\$ ", PATIENCE_S)
        console.type_line("exec bash --norc --noprofile --noediting")
        console.expect(r"\$ ", PATIENCE_S)
        console.type_line(f"export TERM=dumb; PS1='{PROMPT[:4]}''{PROMPT[4:]}'")
        console.expect(re.escape(PROMPT), PATIENCE_S)
        console.type_line("sudo -p 'sudo''-asks' -v")
        console.answer("sudo-asks", password, hidden=True)
        console.expect(re.escape(PROMPT), PATIENCE_S)
        wait = "; systemctl is-system-running --wait" if self._settled else ""
        self.run(f"kill -s RTMIN+21 1{wait}", timeout_s)  # nothing comes between from now on

    def run(self, command: str, timeout_s: float = PATIENCE_S) -> tuple[int, str]:
        """Exit code and output of a command."""
        self.begin(command)
        start = self._console.seen
        found = self._console.expect(rf"end-{self._number} (\d+)\r?\n", timeout_s)
        self._console.expect(re.escape(PROMPT), PATIENCE_S)
        return int(found[1]), self._console.said[start : found.start()].replace("\r", "").strip()

    def begin(self, command: str) -> None:
        """Start a command; how it ends is not waited for."""
        self._number += 1
        line = f"sudo -n bash -c {shlex.quote(command)} </dev/null; echo 'end'-{self._number} $?"
        self._console.type_line(f"echo 'begin'-{self._number}; {line}")
        self._console.expect(rf"begin-{self._number}\r?\n", PATIENCE_S)

    def out(self, command: str, timeout_s: float = PATIENCE_S) -> str:
        """Output of a command that succeeds."""
        code, said = self.run(command, timeout_s)
        assert code == 0, f"{command}: {code}: {said}"
        return said
