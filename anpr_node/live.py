"""The node live in a terminal: reads scroll by, hits stand out, one line at the bottom says how it runs.

The line at the bottom keeps to the terminal's width: one that wraps cannot be rewritten in its place. Plain lines only
where the output is not a terminal. It shows plates in clear, so it is for the demo alone.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import TextIO

from anpr_node.node import Node
from anpr_node.recorder import Recorded
from anpr_node.snapshot import Snapshot
from anpr_node.units import NS_PER_S

REFRESH_S = 0.2
COLUMNS_MAX = 200
BOLD_RED, DIM, PLAIN, CLEAR_LINE = "\033[1;31m", "\033[2m", "\033[0m", "\r\033[K"
HEADER = f"{'time (UTC)':<13}{'plate':<10}{'ctry':<6}{'conf':<7}{'votes':<7}{'direction':<13}hit"


class LiveView:
    """Prints what is new each time it is asked."""

    def __init__(self, node: Node, out: TextIO | None = None) -> None:
        self._node = node
        self._out = out or sys.stdout
        self._colour = self._out.isatty()
        self._shown: set[str] = set()

    def start(self) -> None:
        """The head of the table."""
        self._print(HEADER)

    def refresh(self) -> None:
        """New reads, then the status line where there is a terminal to rewrite it on."""
        recent = list(self._node.desk.recent)
        for recorded in recent:
            if recorded.read.read_id not in self._shown:
                self._print(self._line(recorded))
        self._shown = {recorded.read.read_id for recorded in recent}
        if self._colour:
            line = status_line(self._node.snapshot(), columns_of(self._out))
            self._out.write(CLEAR_LINE + DIM + line + PLAIN)
            self._out.flush()

    def finish(self) -> None:
        """The last reads, and the totals."""
        self.refresh()
        self._print(status_line(self._node.snapshot()))

    def _line(self, recorded: Recorded) -> str:
        read = recorded.read
        moment = datetime.fromtimestamp(read.last_seen_ns / NS_PER_S, UTC)
        note = f" corrects an earlier read ({read.flags[-1]})" if read.corrects else ""
        text = (
            f"{moment:%H:%M:%S}.{moment.microsecond // 100_000:<4d}{read.vrm:<10}{read.country or '-':<6}"
            f"{read.confidence:<7.2f}{read.votes:<7d}{read.direction:<13}"
        )
        if not recorded.shown_hits:
            return text + note
        entry = recorded.shown_hits[0].entry
        flagged = f"{text}** HIT {entry.category}: {entry.reason} **{note}"
        return f"{BOLD_RED}{flagged}{PLAIN}" if self._colour else flagged

    def _print(self, text: str) -> None:
        self._out.write((CLEAR_LINE if self._colour else "") + text + "\n")
        self._out.flush()


def columns_of(out: TextIO) -> int:
    """How many fit before the last column, where some terminals wrap; plenty where a terminal does not say."""
    try:
        return (os.get_terminal_size(out.fileno()).columns or COLUMNS_MAX) - 1
    except OSError:
        return COLUMNS_MAX


def status_line(now: Snapshot, columns: int = COLUMNS_MAX) -> str:
    """Outputs, reads, loop and queue in one line; what is least missed stands last, and goes where there is no room."""
    parts = [
        f"relay {'CLOSED' if now.relay_on else 'open':<6} LED {'ON' if now.led_on else 'off':<3} "
        f"IR {'on' if now.illuminator_on else 'OFF':<3}",
        f"reads {now.reads} hits {now.hits}",
        f"loop {now.loop_ms_median:.1f} ms",
        f"frames {now.frames} lost {now.frames_lost}",
        f"queue {now.queue_depth}/{now.queue_max}",
        *_messages(now),
    ]
    while len(line := " | ".join(parts)) > columns and len(parts) > 1:
        parts.pop()
    return line[:columns]


def _messages(now: Snapshot) -> list[str]:
    if now.modem is None:
        return []
    account, signal = now.modem["messages"], now.modem["modem"]["signal_dbm"]
    told = account["sent"] + account["delivered"]
    return [f"modem {'-' if signal is None else signal} dBm, SMS {told} of {told + account['waiting']}"]
