"""The data link as a real kernel shows it: a point-to-point interface in a network of its own goes up and down."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

GUEST = Path(__file__).with_name("network_guest.py")
ALONE = ["unshare", "--net", "--mount", "sh", "-c", 'mount -t sysfs none /sys && exec "$0" "$@"']


def possible() -> bool:
    """Whether a network of its own can be made here."""
    if os.geteuid() != 0 or not Path("/dev/net/tun").exists() or not (shutil.which("ip") and shutil.which("unshare")):
        return False
    return subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.system
@pytest.mark.skipif(not possible(), reason="a network of its own needs root, /dev/net/tun, unshare and iproute2")
def test_a_real_interface_is_up_while_it_carries_and_has_an_address() -> None:
    shown = subprocess.run([*ALONE, sys.executable, GUEST], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines() == [
        "False -", "False -", "False 10.64.0.2", "True 10.64.0.2", "False 10.64.0.2", "False -",
    ]  # fmt: skip
