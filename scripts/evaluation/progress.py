"""Tells on stderr what is being done and how far it is: a line that is rewritten on a terminal, one a stage else."""

from __future__ import annotations

import sys
import time

REDRAW_S = 0.2


class Progress:
    """The stage that is under way."""

    def __init__(self) -> None:
        self._title, self._total, self._done = "", 0, 0
        self._started_s = self._drawn_s = time.monotonic()

    def begin(self, title: str, total: int) -> Progress:
        """Start a stage of so many steps, 0 where nobody knows."""
        self._title, self._total, self._done = title, total, 0
        self._started_s = time.monotonic()
        return self

    def step(self) -> None:
        """One step is about to be done."""
        self._done += 1
        now_s = time.monotonic()
        if sys.stderr.isatty() and now_s - self._drawn_s > REDRAW_S:
            self._drawn_s = now_s
            of = f"/{self._total}" if self._total else ""
            print(f"\r\033[K{self._title}  {self._done}{of}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """The stage is over."""
        clear = "\r\033[K" if sys.stderr.isatty() else ""
        took_s = time.monotonic() - self._started_s
        print(f"{clear}{self._title}  {self._done} in {took_s:.1f} s", file=sys.stderr)
