"""The node's status as Prometheus text: names, help and figures; no plate, no hit that may not show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Sample = tuple[Mapping[str, str], float | int | bool | None]
PREFIX = "anpr_node_"


def as_prometheus(status: Mapping[str, Any]) -> str:
    """The text of one scrape, from what `anpr-node status --json` prints."""
    lines: list[str] = []
    for name, help_, samples in _families(status):
        known = [(labels, value) for labels, value in samples if value is not None]
        if known:
            kind = "counter" if name.endswith("_total") else "gauge"
            lines += [f"# HELP {PREFIX}{name} {help_}", f"# TYPE {PREFIX}{name} {kind}"]
            lines += [f"{PREFIX}{name}{_labels(labels)} {_number(value)}" for labels, value in known]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    escaped = {k: v.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for k, v in labels.items()}
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"


def _number(value: float | int | bool) -> str:
    return str(int(value)) if isinstance(value, bool) else repr(value)


def _families(status: Mapping[str, Any]) -> Iterator[tuple[str, str, Sequence[Sample]]]:
    info = {"node_id": status["node_id"], "version": status["software_version"]}
    yield "info", "Constant 1, with the node's id and version.", [(info, 1)]
    yield "up", "Whether the node runs.", [({}, status["running"] is not None)]
    yield from _process(status["running"] or {})
    yield from _modem((status["running"] or {}).get("modem") or {})
    yield from _record(status)
    yield from _uplink(status.get("uplink", {}))


def _process(running: Mapping[str, Any]) -> Iterator[tuple[str, str, Sequence[Sample]]]:
    plain = (
        ("frames", "frames_total", "Frames taken since the start."),
        ("frames_lost", "frames_lost_total", "Frames lost since the start."),
        ("reads", "node_reads_total", "Passages read since the start."),
        ("reads_dropped", "reads_dropped_total", "Reads dropped because the recorder was behind."),
        ("store_failures", "store_failures_total", "Failed writes to the store since the start."),
        ("loop_ms_median", "loop_milliseconds", "Median time of the loop over the last frames."),
        ("queue_depth", "queue_depth", "Reads that wait for the recorder."),
        ("illuminator_on", "illuminator_on", "Whether the illuminator is on."),
        ("illuminator_faults", "illuminator_faults_total", "Faults of the illuminator since the start."),
    )
    for key, name, help_ in plain:
        yield name, help_, [({}, running.get(key))]


def _modem(row: Mapping[str, Any]) -> Iterator[tuple[str, str, Sequence[Sample]]]:
    modem, messages = row.get("modem", {}), row.get("messages", {})
    registered = modem["registration"] in {"home", "roaming"} if modem else None
    yield "modem_registered", "Whether the modem is registered.", [({}, registered)]
    yield "modem_signal_dbm", "Signal of the modem.", [({}, modem.get("signal_dbm"))]
    yield "modem_temperature_celsius", "Temperature of the modem.", [({}, modem.get("temperature_c"))]
    yield "modem_link_up", "Whether the modem's data link is up.", [({}, row.get("link", {}).get("up"))]
    yield "sms", "Text messages by what became of them.", [({"state": state}, n) for state, n in messages.items()]


def _record(status: Mapping[str, Any]) -> Iterator[tuple[str, str, Sequence[Sample]]]:
    yield "reads", "Passages in the record.", [({}, status["reads"])]
    yield "hits", "Hits in the record that may be shown.", [({}, status["hits"])]
    yield "last_read_timestamp_seconds", "When the last vehicle was seen.", [({}, status["last_read_s"])]
    yield "disk_free_megabytes", "Free space where the record is.", [({}, status["disk_free_mb"])]
    yield "outbox", "What waits to be sent.", [({}, status["outbox"])]
    lists = [({"list": each["list_id"]}, each["age_h"]) for each in status["hotlists"]]
    yield "hotlist_age_hours", "Age of each list.", lists
    alarms = [({"kind": each["kind"]}, 1) for each in status["alarms"]]
    yield "alarm", "Alarms that are raised.", alarms
    health = status.get("health", {})
    for key, help_ in (
        ("temperature_c", "The hottest part of the board."),
        ("throttled", "Whether the board lowers its clock."),
        ("undervoltage", "Whether the supply is too weak."),
        ("reads_last_hour", "Passages of the last whole hour."),
        ("reads_usual_hour", "Passages that this hour of the day brings at the least."),
        ("frame_age_s", "Seconds since the last frame."),
    ):
        yield key, help_, [({}, health.get(key))]
    synchronised = health["clock"] != "free" if "clock" in health else None
    yield "clock_synchronised", "Whether a source vouches for the clock.", [({}, synchronised)]


def _uplink(uplink: Mapping[str, Any]) -> Iterator[tuple[str, str, Sequence[Sample]]]:
    sinks = uplink.get("sinks", [])
    lanes = [({"sink": sink["name"], "lane": name}, lane) for sink in sinks for name, lane in sink["lanes"].items()]
    yield "uplink_waiting", "What waits for a sink.", [(labels, lane["waiting"]) for labels, lane in lanes]
    ages = [(labels, lane["oldest_s"]) for labels, lane in lanes]
    yield "uplink_age_seconds", "How long the oldest of it waits.", ages
    refused = [({"sink": sink["name"]}, sink["refused"]) for sink in sinks]
    yield "uplink_refused", "What a sink refused for good.", refused
    failing = [({"sink": sink["name"]}, sink["failing_since_s"] is not None) for sink in sinks]
    yield "uplink_failing", "Whether a sink fails.", failing
    yield "uplink_today_megabytes", "Sent and received today.", [({}, uplink.get("today_mb"))]
