"""How the uplink stands: what waits for each sink, since when, whether it answers, what it refused, the bytes.

What is counted here may be shown to anybody at the roadside: a silent hit changes no figure, no age and no time. Times
are of the minute and bytes of the megabyte for the same reason.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlite_utils import Database

from anpr_node.config import Settings, SinkSection
from anpr_node.store.outbox import BELONGS, HIT, IN_ORDER, SHOWN, bytes_on, cursor_of, requeue
from anpr_node.store.silence import HIDDEN_READ
from anpr_node.store.traffic import hour_of, passages_in, usual_reads
from anpr_node.units import NS_PER_H, NS_PER_S
from anpr_node.uplink.budget import MB, day_of
from anpr_node.uplink.formats.registry import kinds_of

_VISIBLE = f"{SHOWN} AND ref NOT IN (SELECT read_id FROM hidden)"
_HIDDEN = f"WITH hidden AS MATERIALIZED (SELECT r.read_id FROM read r WHERE {HIDDEN_READ})"


@dataclass(frozen=True, slots=True)
class RefusedItem:
    """Something that a sink will not take, as it is listed."""

    sink: str
    kind: str
    ref: str
    queued_ns: int
    refused_ns: int
    reason: str


def standing(database: Database, settings: Settings, now_ns: int) -> dict[str, Any]:
    """The `uplink` part of `anpr-node status --json`."""
    only_hits_ns, day = settings.policy.terms.only_hits_before_ns(now_ns), day_of(now_ns)
    uplink = settings.uplink
    return {
        "sinks": [_sink(database, sink, only_hits_ns, now_ns) for sink in settings.sinks],
        "today_mb": bytes_on(database, day) // MB,
        "month_mb": bytes_on(database, day[:7]) // MB,
        "day_mb_max": uplink.day_mb,
        "month_mb_max": uplink.month_mb,
    }


def _sink(database: Database, sink: SinkSection, only_hits_ns: int, now_ns: int) -> dict[str, Any]:
    row = database.execute(
        "SELECT answered_ns, failing_ns, problem FROM sink_state WHERE sink = ?", [sink.name]
    ).fetchone()
    answered_ns, failing_ns, problem = row or (None, None, "")
    lanes = {kind: _lane(database, sink.name, kind, only_hits_ns, now_ns) for kind in _kinds(sink)}
    return {
        "name": sink.name,
        "format": sink.format,
        "answered_s": answered_ns and answered_ns / NS_PER_S,
        "failing_since_s": failing_ns and failing_ns / NS_PER_S,
        "problem": problem,
        "refused": len(refused(database, only_hits_ns, sink.name)),
        "lanes": lanes,
    }


def _kinds(sink: SinkSection) -> list[str]:
    taken = kinds_of(sink)
    return [kind for kind in (HIT, *IN_ORDER) if kind in taken]


def _lane(database: Database, sink: str, kind: str, only_hits_ns: int, now_ns: int) -> dict[str, Any]:
    passed = (
        "AND NOT EXISTS (SELECT 1 FROM sink_passed p WHERE p.item_id = o.item_id AND p.sink = :sink)"
        if kind == HIT
        else "AND item_id > :cursor"
    )
    values = {"kind": kind, "sink": sink, "only_hits_before_ns": only_hits_ns}
    if kind != HIT:
        values["cursor"] = cursor_of(database, sink, kind)[0]
    n, oldest_ns = database.execute(
        f"{_HIDDEN} SELECT count(*), min(queued_ns) FROM outbox o WHERE kind = :kind AND {BELONGS} {passed} "
        f"AND {_VISIBLE}",
        values,
    ).fetchone()
    oldest_s = round(max(0, now_ns - oldest_ns) / NS_PER_S) if oldest_ns is not None else 0
    return {"waiting": n, "oldest_s": oldest_s}


def refused(database: Database, only_hits_before_ns: int, sink: str | None = None) -> list[RefusedItem]:
    """What was refused and may be shown, oldest first."""
    rows = database.execute(
        f"{_HIDDEN} SELECT sink, kind, ref, queued_ns, refused_ns, reason FROM refused "
        f"WHERE coalesce(:sink, sink) = sink AND {_VISIBLE} ORDER BY refused_ns, ref",
        {"sink": sink, "only_hits_before_ns": only_hits_before_ns},
    )
    return [RefusedItem(*row) for row in rows.fetchall()]


def reads_per_hour(database: Database, now_ns: int) -> dict[str, Any]:
    """Passages of the last whole hour, and what that hour of the day usually brings at the least."""
    hour_ago_ns = now_ns - NS_PER_H
    try:
        n = passages_in(database, hour_of(hour_ago_ns))
        return {"reads_last_hour": n, "reads_usual_hour": usual_reads(database, hour_ago_ns)}
    except sqlite3.Error:
        return {}


def as_lines(uplink: Mapping[str, Any]) -> list[str]:
    """The same for a person."""
    lines = [line for sink in uplink["sinks"] for line in _sink_lines(sink)]
    if not lines:
        return ["uplink      no sink (see docs/uplink.md): what waits is dropped after a day"]
    limit = f" of {uplink['day_mb_max']:g}" if uplink["day_mb_max"] is not None else ""
    return [*lines, f"bytes       {uplink['today_mb']}{limit} MB today, {uplink['month_mb']} MB this month"]


def _sink_lines(sink: Mapping[str, Any]) -> list[str]:
    waiting = [
        f"{lane['waiting']} {kind} ({_for_so_long(lane['oldest_s'])})"
        for kind, lane in sink["lanes"].items()
        if lane["waiting"]
    ]
    if sink["failing_since_s"]:
        state = f"FAILING, {sink['problem']}"
    elif sink["answered_s"] is None:
        state = "not asked yet"
    else:  # with the moment: of a node that does not run it may be long ago
        state = f"answered {datetime.fromtimestamp(sink['answered_s'], UTC):%Y-%m-%d %H:%M} UTC"
    lines = [f"sink        {sink['name']}: {state}; waiting: {', '.join(waiting) or 'nothing'}"]
    if sink["refused"]:
        lines.append(f"refused     {sink['refused']} by {sink['name']}; see: anpr-node uplink refused")
    return lines


def _for_so_long(seconds: int) -> str:
    """A time as a person takes it in: a link may be down for weeks."""
    for unit_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * unit_s:
            return f"{seconds // unit_s} {unit}"
    return f"{seconds} s"


def takes_overviews(settings: Settings) -> bool:
    """Whether any sink takes overviews at all."""
    return any("overview" in kinds_of(sink) for sink in settings.sinks)


def request_overview(database: Database, settings: Settings, read_id: str, now_ns: int) -> bool:
    """Let a read's overview wait for the sinks that take overviews; whether there is one that may be known of."""
    only_hits_ns = settings.policy.terms.only_hits_before_ns(now_ns)
    with database.atomic():
        found = database.execute(
            "SELECT 1 FROM read r JOIN evidence e ON e.read_id = r.read_id AND e.kind = 'overview' "
            f"WHERE r.read_id = :read_id AND NOT {HIDDEN_READ}",
            {"read_id": read_id, "only_hits_before_ns": only_hits_ns},
        ).fetchone()
        if found is not None:
            requeue(database, "overview", read_id, now_ns)
    return found is not None
