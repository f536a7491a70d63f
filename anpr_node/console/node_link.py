"""The console's line to the running node: one question, one answer, over the node's local socket.

It reconnects by itself: a node that starts anew is answered for as soon as it is there. It decides nothing.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anpr_node.config import Settings
from anpr_node.errors import AnprError
from anpr_node.records import PlateBox
from anpr_node.servant import short_path, socket_path
from anpr_node.tap import Taken

ANSWER_S = 15.0
HEADER_BYTES_MAX = 1_000_000
FRAME_BYTES_MAX = 200_000_000
RETRY_S = 0.1


class NodeAbsent(AnprError, OSError):
    """No node answers: it is stopped, starting, or another account's."""


@dataclass(frozen=True, slots=True)
class NodeLink:
    """Where the node's socket is. Each call opens it anew: nothing to lose when the node restarts."""

    path: Path

    @staticmethod
    def of(settings: Settings) -> NodeLink:
        """The link to the node of these settings."""
        return NodeLink(socket_path(settings))

    def call(self, what: str, **details: Any) -> dict[str, Any]:
        """Ask. Raises NodeAbsent, and AnprError with the node's own words."""
        return self._exchange({"do": what, **details})[0]

    def frames(self, count: int, plates: bool, wait_s: float, dark: bool = False, every: int = 1) -> list[Taken]:
        """Copies of the next frames; see `Tap.take`. Raises as `call`."""
        request = {"do": "frames", "count": count, "plates": plates, "wait_s": wait_s, "dark": dark, "every": every}
        header, payload = self._exchange(request)
        taken, at = [], 0
        for row in header["frames"]:
            rows, columns = row["shape"]
            pixels = np.frombuffer(payload, np.uint8, rows * columns, at).reshape(rows, columns)
            at += rows * columns
            boxes = tuple(PlateBox(tuple((x, y) for x, y in b["corners"]), b["score"]) for b in row["boxes"])
            taken.append(
                Taken(
                    row["sequence"],
                    row["captured_ns"],
                    row["exposure_us"],
                    row["gain"],
                    row["illuminated"],
                    pixels,
                    boxes,
                )
            )
        return taken

    def is_there(self) -> bool:
        """Whether a node answers."""
        try:
            self.call("hello")
        except AnprError:
            return False
        return True

    def wait(self, seconds: float) -> bool:
        """Whether a node answers within so long."""
        ends_s = time.monotonic() + seconds
        while time.monotonic() < ends_s:
            if self.is_there():
                return True
            time.sleep(RETRY_S)
        return False

    def _exchange(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        try:
            with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as line:
                line.settimeout(ANSWER_S)
                with short_path(self.path) as short:
                    line.connect(short)
                line.sendall(json.dumps(request).encode() + b"\n")
                with line.makefile("rb") as answer:
                    header = json.loads(answer.readline(HEADER_BYTES_MAX) or b"{}")
                    size = int(header.get("bytes", -1))
                    payload = answer.read(size) if 0 <= size <= FRAME_BYTES_MAX else b""
        except (OSError, ValueError) as error:
            raise NodeAbsent(f"the node does not answer ({error}); is it running? see: status") from error
        if size < 0 or len(payload) != size:
            raise NodeAbsent("the node stopped in the middle of its answer; try again")
        if "error" in header:
            raise AnprError(str(header["error"]))
        return header, payload
