"""Opens the folder, binds the port, says where, and serves until it is told to stop."""

from __future__ import annotations

import ipaddress
import logging
import signal
import sqlite3
import ssl
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
            for warning in _openings(str(host), token, tls):
                log.warning(warning)
            server.serve_forever()
    except ssl.SSLError as error:
        problem = f"{error.reason or 'none in it'}: each is a PEM file, and the key is that of the certificate"
        raise AnprError(f"the sink cannot run: --cert, --key or --client-ca: {problem}") from error
    except OSError as error:
        where = error.filename or "{}:{}".format(*address)
        raise AnprError(f"the sink cannot run: {where}: {error.strerror or error}") from error
    except sqlite3.Error as error:
        raise AnprError(f"the sink cannot run: {folder}: {error}") from error


def _openings(host: str, token: str | None, tls: Tls | None) -> list[str]:
    """What stands open to others where it listens to more than this machine."""
    if ipaddress.ip_address(host).is_loopback:
        return []
    openings = []
    if tls is None:
        openings.append("plates and pictures come unencrypted over the network: --cert and --key")
    if token is None and (tls is None or tls.client_ca is None):
        openings.append("whoever reaches this port is believed to be a node: --token-file, or --client-ca")
    return openings
