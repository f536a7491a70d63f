"""How the node stands, read from its store and from the heartbeat file that a running node writes.

It works on a stopped node too, and never shows a plate.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from anpr_node import __version__, audit
from anpr_node.config import RUN_FOLDER, PolicySection, Settings
from anpr_node.hotlist import lists
from anpr_node.snapshot import BOOT_ID, Snapshot
from anpr_node.store.database import figures, use_store
from anpr_node.store.events import last_events
from anpr_node.store.silence import count_shown
from anpr_node.supervision.alarms import Alarm
from anpr_node.units import NS_PER_S
from anpr_node.uplink.standing import as_lines, reads_per_hour, standing
from anpr_node.whole_file import write_whole

HEARTBEAT = "status.json"
HEARTBEAT_FRESH_S = 5.0
HEARTBEAT_KEYS = {"boot_id", "up_s", "pid", "frames"}
STARTED_S = time.monotonic()


def heartbeat_path(settings: Settings) -> Path:
    """In RAM where the system has made our folder there, else in the state folder."""
    return (RUN_FOLDER if os.access(RUN_FOLDER, os.W_OK) else settings.state_folder) / HEARTBEAT


def write_heartbeat(
    settings: Settings, snapshot: Snapshot, alarms: Sequence[Alarm] = (), health: Mapping[str, object] | None = None
) -> None:
    """Replace the heartbeat in one step, so that a reader never sees half of it."""
    raised = [
        {"kind": a.kind, "since_s": a.raised_ns / NS_PER_S, "detail": a.detail, "advice": a.advice} for a in alarms
    ]
    beat = {
        "at_s": time.time(),
        "boot_id": BOOT_ID,
        "up_s": _up_s(),
        "uptime_s": round(time.monotonic() - STARTED_S),
        "pid": os.getpid(),
        **asdict(snapshot),
        "alarms": raised,
        "health": dict(health or {}),
    }
    write_whole(heartbeat_path(settings), json.dumps(beat), durable=False)


def read_heartbeat(settings: Settings) -> dict[str, Any] | None:
    """The last heartbeat if a node wrote it within the last seconds, else None.

    Counted from the boot of the machine, which no step of the clock changes.
    """
    try:
        beat = json.loads(heartbeat_path(settings).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(beat, dict) or not beat.keys() >= HEARTBEAT_KEYS or beat["boot_id"] != BOOT_ID:
        return None
    return beat if 0 <= _up_s() - beat["up_s"] < HEARTBEAT_FRESH_S else None


def _up_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def collect(settings: Settings) -> dict[str, Any]:
    """Everything that `anpr-node status --json` prints. Raises StoreError."""
    now_ns = time.time_ns()
    with use_store(settings.state_folder) as database:
        shown = count_shown(database, settings.policy.terms.only_hits_before_ns(now_ns))
        in_force = lists.show(database)
        events = last_events(database)
        record = figures(database)
        alarms = lists.overdue(database, settings, now_ns)
        uplink = standing(database, settings, now_ns)
        hourly = reads_per_hour(database, now_ns)
    running = read_heartbeat(settings)
    return {
        "node_id": settings.node.id,
        "software_version": __version__,
        "running": running,
        "alarms": running["alarms"] if running else [],
        "events": [{"at_s": e.at_ns / NS_PER_S, "what": e.what, "kind": e.kind, "detail": e.detail} for e in events],
        "reads": shown.reads,
        "hits": shown.hits,
        "first_read_s": shown.first_ns and shown.first_ns / NS_PER_S,
        "last_read_s": shown.last_ns and shown.last_ns / NS_PER_S,
        "outbox": shown.outbox,
        "uplink": uplink,
        "health": {**(running["health"] if running else {}), **hourly},
        "record": record,
        "audit_head": audit.head(settings.state_folder),
        "hotlists": [
            {
                "list_id": s.list_id,
                "entries": s.entries,
                "age_h": round(s.age_h(now_ns), 1),
                "signed": bool(s.signed),
                "revision": s.revision if s.signed else None,
            }
            for s in in_force
        ],
        "hotlist_alarms": [f"list {name}: {problem}" for name, problem in alarms],
        "system_uptime_s": round(_up_s()),
        "disk_free_mb": shutil.disk_usage(settings.state_folder).free // 1_000_000,
        "state_folder": str(settings.state_folder),
    }


def _terms(policy: PolicySection, first_read_s: float | None) -> str:
    """How long what is kept, and what is the oldest: what who answers for the record asks first."""
    terms = policy.terms
    gates = {None: "", 0: ", shown by decision only"}
    gate = gates.get(terms.gate_days, f", by decision after {terms.gate_days} d")
    oldest = "" if first_read_s is None else f"; oldest {datetime.fromtimestamp(first_read_s, UTC):%Y-%m-%d}"
    return f"{policy.preset}: reads {terms.reads_days} d, hits {terms.hits_days} d{gate}{oldest}"


def as_text(status: dict[str, Any], policy: PolicySection) -> str:
    """The same for a person, 80 columns, with the terms that the record is kept under."""
    running = status["running"]
    lines = [f"node {status['node_id']}, anpr-node {status['software_version']}"]
    if running:
        lines.append(
            f"running     loop {running['loop_ms_median']:.1f} ms, {running['frames']} frames"
            f" ({running['frames_lost']} lost), queue {running['queue_depth']}/{running['queue_max']}"
        )
    else:
        lines.append("running     no (start it with: anpr-node run)")
    lines += [f"ALARM       {alarm['kind']} ({alarm['detail']}): {alarm['advice']}" for alarm in status["alarms"]]
    lines.append(f"reads       {status['reads']} stored, {status['hits']} hits, {status['outbox']} waiting to be sent")
    lines.append(f"terms       {_terms(policy, status['first_read_s'])}")
    lines += as_lines(status["uplink"])
    for entry in status["hotlists"]:
        lines.append(
            f"hotlist     {entry['list_id']}: {entry['entries']} entries, {entry['age_h']} h old"
            f"{'' if entry['signed'] else ', UNSIGNED'}"
        )
    lines += [f"ALARM       {problem}" for problem in status["hotlist_alarms"]]
    if not status["hotlists"]:
        lines.append("hotlist     none (import one with: anpr-node hotlist import FILE.csv)")
    dropped = [f"{n} {name[8:]}" for name, n in status["record"].items() if name.startswith("dropped_")]
    if dropped:
        lines.append(f"dropped     {', '.join(dropped).replace('_', ' ')}: the record was full")
    lines.append(f"disk        {status['disk_free_mb']} MB free, {status['state_folder']}")
    return "\n".join(lines)
