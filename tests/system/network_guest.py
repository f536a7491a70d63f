"""Runs in a network of its own: makes a point-to-point interface as modems have, and says what the link looks like.

Printed: without the interface, made, with an address, up, one side gone down, its carrier gone.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys

from anpr_node.drivers.modem.link import InterfaceLink

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
NAME = "wwan0"


def show() -> None:
    """One line a look."""
    link = InterfaceLink(NAME).look()
    sys.stdout.write(f"{link.up} {link.address or '-'}\n")


def run(*words: str) -> None:
    """One command of iproute2."""
    subprocess.run(["ip", *words], check=True)


show()
tunnel = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tunnel, TUNSETIFF, struct.pack("16sH14x", NAME.encode(), IFF_TUN | IFF_NO_PI))
show()
run("address", "add", "10.64.0.2/32", "dev", NAME)
show()
run("link", "set", NAME, "up")
show()
run("link", "set", NAME, "down")
show()
run("link", "set", NAME, "up")
os.close(tunnel)
show()
