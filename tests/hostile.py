"""A sink behind a bad link: a server that takes our batches and fails in every way a link can; no test of its own."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import ssl
import struct
import threading
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from anpr_node.sink.shelf import Shelf

FAULTS = ("reset before", "reset during", "reset after", "lost answer", "500", "502", "429", "slow", "garbled", "page")


@dataclass
class Plan:
    """What goes wrong: of each request with the chance `share`, one of `faults`; or the next ones, in order."""

    share: float = 0.0
    faults: tuple[str, ...] = FAULTS
    seed: int = 1
    script: list[str] = field(default_factory=list)
    """Faults of the next requests, in order; empty strings for good ones. It goes first."""
    refuse: dict[str, str] = field(default_factory=dict)
    """Ids that are refused within the receipt, with the reason."""
    status_for: dict[str, int] = field(default_factory=dict)
    """Ids that spoil a whole batch: it gets this status."""
    always: int | None = None
    """Every request gets this status."""
    retry_after_s: int = 1
    shelf: Shelf | None = None
    """Where a real sink keeps what it takes."""
    certificates: tuple[tuple[Path, Path], tuple[Path, Path]] | None = None
    """Speak TLS, with the first one; as a fault, with the second one, or break off the handshake."""
    useful_bytes: int = 0
    """Of bodies that brought something new."""
    slow_s: float = 30.0
    taken: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each kind and id was acknowledged or at least kept."""
    batches: list[list[tuple[str, str]]] = field(default_factory=list)
    arrived: list[tuple[float, list[tuple[str, str]]]] = field(default_factory=list)
    old: Counter[str] = field(default_factory=Counter)
    """Of each kind, how many that were there before the test went on."""
    met: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def next_fault(self, faults: tuple[str, ...] = ()) -> str:
        with self.lock:
            if self.script:
                fault = self.script.pop(0)
            else:
                fault = self._random.choice(faults or self.faults) if self._random.random() < self.share else ""
            self.met[fault or "good"] += 1
        return fault


class Hostile(BaseHTTPRequestHandler):
    """One connection."""

    plan: Plan
    size = 0
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_POST(self) -> None:
        plan, fault = self.plan, self.plan.next_fault()
        length = self.size = int(self.headers["Content-Length"])
        if fault == "reset before":
            return self._reset()
        if fault == "reset during":
            self.rfile.read(length // 2)
            return self._reset()
        batch = json.loads(zlib.decompress(self.rfile.read(length), 31))
        if fault == "reset after":
            return self._reset()
        if fault in {"500", "502"} or plan.always is not None:
            return self._answer(plan.always or int(fault), {"error": "no"})
        if fault == "429":
            return self._answer(429, {"error": "slowly"}, {"Retry-After": str(plan.retry_after_s)})
        return self._take(batch, fault)

    def _take(self, batch: dict[str, Any], fault: str) -> None:
        plan = self.plan
        keys = [(item["kind"], item["id"]) for item in batch["items"]]
        if plan.shelf is not None:
            plan.shelf.put(batch["node_id"], batch["items"], time.time_ns())
        for _, id_ in keys:
            if id_ in plan.status_for:
                return self._answer(plan.status_for[id_], {"error": f"{id_} is not wanted"})
        good = [key for key in keys if key[1] not in plan.refuse]
        with plan.lock:
            plan.useful_bytes += self.size * (not all(key in plan.taken for key in good))
            plan.old.update(kind for kind, id_ in good if (kind, id_) not in plan.taken and "new-" not in id_)
            plan.taken.update(good)
            plan.batches.append(good)
            plan.arrived.append((time.monotonic(), good))
        if fault == "lost answer":
            return self._reset()
        if fault == "slow":
            return self._dribble()
        if fault == "garbled":
            return self._answer(200, {"batch": "another one"})
        if fault == "page":
            return self._answer(200, "<html>please top up</html>")
        refused = [{"id": id_, "reason": plan.refuse[id_]} for _, id_ in keys if id_ in plan.refuse]
        return self._answer(200, {"batch": batch["batch"], "refused": refused})

    def _reset(self) -> None:
        """With RST, not in order."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def _dribble(self) -> None:
        """A byte of the answer now and then."""
        try:
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b" " * 1000:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                if self.plan.stop.wait(self.plan.slow_s / 40):
                    break
        except OSError:
            pass
        self.close_connection = True

    def _answer(self, status: int, content: object, headers: dict[str, str] | None = None) -> None:
        body = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *_: object) -> None:
        """Quiet."""


class HostileServer(ThreadingHTTPServer):
    """Serves by a plan."""

    daemon_threads = True

    def __init__(self, plan: Plan) -> None:
        super().__init__(("127.0.0.1", 0), type("Bound", (Hostile,), {"plan": plan}))
        self.plan = plan

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands first, where it speaks TLS."""
        if self.plan.certificates is None:
            super().finish_request(request, client_address)
            return
        fault = self.plan.next_fault(("tls reset", "wrong certificate"))
        if fault == "tls reset":
            request.recv(1)
            request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.plan.certificates[fault == "wrong certificate"])
        with context.wrap_socket(request, server_side=True) as secure:
            super().finish_request(secure, client_address)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, *_: object) -> None:
        """Resets are the point."""

    def shutdown_request(self, request: Any) -> None:
        with contextlib.suppress(OSError):
            super().shutdown_request(request)

    def server_close(self) -> None:
        self.plan.stop.set()
        super().server_close()
