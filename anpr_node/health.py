"""Whether a start may be kept: frames move, the store opens, the clock is sane, the back office was reached.

What confirms an update. It only looks: at the heartbeat of the running node, at its store, at the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from anpr_node.check import CLOCK_SANE_FROM, Finding
from anpr_node.config import Settings
from anpr_node.errors import AnprError
from anpr_node.status import read_heartbeat
from anpr_node.store.database import use_store

LOOK_S = 4.0
"""Frames are counted over so long: a camera that is only triggered by presence still has its slow pulses."""
TRY_EVERY_S = 2.0
GRACE_S = 600.0
"""A node that reaches no back office is kept all the same once it has run for so long."""
UPTIME = Path("/proc/uptime")
PROGRAM = Path(__file__)
"""As old as the image that it is part of, so that no clock can truly be behind it."""


def wait(settings: Settings, wait_s: float, sleep: Callable[[float], None] = time.sleep) -> list[Finding]:
    """The findings, as soon as none is FAIL, or after `wait_s`."""
    until_s = time.monotonic() + wait_s
    while True:
        findings = look(settings, sleep)
        if all(finding.verdict != "FAIL" for finding in findings) or time.monotonic() >= until_s:
            return findings
        sleep(TRY_EVERY_S)


def look(settings: Settings, sleep: Callable[[float], None] = time.sleep) -> list[Finding]:
    """All four, once."""
    before = read_heartbeat(settings)
    sleep(LOOK_S)
    after = read_heartbeat(settings)
    return [_frames(before, after), _store(settings, after), _clock(), _office(settings)]


def _frames(before: dict[str, Any] | None, after: dict[str, Any] | None) -> Finding:
    if after is None:
        return Finding("FAIL", "frames", "no node runs; see: journalctl -u anpr-node")
    if before is None or before["pid"] != after["pid"] or after["frames"] <= before["frames"]:
        return Finding("FAIL", "frames", f"{after['frames']} frames, and they do not move")
    return Finding("OK", "frames", f"{after['frames'] - before['frames']} in {LOOK_S:g} s")


def _store(settings: Settings, beat: dict[str, Any] | None) -> Finding:
    try:
        with use_store(settings.state_folder) as database:
            reads = database.execute("SELECT count(*) FROM read").fetchone()[0]
    except (AnprError, OSError) as error:
        return Finding("FAIL", "store", str(error))
    failures = (beat or {}).get("store_failures", 0)
    if failures:
        return Finding("FAIL", "store", f"{failures} writes failed since the node started")
    return Finding("OK", "store", f"{reads} reads")


def _clock() -> Finding:
    now = datetime.now(UTC)
    least = max(CLOCK_SANE_FROM, datetime.fromtimestamp(PROGRAM.stat().st_mtime, UTC))
    if now < least:
        return Finding("FAIL", "clock", f"{now:%Y-%m-%d %H:%M} UTC, and this version is of {least:%Y-%m-%d %H:%M}")
    return Finding("OK", "clock", f"{now:%Y-%m-%d %H:%M} UTC")


def _office(settings: Settings) -> Finding:
    """A node without a back office has nothing to reach."""
    if not settings.sinks:
        return Finding("OK", "office", "none named")
    up_s = float(UPTIME.read_text("ascii").split()[0])
    since_ns = time.time_ns() - round(up_s * 1e9)
    try:
        with use_store(settings.state_folder) as database:
            row = database.execute("SELECT max(answered_ns) FROM sink_state").fetchone()
    except (AnprError, OSError) as error:
        return Finding("FAIL", "office", str(error))
    if row[0] is not None and row[0] >= since_ns:
        return Finding("OK", "office", "reached since the start")
    if up_s < GRACE_S:
        return Finding("FAIL", "office", f"not reached yet; kept all the same after {GRACE_S:g} s")
    return Finding("WARN", "office", f"not reached in {up_s:.0f} s; kept, the link may be down")
