"""What systemd hears, on a real datagram socket."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from anpr_node.drivers.notify import Manager


def test_every_message_arrives(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        manager = Manager({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        manager.ready()
        manager.alive("all well")
        manager.status("not alive: camera_stalled")
        manager.set_watchdog(900)
        manager.stopping()
        heard = [listener.recv(200).decode() for _ in range(5)]
    assert heard == [
        "READY=1",
        "WATCHDOG=1\nSTATUS=all well",
        "STATUS=not alive: camera_stalled",
        "WATCHDOG_USEC=900000000",
        "STOPPING=1",
    ]


def test_an_abstract_socket_is_found() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        name = f"anpr-node-test-{os.getpid()}"
        listener.bind(f"\0{name}")
        Manager({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert listener.recv(100) == b"READY=1"


def test_without_a_manager_nothing_happens(tmp_path: Path) -> None:
    Manager({}).ready()
    Manager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).alive("all well")
