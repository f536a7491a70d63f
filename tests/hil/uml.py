"""Boots User-Mode Linux on this machine's own files, with the node's GPIO chip simulated by gpio-sim; no test."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

KERNEL = os.environ.get("ANPR_UML", "")

CHIP = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t configfs configfs /sys/kernel/config
mount -t tmpfs run /run
mkdir -p /sys/kernel/config/gpio-sim/node/bank0
echo 54 > /sys/kernel/config/gpio-sim/node/bank0/num_lines
echo 1 > /sys/kernel/config/gpio-sim/node/live
"""

NEEDED = [
    pytest.mark.uml,
    pytest.mark.skipif(not Path(KERNEL).is_file(), reason="no User-Mode Linux in ANPR_UML; see scripts/uml-kernel"),
    pytest.mark.skipif(importlib.util.find_spec("lgpio") is None, reason="lgpio is not installed: pip install lgpio"),
]


def boot(folder: Path, script: str, timeout_s: float, *, writable: bool = True) -> dict[str, object]:
    """Run a script as the first process after the chip is there; what the guest reports in a line `SEEN {…}`."""
    init = folder / "init.sh"
    init.write_text(CHIP + script)
    init.chmod(0o755)
    command = [KERNEL, "mem=512M", "root=/dev/root", "rootfstype=hostfs", "rw" if writable else "ro", f"init={init}"]
    command += ["con0=fd:0,fd:1", "con=null", "quiet"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, cwd=folder, start_new_session=True
    ) as guest:
        try:
            output = guest.communicate(timeout=timeout_s)[0]
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(guest.pid, signal.SIGKILL)  # its processes are processes here
    lines = [line for line in output.splitlines() if line.startswith("SEEN ")]
    assert lines, output[-4000:]
    return json.loads(lines[0].removeprefix("SEEN "))  # type: ignore[no-any-return]
