"""The service manager seam: tells systemd that the node is ready, alive or stopping, over its datagram socket.

Without a manager every message goes nowhere. It decides nothing about being alive.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

from anpr_node.units import US_PER_S

log = logging.getLogger(__name__)


class Manager:
    """The one that started this process."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """The address is in NOTIFY_SOCKET; a leading @ names an abstract socket."""
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def ready(self) -> None:
        """The node is up; from now on the watchdog counts."""
        self._send("READY=1")

    def alive(self, status: str) -> None:
        """Feed the watchdog, and say how it goes in one line."""
        self._send(f"WATCHDOG=1\nSTATUS={status}")

    def status(self, status: str) -> None:
        """Say how it goes; feeds nothing."""
        self._send(f"STATUS={status}")

    def set_watchdog(self, seconds: float) -> None:
        """Another patience from now on."""
        self._send(f"WATCHDOG_USEC={int(seconds * US_PER_S)}")

    def stopping(self) -> None:
        """The node ends on purpose."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.settimeout(1.0)
                out.sendto(message.encode(), self._address)
        except OSError as error:
            log.warning("systemd does not hear: %s", error)
