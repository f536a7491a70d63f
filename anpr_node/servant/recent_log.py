"""The last lines of the node's log, for the console. Below INFO, where plates may stand, nothing is kept."""

from __future__ import annotations

import logging
from collections import deque

LOG_KEPT = 500


class RecentLog(logging.Handler):
    """A handler that keeps the last LOG_KEPT lines."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        self.lines: deque[str] = deque(maxlen=LOG_KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        if record.levelno >= logging.INFO:
            self.lines.append(self.format(record))
