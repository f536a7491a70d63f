"""One HTTPS line to one sink: certificates, a time limit for the whole of a request, and a count of the bytes.

It says what the sink answered, or why there is no answer; what that means is decided elsewhere. The environment is not
looked at: proxies and certificates are those of node.toml.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import termios
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from anpr_node import __version__
from anpr_node.config import SinkSection
from anpr_node.errors import ConfigError
from anpr_node.uplink.answer import Answer
from anpr_node.uplink.token import read_token

CONNECT_S = 15.0
BLOCK_BYTES = 1 << 14
SEND_BUFFER_BYTES = 1 << 16
"""Small, so that what a broken link has not taken is known, and a batch does not fill the modem's queue."""
ANSWER_BYTES_MAX = 1 << 20
TLS_HANDSHAKE_BYTES = 5_000
"""Reckoned for each new connection; with a certificate of our own about so many go both ways."""
ANSWER_HEAD_BYTES = 40


class Unreachable(Exception):
    """There is no answer: no connection, broken off, too slow, or not the right certificate."""


@dataclass
class Meter:
    """The bytes of a line, both ways, without the headers of TCP and IP."""

    sent: int = 0
    received: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> int:
        """The bytes since the last call."""
        with self.lock:
            n, self.sent, self.received = self.sent + self.received, 0, 0
        return n


class _Counted:
    """What both kinds of connections do besides: count, and lay a second hand on the socket to cut it off by."""

    meter: Meter
    handle: socket.socket | None = None
    sock: Any

    def send(self, data: Any) -> None:
        """Count block by block, so that half a body is half the bytes."""
        view = memoryview(data)
        for at in range(0, len(view), BLOCK_BYTES):
            block = view[at : at + BLOCK_BYTES]
            self.meter.sent += len(block)
            super().send(block)  # type: ignore[misc]

    def _new_conn(self) -> socket.socket:
        made: socket.socket = super()._new_conn()  # type: ignore[misc]
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.handle = socket.socket(fileno=os.dup(made.fileno()))
        self.meter.sent += TLS_HANDSHAKE_BYTES if isinstance(self, HTTPSConnection) else 0
        return made

    def close(self) -> None:
        """Take back what was never taken by the link."""
        if self.handle is not None:
            self.meter.sent -= _unsent(self.handle)
            self.handle.close()
            self.handle = None
        super().close()  # type: ignore[misc]

    def cut(self) -> None:
        """Break the connection off, from any thread."""
        handle = self.handle
        if handle is not None:
            with contextlib.suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)


