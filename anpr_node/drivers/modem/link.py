"""The data link as the operating system shows it: the network interface, its addresses, and whether anything answers.

The link is made and repaired by the operating system (QMI or ECM); nothing here configures it.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

SYS = Path("/sys")
PROC = Path("/proc")
SIOCGIFADDR = 0x8915
UP = frozenset({"up", "unknown"})
"""A modem's interface often says `unknown` while it is up."""
REACH_S = 3.0
LINK_LOCAL_SCOPE = "20"


@dataclass(frozen=True, slots=True)
class LinkState:
    """One look at the link."""

    up: bool = False
    interface: str = ""
    address: str = ""


class Link(Protocol):
    """Where the data link is looked at."""

    def look(self) -> LinkState:
        """As it is now; never raises."""
        ...

    def reach(self) -> float | None:
        """Milliseconds until the far end answered; None: it did not, or none is named."""
        ...


class InterfaceLink:
    """A network interface of Linux."""

    def __init__(self, interface: str, probe: str = "", sys: Path = SYS, proc: Path = PROC) -> None:
        """`probe` is the address and port of something that answers, as 192.0.2.1:443; no name server is asked."""
        self._interface, self._probe, self._sys, self._proc = interface, probe, sys, proc

    def look(self) -> LinkState:
        """Up, and with an address that reaches further than the next machine."""
        folder = self._sys / "class" / "net" / self._interface
        address = _ipv4(self._interface) or self._ipv6()
        try:
            running = (folder / "operstate").read_text("ascii").strip() in UP
        except OSError:
            return LinkState(False, self._interface)
        return LinkState(running and bool(address), self._interface, address)

    def reach(self) -> float | None:
        """Open a TCP connection and close it."""
        host, _, port = self._probe.rpartition(":")
        if not host:
            return None
        started_s = time.perf_counter()
        try:
            socket.create_connection((host.strip("[]"), int(port)), REACH_S).close()
        except OSError:
            return None
        return (time.perf_counter() - started_s) * 1e3

    def _ipv6(self) -> str:
        with contextlib.suppress(OSError):
            for line in (self._proc / "net" / "if_inet6").read_text("ascii").splitlines():
                address, _, _, scope, _, name = line.split()
                if name == self._interface and scope != LINK_LOCAL_SCOPE:
                    return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(address))
        return ""


def _ipv4(interface: str) -> str:
    request = struct.pack("16s24x", interface.encode()[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            answer = fcntl.ioctl(asking, SIOCGIFADDR, request)
        except OSError:
            return ""
    return socket.inet_ntoa(answer[20:24])
