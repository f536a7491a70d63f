"""Inside User-Mode Linux, beside a running anpr-node.service: kills the node and watches its pulses; no test.

They are files in place of a PWM's. Prints one JSON object of what was seen.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

STARTED = Path("/opt/started")
PULSES = Path("/sys/class/pwm/pwmchip0/pwm0/enable")
ROUNDS, START_S, PATIENCE_S = int(sys.argv[1]), 8.0, 60.0
random.seed(int(sys.argv[2]))


def pulsing() -> bool:
    return PULSES.read_text().strip() == "1"


def property_of(name: str) -> str:
    command = ["systemctl", "show", "--property", name, "--value", "anpr-node"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def wait(until: Callable[[], bool]) -> float:
    """Seconds until it is so."""
    began_s = time.monotonic()
    while not until():
        if time.monotonic() - began_s > PATIENCE_S:
            said = Path("/var/lib/anpr-node/said").read_text()[-1000:]
            raise TimeoutError(f"{until.__name__} never; the node said: {said}")
        time.sleep(0.002)
    return time.monotonic() - began_s


def safe() -> bool:
    return not pulsing()


def ready() -> bool:
    """The watchdog counts from here on; before it, the limit of a start does."""
    return property_of("ActiveState") == "active"


def stopped() -> bool:
    """The last of the unit's commands is through."""
    return property_of("ActiveState") not in {"active", "deactivating"} and property_of("MainPID") == "0"


def started() -> bool:
    return int(property_of("MainPID") or 0) > 0


def rebooted() -> bool:
    """The target does nothing here."""
    return subprocess.run(["systemctl", "is-active", "--quiet", "reboot.target"], check=False).returncode == 0


def main() -> None:
    rounds = []
    for number in range(ROUNDS):
        wait(started)
        if number % 2 == 0:
            wait(pulsing)
            time.sleep(random.uniform(0, 1))
        else:  # at any moment of the start
            time.sleep(random.uniform(0, START_S))
        before = pulsing()
        os.kill(int(property_of("MainPID")), signal.SIGKILL)
        rounds.append({"pulsing": before, "safe_s": round(wait(safe), 3)})
        rounds[-1]["commands_s"] = round(rounds[-1]["safe_s"] + wait(stopped), 3)
        rounds[-1]["stayed"] = safe()
    seen: dict[str, object] = {"manager": manager(), "rounds": rounds}
    wait(pulsing)
    wait(ready)
    os.kill(int(property_of("MainPID")), signal.SIGSTOP)
    seen["hung_s"] = wait(safe)
    wait(pulsing)
    seen["restarts"], seen["rebooted"] = int(property_of("NRestarts")) - 1, rebooted()
    STARTED.write_text('#!/bin/sh\n[ "$1" = safe ] || exit 4\n')
    os.kill(int(property_of("MainPID")), signal.SIGKILL)
    wait(rebooted)
    seen["rebooted by 4"] = rebooted()
    sys.stdout.write(f"\nSEEN {json.dumps(seen)}\n")
    sys.stdout.flush()


def manager() -> str:
    return subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]


try:
    main()
except Exception:
    traceback.print_exc()
finally:
    Path("/proc/sysrq-trigger").write_text("o")