def _unsent(handle: socket.socket) -> int:
    with contextlib.suppress(OSError):
        return int(struct.unpack("i", fcntl.ioctl(handle.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0])
    return 0


class _Adapter(HTTPAdapter):
    """Connections that are counted; one at a time."""

    def __init__(self, meter: Meter) -> None:
        self.made: list[_Counted] = []
        made = self.made

        class Plain(_Counted, HTTPConnection):
            def __init__(self, *args: Any, **options: Any) -> None:
                super().__init__(*args, **options)
                self.meter = meter
                made[:] = [self]

        class Secure(_Counted, HTTPSConnection):
            def __init__(self, *args: Any, **options: Any) -> None:
                super().__init__(*args, **options)
                self.meter = meter
                made[:] = [self]

        self._classes = {
            "http": type("Pool", (HTTPConnectionPool,), {"ConnectionCls": Plain}),
            "https": type("Pool", (HTTPSConnectionPool,), {"ConnectionCls": Secure}),
        }
        super().__init__(pool_connections=1, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Use our connections, also through a proxy."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._classes

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        """The same for the way through a proxy."""
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = self._classes
        return manager


class _Session(requests.Session):
    """Looks at no place that it is sent to, nor reads the whole page that comes with it."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: redirections are not followed."""


class Transport:
    """Use it from one thread; `abort` may be called from any."""

    def __init__(self, sink: SinkSection) -> None:
        self._sink = sink
        self.meter = Meter()
        self._session: requests.Session | None = None
        self._adapter: _Adapter | None = None
        self._files: tuple[tuple[str, int, int], ...] = ()
        self._aborted = False

    def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            self._session.close()
        self._session = self._adapter = None

    def abort(self) -> None:
        """Break off what is under way, and let nothing more begin."""
        self._aborted = True
        self._cut()

    def post(self, url: str, body: bytes, headers: Mapping[str, str], limit_s: float) -> Answer:
        """Send one request; the whole of it, from name to answer, may take so long.

        Raises:
            Unreachable: there is no answer.

        """
        if self._aborted:
            raise Unreachable("the node stops")
        started_s = time.monotonic()
        timer = threading.Timer(limit_s, self._cut)
        timer.daemon = True
        timer.start()
        try:
            session = self._open()
            with session.post(url, data=body, headers={**self._secrets(), **headers}, stream=True,
                              allow_redirects=False, timeout=(min(CONNECT_S, limit_s), limit_s),
                              verify=self._sink.ca_file or True) as response:  # fmt: skip
                content = response.raw.read(ANSWER_BYTES_MAX, decode_content=True)
                self._count(response, len(content))
                return Answer(response.status_code, response.headers, content, time.monotonic() - started_s)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            self.close()
            slow = time.monotonic() - started_s >= limit_s
            raise Unreachable(f"no answer within {limit_s:.0f} s" if slow else _in_words(error)) from error
        finally:
            timer.cancel()

    def _count(self, response: requests.Response, content: int) -> None:
        head = sum(len(name) + len(value) + 4 for name, value in response.headers.items())
        self.meter.received += content + head + ANSWER_HEAD_BYTES

    def _cut(self) -> None:
        adapter = self._adapter
        for connection in list(adapter.made) if adapter is not None else []:
            connection.cut()

    def _open(self) -> requests.Session:
        """The session, begun anew when one of the certificates was renewed."""
        files = self._stamp()
        if self._session is None or files != self._files:
            self.close()
            session, self._files = _Session(), files
            session.trust_env = False
            if self._sink.cert_file is not None and self._sink.key_file is not None:
                session.cert = (self._sink.cert_file, self._sink.key_file)
            if self._sink.proxy is not None:
                session.proxies = {"http": self._sink.proxy, "https": self._sink.proxy}
            self._adapter = _Adapter(self.meter)
            for scheme in ("http://", "https://"):
                session.mount(scheme, self._adapter)
            session.headers["User-Agent"] = f"anpr-node/{__version__}"
            self._session = session
        return self._session

    def _stamp(self) -> tuple[tuple[str, int, int], ...]:
        """Which files the certificates are; renewal puts others in their place."""
        named = [name for name in (self._sink.ca_file, self._sink.cert_file, self._sink.key_file) if name]
        stats = [(name, Path(name).stat()) for name in named]
        return tuple((name, stat.st_mtime_ns, stat.st_ino) for name, stat in stats)

    def _secrets(self) -> dict[str, str]:
        sink = self._sink
        token = read_token(Path(sink.token_file)) if sink.token_file else ""
        if sink.format == "clickhouse":
            return {"X-ClickHouse-User": sink.user or "default", **({"X-ClickHouse-Key": token} if token else {})}
        return {"Authorization": f"Bearer {token}"} if token else {}


def _in_words(error: Exception) -> str:
    """The innermost reason, in one line, without the address that is in the settings anyway."""
    if isinstance(error, ConfigError):
        return str(error)
    if isinstance(error, requests.exceptions.SSLError):
        return f"no secure connection: {_innermost(error)}"
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error)
    return f"no connection: {_innermost(error)}"


def _innermost(error: BaseException) -> str:
    while True:
        inner = error.__cause__ or error.__context__ or getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            break
        error = inner
    return f"{type(error).__name__} {error}"[:200]
