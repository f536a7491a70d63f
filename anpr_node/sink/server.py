"""`anpr-node sink`: takes our JSON batches over HTTP or HTTPS and answers each with its receipt.

    200   {"batch": …, "accepted": n, "duplicates": n, "refused": [{"id": …, "reason": …}]}
    400   it is no batch: it will never be one
    401   another token     413  larger than a batch may be     503  it cannot be kept now: again later

It trusts nobody: bodies are limited before and after they are unpacked. It is a reference, made for some dozen nodes.
"""

from __future__ import annotations

import hmac
import json
import logging
import sqlite3
import ssl
import time
import zlib
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from anpr_node.sink.shelf import NAME, Shelf

log = logging.getLogger(__name__)

FORMAT = "anpr-node/1"
BODY_BYTES_MAX = 16_000_000
UNPACKED_BYTES_MAX = 64_000_000
PATIENCE_S = 60.0
GZIP = 31
RETRY_S = 10


class NoBatch(ValueError):
    """What came is no batch, and this is the status that says so."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


@dataclass(frozen=True, slots=True)
class Tls:
    """The sink's own certificate, and with `client_ca` that of the authority which must have signed a node's."""

    cert: Path
    key: Path
    client_ca: Path | None = None


class Handler(BaseHTTPRequestHandler):
    """One connection of one node."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE_S
    server_version, sys_version = "anpr-node-sink", ""

    def do_GET(self) -> None:
        """Somebody looks with a browser whether it is there."""
        self._answer(405, {"error": "a sink of anpr-node: batches come by POST, see docs/uplink.md"}, {"Allow": "POST"})

    def do_POST(self) -> None:
        """Take a batch."""
        try:
            batch = self._batch()
            receipt = self.server.shelf.put(batch["node_id"], batch["items"], time.time_ns())
        except NoBatch as error:
            self.close_connection = True  # its body may not have been read
            self._answer(error.status, {"error": str(error)})
            return
        except (sqlite3.Error, OSError) as error:
            log.error("a batch could not be kept: %s", error)
            self._answer(503, {"error": "it cannot be kept now"}, {"Retry-After": str(RETRY_S)})
            return
        log.info("node %s: %d new, %d again, %d refused", batch["node_id"], receipt.accepted, receipt.duplicates,
                 len(receipt.refused))  # fmt: skip
        self._answer(200, {"batch": batch["batch"], **asdict(receipt)})

    def _batch(self) -> dict[str, Any]:
        """The batch, unpacked and looked at. Raises NoBatch."""
        token = self.server.token
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token is not None and not hmac.compare_digest(given.encode(), token.encode()):
            raise NoBatch(401, "the token is another one")
        try:
            batch = json.loads(self._body())
        except RecursionError:
            raise NoBatch(400, "no JSON: nested too deep") from None
        except (ValueError, zlib.error) as error:
            if isinstance(error, NoBatch):
                raise
            raise NoBatch(400, f"no JSON: {error}") from error
        return _checked(batch)

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            raise NoBatch(411, "Content-Length is missing")
        if int(length) > BODY_BYTES_MAX:
            raise NoBatch(413, f"more than {BODY_BYTES_MAX} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise NoBatch(400, "it broke off")
        encoding = self.headers.get("Content-Encoding", "identity")
        if encoding == "identity":
            return body
        if encoding != "gzip":
            raise NoBatch(415, "Content-Encoding is gzip or none")
        unpacker = zlib.decompressobj(GZIP)
        unpacked = unpacker.decompress(body, UNPACKED_BYTES_MAX)
        if unpacker.unconsumed_tail:
            raise NoBatch(413, f"more than {UNPACKED_BYTES_MAX} bytes unpacked")
        if not unpacker.eof:
            raise NoBatch(400, "the gzip stream broke off")
        return unpacked

    def _answer(self, status: int, said: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        ends = {"Connection": "close"} if self.close_connection else {}
        for name, value in {"Content-Type": "application/json", **ends, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """What is worth a line is logged elsewhere."""


def _checked(batch: Any) -> dict[str, Any]:
    if not isinstance(batch, dict) or batch.get("format") != FORMAT:
        raise NoBatch(400, f"format is not {FORMAT}")
    node_id, items = batch.get("node_id"), batch.get("items")
    if not isinstance(node_id, str) or not NAME.fullmatch(node_id) or not isinstance(batch.get("batch"), str):
        raise NoBatch(400, "node_id or batch is missing")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise NoBatch(400, "items is no list of objects")
    return batch


class Server(ThreadingHTTPServer):
    """Serve with `serve_forever`; `shelf` is the caller's to close."""

    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], shelf: Shelf, token: str | None = None, tls: Tls | None = None
    ) -> None:
        """Bind. Raises OSError."""
        self.shelf, self.token = shelf, token
        self._context: ssl.SSLContext | None = None
        if tls is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(tls.cert, tls.key)
            if tls.client_ca is not None:
                self._context.load_verify_locations(tls.client_ca)
                self._context.verify_mode = ssl.CERT_REQUIRED
        super().__init__(address, Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Speak TLS in the connection's own thread, so that nobody waits for another one's handshake."""
        if self._context is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(PATIENCE_S)
        with self._context.wrap_socket(request, server_side=True) as secure:
            super().finish_request(secure, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke off is nothing to show a trace for."""
        log.info("connection from %s broke off", client_address[0])
