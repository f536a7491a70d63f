"""Opens the folder, binds the port, says where, and serves until it is told to stop."""

from __future__ import annotations

import logging
import signal
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from anpr_node.errors import AnprError
from anpr_node.sink.server import Server, Tls
from anpr_node.sink.shelf import Shelf

log = logging.getLogger(__name__)


def run(address: tuple[str, int], folder: Path, token: str | None, tls: Tls | None) -> None:
    """Until SIGTERM or SIGINT. Raises AnprError when it cannot listen or keep anything."""
    try:
        with closing(Shelf(folder)) as shelf, Server(address, shelf, token, tls) as server:
            signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
            host, port = server.server_address[:2]
            log.info("listening on http%s://%s:%d/, keeping in %s", "s" if tls else "", host, port, folder)
            server.serve_forever()
    except (OSError, sqlite3.Error) as error:
        raise AnprError(f"the sink cannot run: {error}") from error
