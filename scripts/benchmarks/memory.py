"""Peak memory of a whole `anpr-node replay` process."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.pictures import OWN_PICTURES


def bench() -> None:
    command = [sys.executable, "-m", "anpr_node", "replay", str(OWN_PICTURES)]
    last = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    print(f"replay: {last}")
