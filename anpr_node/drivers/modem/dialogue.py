"""One command at a time, its answer, and what the modem says unasked: the AT dialogue over a port.

Lines may come late, in pieces, echoed, mixed with garbage and with each other. Every wait has an end, and ends early
when the node stops. What an answer means is not decided here.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from anpr_node.drivers.clock import Clock
from anpr_node.drivers.modem.port import Port
from anpr_node.errors import ModemLeft, ModemRefused, ModemRestarted, ModemSilent
from anpr_node.units import NS_PER_S

READ_S = 0.2
"""The longest wait in one go: so soon it sees that the node stops."""
LINE_BYTES_MAX = 4096
UNASKED_KEPT = 200
QUIET_S, QUIET_MAX_S = 0.3, 3.0
WAKE_TRIES, WAKE_S = 3, 3.0
PROMPT_S = 10.0
ESCAPE, END_OF_MESSAGE = b"\x1b", b"\x1a"

FAILURES = ("ERROR", "+CME ERROR", "+CMS ERROR", "NO CARRIER", "BUSY", "NO ANSWER", "NO DIALTONE", "ABORTED")
RESTARTS = frozenset({"RDY", "START"})
UNASKED = (
    "+CMTI:", "+CMT:", "+CDS:", "+CDSI:", "+CBM:", "+CRING:", "RING", "+CGEV:", "+CTZV:", "+CTZE:", "+CUSD:", "+CLIP:",
    "+QIND:", "+QUSIM:", "+QIURC:", "+NITZ", "+CREG:", "+CGREG:", "+CEREG:", "+CPIN:", "+CFUN:", "+CSQ:", "+COPS:",
    "SMS DONE", "PB DONE", "SMS READY", "Call Ready", "POWERED DOWN", "NORMAL POWER DOWN", "+SIMCARD:", "+CRESET",
)  # fmt: skip
REPORT_HEAD = re.compile(r"\+CDS: ?\d+")
"""In PDU mode the report itself follows on a line of its own."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long things may take: `pace` stretches or shrinks every time-out alike, `interrupted` ends all of them."""

    interrupted: Callable[[], bool] = lambda: False
    pace: float = 1.0


