"""A network of two: this machine at 192.0.2.2, and a board on its tap. Needs root and /dev/net/tun. No test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE, BOARD, TAP = "192.0.2.2", "192.0.2.7", "tap0"
CLAIMED = f'[network]\naddress = "{BOARD}/24"\n'
"""For a claim: the board's side."""
needs_network = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/dev/net/tun").exists(),
    reason="a network of its own needs root and /dev/net/tun",
)


@contextmanager
def network() -> Iterator[str]:
    """Its name, which `ip netns exec` takes."""
    name = f"anpr-{os.getpid()}"
    enter = ["ip", "netns", "exec", name]
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for command in (
            ["ip", "link", "set", "lo", "up"],
            ["ip", "tuntap", "add", TAP, "mode", "tap"],
            ["ip", "addr", "add", f"{HERE}/24", "dev", TAP],
            # User-Mode Linux drops what was not cut into single packets
            ["ip", "link", "set", TAP, "gso_max_segs", "1", "gso_max_size", "1500", "up"],
        ):
            subprocess.run([*enter, *command], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def scan(name: str, address: str, patience_s: float = 5.0) -> dict[str, list[int]]:
    """Every TCP port from this machine's side: which are `open`, and which say that they are `closed`.

    The patience is for a board that is slow to say either; where a firewall says neither, it is how long a port takes.
    """
    found: dict[str, list[int]] = json.loads(_from(name, "port_scan.py", address, str(patience_s)))
    return found


def neighbour(name: str, timeout_s: float = 60) -> str:
    """The link-local address of a board that has been given none."""
    address = _from(name, "neighbour.py", TAP, str(timeout_s))
    return address if "%" in address else f"{address}%{TAP}"


def _from(name: str, script: str, *arguments: str) -> str:
    """What a script of this folder says in the network."""
    command = ["ip", "netns", "exec", name, sys.executable, str(Path(__file__).with_name(script)), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
