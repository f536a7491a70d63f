"""The node's local socket: who may come in, lines that arrive, answers that go out. What they mean is not known here.

Only processes of the node's own account and root are answered. Nobody holds the others up for longer than SEND_S.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from anpr_node.config import RUN_FOLDER, Settings

SOCKET_NAME = "console.sock"
REQUEST_BYTES_MAX = 65_536
CLIENTS_MAX = 4
POLL_S = 0.1
SEND_S = 5.0

Answer = tuple[dict[str, Any], bytes]


def socket_path(settings: Settings) -> Path:
    """In RAM where the system has made our folder there, else in the state folder."""
    return (RUN_FOLDER if os.access(RUN_FOLDER, os.W_OK) else settings.state_folder) / SOCKET_NAME


class Door:
    """Use it from one thread, once it is made; `close` removes the socket."""

    def __init__(self, path: Path, answer: Callable[[bytes], Answer]) -> None:
        """Bind the socket. `answer` gets a line, without its end. Raises OSError when it cannot be made."""
        self._path, self._answer = path, answer
        self._buffers: dict[socket.socket, bytearray] = {}
        self._selector = selectors.DefaultSelector()
        self._listening = _listen(path)
        self._selector.register(self._listening, selectors.EVENT_READ)

    def serve(self) -> None:
        """Answer whoever asks within POLL_S."""
        for key, _ in self._selector.select(POLL_S):
            if key.fileobj is self._listening:
                self._accept()
            else:
                assert isinstance(key.fileobj, socket.socket)
                self._hear(key.fileobj)

    def close(self) -> None:
        """No more answers; the socket is gone afterwards."""
        for client in list(self._buffers):
            self._drop(client)
        self._selector.close()
        self._listening.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        client, _ = self._listening.accept()
        if not _is_ours(client) or len(self._buffers) >= CLIENTS_MAX:
            client.close()
            return
        client.settimeout(SEND_S)
        self._buffers[client] = bytearray()
        self._selector.register(client, selectors.EVENT_READ)

    def _drop(self, client: socket.socket) -> None:
        self._selector.unregister(client)
        del self._buffers[client]
        client.close()

    def _hear(self, client: socket.socket) -> None:
        try:
            data = client.recv(REQUEST_BYTES_MAX)
        except OSError:
            data = b""
        buffer = self._buffers[client]
        buffer += data
        if not data or len(buffer) > REQUEST_BYTES_MAX:
            self._drop(client)
            return
        while b"\n" in buffer:
            line, _, rest = bytes(buffer).partition(b"\n")
            buffer[:] = rest
            header, payload = self._answer(line)
            try:
                client.sendall(json.dumps({**header, "bytes": len(payload)}).encode() + b"\n" + payload)
            except OSError:
                self._drop(client)
                return


def _listen(path: Path) -> socket.socket:
    """A socket that this account and root alone can open; one left by a node that was killed is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with short_path(path) as short:
        listening.bind(short)
    path.chmod(0o600)
    listening.listen(CLIENTS_MAX)
    return listening


class short_path:  # noqa: N801
    """The path through a descriptor of its folder: an address of a socket has room for 107 bytes only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> str:
        self._folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._folder}/{self._path.name}"

    def __exit__(self, *_: object) -> None:
        os.close(self._folder)


def _is_ours(client: socket.socket) -> bool:
    """Whether the process at the other end runs as root or as this account: the kernel says so."""
    _, uid, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return uid in {0, os.geteuid()}