class Dialogue:
    """The conversation on one open port, from one thread."""

    def __init__(self, port: Port, clock: Clock, patience: Patience) -> None:
        self._port, self._clock, self._patience = port, clock, patience
        self._partial = b""
        self._unasked: deque[str] = deque(maxlen=UNASKED_KEPT)
        self._report_head = ""
        self._in_step = False
        """Whether the next answer belongs to the next command: not so at first, nor after one that did not come."""
        self.garbage = 0
        """Bytes that were thrown away because no line ever ended."""

    def ask(self, command: str, timeout_s: float, prefix: str = "") -> list[str]:
        """The lines of an answer that begin with `prefix`, without it; all of them where there is none.

        Raises:
            ModemRefused: it answered with an error, or without the line that was asked for.
            ModemSilent: no answer in time.
            ModemRestarted: it restarted over it.
            ModemGone: the device went away.
            ModemLeft: the node stops.

        """
        self._fall_into_step()
        self._in_step = False
        self._port.write(command.encode("ascii") + b"\r")
        return self._answer(command, timeout_s, prefix)

    def ask_with_message(self, command: str, message: str, timeout_s: float, prefix: str) -> list[str]:
        """The same for a command that asks for a text after `>`. Raises what `ask` does."""
        self._fall_into_step()
        self._in_step = False
        self._port.write(command.encode("ascii") + b"\r")
        self._await_prompt(command)
        self._port.write(message.encode("ascii", "replace") + END_OF_MESSAGE)
        return self._answer(command, timeout_s, prefix)

    def listen(self, seconds: float) -> None:
        """Take in what the modem says unasked. Raises ModemGone, ModemRestarted, ModemLeft."""
        for line in self._lines(seconds):
            self._note_unasked(line)

    def unasked(self) -> list[str]:
        """What the modem said unasked since the last time; a report and its content are one, with a space between."""
        lines = list(self._unasked)
        self._unasked.clear()
        return lines

    def _answer(self, command: str, timeout_s: float, prefix: str) -> list[str]:
        found: list[str] = []
        confirmed = False
        for line in self._lines(timeout_s):
            if line == command:
                continue  # an echo
            if line == "OK":
                confirmed = True
                if found or not prefix:
                    self._in_step = True
                    return found
            elif line.startswith(FAILURES):
                self._in_step = True
                raise ModemRefused(f"{_name(command)}: {line}")
            elif prefix and line.startswith(prefix):
                found.append(line[len(prefix) :].strip())
            elif prefix or line.startswith(UNASKED) or self._report_head:
                self._note_unasked(line)
            else:
                found.append(line)
        if confirmed:
            self._in_step = True
            raise ModemRefused(f"{_name(command)}: answered without {prefix}")
        raise ModemSilent(f"{_name(command)}: no answer in {timeout_s:g} s")

    def _await_prompt(self, command: str) -> None:
        for line in self._lines(PROMPT_S, prompt=True):
            if line == ">":
                return
            if line.startswith(FAILURES):
                self._in_step = True
                raise ModemRefused(f"{_name(command)}: {line}")
            if line != command:
                self._note_unasked(line)
        raise ModemSilent(f"{_name(command)}: it did not ask for the message")

    def _note_unasked(self, line: str) -> None:
        if self._report_head:
            head, self._report_head = self._report_head, ""
            self._unasked.append(f"{head} {line}")
        elif REPORT_HEAD.fullmatch(line):
            self._report_head = line
        else:
            self._unasked.append(line)

    def _fall_into_step(self) -> None:
        """Leave whatever it waits for, let it finish talking, and see that it answers. Raises ModemSilent."""
        if self._in_step:
            return
        self._port.write(ESCAPE)
        for attempt in range(WAKE_TRIES):
            self._let_finish()
            self._port.write(b"AT\r")
            for line in self._lines(WAKE_S):
                if line == "OK" or (attempt and line == "ERROR"):  # there are modems that know no bare AT
                    self._in_step = True
                    return
                if line == "ERROR":  # what it had half heard before
                    break
                if line != "AT":
                    self._note_unasked(line)
        raise ModemSilent(f"no answer to AT, {WAKE_TRIES} times")

    def _let_finish(self) -> None:
        ends_ns = self._in(QUIET_MAX_S)
        while self._clock.monotonic_ns() < ends_ns:
            heard = False
            for line in self._lines(QUIET_S):
                heard = True
                if line != "OK" and not line.startswith(FAILURES):
                    self._note_unasked(line)
            if not heard and not self._partial:
                return
            if not heard:
                self.garbage += len(self._partial)
                self._partial = b""

    def _in(self, seconds: float) -> int:
        return self._clock.monotonic_ns() + int(seconds * self._patience.pace * NS_PER_S)

    def _lines(self, seconds: float, prompt: bool = False) -> Iterator[str]:
        """Lines as they come, for so long. Raises ModemRestarted where one says so."""
        ends_ns = self._in(seconds)
        while True:
            line = self._next_line(prompt)
            if line in RESTARTS:
                self._in_step = False
                raise ModemRestarted("it restarted by itself")
            if line:
                yield line
            if line is None:
                left_s = (ends_ns - self._clock.monotonic_ns()) / NS_PER_S
                if left_s <= 0:
                    return
                if self._patience.interrupted():
                    raise ModemLeft("the node stops")
                self._take(self._port.read(min(READ_S, left_s)))

    def _take(self, data: bytes) -> None:
        self._partial += data
        if len(self._partial) > LINE_BYTES_MAX and not re.search(rb"[\r\n]", self._partial):
            self.garbage += len(self._partial)
            self._partial = b""

    def _next_line(self, prompt: bool) -> str | None:
        """The next whole line, stripped of what is not printable; empty for an empty one, None where none is whole."""
        if prompt and _printable(self._partial).lstrip().startswith(">"):
            self._partial = b""
            return ">"
        match = re.search(rb"[\r\n]", self._partial)
        if match is None:
            return None
        line, self._partial = self._partial[: match.start()], self._partial[match.end() :]
        return _printable(line).strip()


def _printable(data: bytes) -> str:
    return bytes(byte for byte in data if 0x20 <= byte < 0x7F).decode("ascii")


def _name(command: str) -> str:
    """A command without what it carries: a PIN or a number is not for the log."""
    return command.partition("=")[0]
