"""A line editor for the dumbest terminal: it writes printable characters, backspace, carriage return and bell only.

Bytes go in one at a time, what to show comes out. It knows the usual keys of a shell and the arrow keys, takes no line
longer than its limit, and lets every other byte pass without effect: what a noisy cable adds is noise, not a command.
"""

from __future__ import annotations

import string
from collections import deque
from collections.abc import Callable, Sequence

LINE_MAX = 240
HISTORY_MAX = 100
ESCAPE_MAX = 8
"""No key sends a longer sequence; what is longer is noise."""
BELL = "\a"
PRINTABLE = frozenset(map(ord, string.printable)) - frozenset(range(32))

Complete = Callable[[str], Sequence[str]]
"""Whole words that may stand where the text given ends."""


class Cancelled(Exception):
    """Ctrl-C: the line is given up."""


class EndOfInput(Exception):
    """Ctrl-D on an empty line."""


class History:
    """The last lines of one person, newest last."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=HISTORY_MAX)

    def add(self, line: str) -> None:
        """Keep it, unless it only repeats the last one."""
        if line and (not self.lines or self.lines[-1] != line):
            self.lines.append(line)


class LineEditor:
    """One line being typed. `feed` takes a byte; it returns the line when Enter was pressed, else None."""

    def __init__(
        self,
        prompt: str,
        show: Callable[[str], None],
        history: History | None = None,
        complete: Complete | None = None,
        secret: bool = False,
    ) -> None:
        """`secret`: nothing that is typed is shown."""
        self._prompt, self._show_raw, self._secret = prompt, show, secret
        self._history = [*history.lines, ""] if history else [""]
        self._at_line = len(self._history) - 1
        self._complete = complete
        self._text, self._at = "", 0
        self._full = False
        self._escape: bytes | None = None
        self._keys: dict[int, Callable[[], None]] = {
            0x01: lambda: self._go(0),
            0x02: lambda: self._go(self._at - 1),
            0x05: lambda: self._go(len(self._text)),
            0x06: lambda: self._go(self._at + 1),
            0x08: self._backspace,
            0x09: self._tab,
            0x0B: lambda: self._replace(self._text[: self._at], self._at),
            0x0C: self._again,
            0x0E: lambda: self._recall(1),
            0x10: lambda: self._recall(-1),
            0x15: lambda: self._replace(self._text[self._at :], 0),
            0x17: self._word_back,
            0x7F: self._backspace,
        }
        self._sequences: dict[bytes, Callable[[], None]] = {
            b"[A": self._keys[0x10],
            b"[B": self._keys[0x0E],
            b"[C": self._keys[0x06],
            b"[D": self._keys[0x02],
            b"[H": self._keys[0x01],
            b"[F": self._keys[0x05],
            b"[3~": lambda: self._replace(self._text[: self._at] + self._text[self._at + 1 :], self._at),
        }

    @property
    def text(self) -> str:
        """What stands in the line now."""
        return self._text

    def begin(self) -> None:
        """Show the prompt."""
        self._show_raw(self._prompt)

    def feed(self, byte: int) -> str | None:
        """One byte. Raises Cancelled and EndOfInput."""
        if byte in {0x03, 0x0A, 0x0D}:
            self._escape = None  # no key has these within: a lone escape must not swallow Enter
        if self._escape is not None:
            self._in_escape(byte)
        elif byte in {0x0A, 0x0D}:
            self._show_raw("\r\n")
            return self._text
        elif byte == 0x03:
            raise Cancelled
        elif byte == 0x04 and not self._text:
            raise EndOfInput
        elif byte == 0x1B:
            self._escape = b""
        elif byte in self._keys:
            self._keys[byte]()
        elif byte in PRINTABLE:
            self._insert(chr(byte))
        return None

    def _in_escape(self, byte: int) -> None:
        """Collect the sequence; its last byte is a letter or ~, and the first of most is [ or O."""
        assert self._escape is not None
        self._escape += bytes([byte])
        if self._escape in {b"[", b"O"}:
            return
        if chr(byte).isalpha() or byte == 0x7E or len(self._escape) > ESCAPE_MAX:
            action = self._sequences.get(self._escape.replace(b"O", b"["))
            self._escape = None
            if action is not None:
                action()

    def _show(self, text: str) -> None:
        if not self._secret:
            self._show_raw(text)

    def _insert(self, text: str) -> None:
        if len(self._text) + len(text) > LINE_MAX:
            if not self._full:  # once: a megabyte without a line end must not ring a megabyte of bells
                self._show_raw(BELL)
            self._full = True
            return
        rest = self._text[self._at :]
        self._text = self._text[: self._at] + text + rest
        self._at += len(text)
        self._show(text + rest + "\b" * len(rest))

    def _backspace(self) -> None:
        if self._at:
            self._replace(self._text[: self._at - 1] + self._text[self._at :], self._at - 1)

    def _word_back(self) -> None:
        head = self._text[: self._at].rstrip()
        head = head[: head.rfind(" ") + 1]
        self._replace(head + self._text[self._at :], len(head))

    def _go(self, at: int) -> None:
        at = min(max(at, 0), len(self._text))
        self._show("\b" * (self._at - at) if at < self._at else self._text[self._at : at])
        self._at = at

    def _replace(self, text: str, at: int) -> None:
        """Another text in the line, written over the old one."""
        surplus = max(0, len(self._text) - len(text))
        self._show("\b" * self._at + text + " " * surplus + "\b" * (surplus + len(text) - at))
        self._text, self._at = text, at

    def _again(self) -> None:
        self._show_raw("\r\n" + self._prompt)
        self._show(self._text + "\b" * (len(self._text) - self._at))

    def _recall(self, step: int) -> None:
        wanted = self._at_line + step
        if self._secret or not 0 <= wanted < len(self._history):
            self._show_raw(BELL)
            return
        self._history[self._at_line] = self._text
        self._at_line = wanted
        self._replace(self._history[wanted], len(self._history[wanted]))

    def _tab(self) -> None:
        """Add what all possible words have in common; list them where that is nothing."""
        if self._secret or self._complete is None:
            return
        head = self._text[: self._at]
        word = head[head.rfind(" ") + 1 :]
        words = sorted({w for w in self._complete(head) if w.startswith(word)})
        common = _common(words)[len(word) :]
        if common:
            self._insert(common)
        if len(words) == 1:
            self._insert(" ")
        elif not common:
            self._list(words)

    def _list(self, words: Sequence[str]) -> None:
        if not words:
            self._show_raw(BELL)
            return
        lines, line = [], ""
        for word in words:
            if len(line) + len(word) > 76:
                lines.append(line)
                line = ""
            line += word + "  "
        self._show_raw("\r\n" + "\r\n".join([*lines, line]))
        self._again()


def _common(words: Sequence[str]) -> str:
    """What all of the sorted words begin with."""
    if not words:
        return ""
    first, last = words[0], words[-1]
    same = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:same]
