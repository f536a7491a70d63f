"""What a session says and asks: lines of at most 80 plain characters, and answers typed on the same line.

It shows nothing that a dumb terminal cannot: no colours, no cursor movement, ASCII only. Who types and what it means is
the session's business.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Iterable

from anpr_node.console.line import Cancelled, Complete, EndOfInput, History, LineEditor
from anpr_node.console.port import Port

WIDTH = 80
NO_BREAK = "\u00a0"
"""A blank at which no line is folded."""
POLL_S = 0.5
PLAIN = str.maketrans({
    "°": " deg", "×": "x", "µ": "u", "–": "-", "…": "...", "é": "e", "è": "e", "ë": "e", "ö": "o", "ü": "u", "→": "->",
})  # fmt: skip


class IdleTooLong(Exception):
    """Nobody typed for so long that the session ends."""


class Terminal:
    """A person at the far end of a port."""

    def __init__(
        self, port: Port, idle_s: float = 600.0, now_s: Callable[[], float] = time.monotonic, width: int = WIDTH
    ) -> None:
        """`idle_s`: waiting for a line longer than this raises IdleTooLong."""
        self.port = port
        self.idle_s = idle_s
        self.width = width
        self._now_s = now_s
        self._ahead = bytearray()
        self._after_return = False

    def say(self, text: str = "", indent: int = 0) -> None:
        """One paragraph, folded at 80 columns; what follows the first line is indented."""
        for line in folded(text, self.width, indent):
            self.raw(line + "\r\n")

    def raw(self, text: str) -> None:
        """As it is, in ASCII."""
        self.port.write(plain(text).encode("ascii", "replace"))

    def ask(
        self, prompt: str, history: History | None = None, complete: Complete | None = None, secret: bool = False
    ) -> str:
        """A line. Raises IdleTooLong, Cancelled, EndOfInput and Disconnected."""
        editor = LineEditor(prompt, self.raw, history, complete, secret)
        editor.begin()
        ends_s = self._now_s() + self.idle_s
        while True:
            byte = self._next_byte(ends_s)
            if byte is None:
                self.raw("\r\n")
                raise IdleTooLong
            if byte == 0x0A and self._after_return:  # a terminal may send both for one Enter
                self._after_return = False
                continue
            self._after_return = byte == 0x0D
            try:
                line = editor.feed(byte)
            except (Cancelled, EndOfInput):
                self.raw("\r\n")
                raise
            if line is not None:
                return line.strip() if not secret else line

    def _next_byte(self, ends_s: float) -> int | None:
        while not self._ahead:
            if self._now_s() >= ends_s:
                return None
            self._ahead += self.port.read(POLL_S)
        return self._ahead.pop(0)

    def confirm(self, question: str) -> bool:
        """Yes or no; anything that is not yes is no."""
        return self.ask(f"{question} [y/n] ").lower() in {"y", "yes"}

    def stopped(self, wait_s: float) -> bool:
        """Wait, and whether a key was pressed meanwhile: how a live view is left. Raises Disconnected."""
        ends_s = self._now_s() + wait_s
        while True:
            left_s = ends_s - self._now_s()
            data = self._ahead[:] or self.port.read(max(0.0, min(left_s, POLL_S)))
            self._ahead.clear()
            if any(byte in b"\r\nqQ\x03\x04\x1b " for byte in data):
                self._after_return = data.endswith(b"\r")
                return True
            if left_s <= 0:
                return False

    def take_typed(self) -> bytes:
        """What was typed ahead of any question; it is whoever takes it that gives it back."""
        typed = bytes(self._ahead)
        self._ahead.clear()
        return typed

    def give_back(self, typed: bytes) -> None:
        """Typed ahead after all."""
        self._ahead[:0] = typed

    def drop_typed(self) -> None:
        """Forget what came in and was not asked for."""
        self._ahead.clear()


def plain(text: str) -> str:
    """The text in the characters that every terminal has."""
    return text.translate(PLAIN).encode("ascii", "replace").decode()


def side_by_side(values: Iterable[str], stroke: str = "") -> str:
    """Values on one line, a stroke after each but the last; it is folded between them only."""
    between = f"{NO_BREAK}{stroke} " if stroke else " "
    return between.join(value.replace(" ", NO_BREAK) for value in values)


def folded(text: str, width: int = WIDTH, indent: int = 0) -> list[str]:
    """Lines of at most `width` characters."""
    text = NO_BREAK.join(plain(part) for part in text.split(NO_BREAK))
    lead = len(text) - len(text.lstrip(" "))
    hang = " " * (indent or lead)
    lines = (
        [text.rstrip()]
        if len(text) <= width
        else textwrap.wrap(
            text, width, subsequent_indent=hang, replace_whitespace=False, drop_whitespace=True, break_on_hyphens=False
        )
    )
    return [line.replace(NO_BREAK, " ") for line in lines]
