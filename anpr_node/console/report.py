"""The acceptance sheet: what was installed, measured and tested, by whom and when; signed by the node's own key.

It names the responsible officer and the technician, as the register wants them, and no plate.
"""

from __future__ import annotations

import html
import json
import time
from typing import Any

from anpr_node import __version__, config
from anpr_node.config import layers
from anpr_node.console import installation
from anpr_node.console.context import Context
from anpr_node.console.installation import STEPS
from anpr_node.console.picture_commands import offer
from anpr_node.errors import AnprError
from anpr_node.evidence import fingerprint_of, pack
from anpr_node.policy import calibration_limits
from anpr_node.units import NS_PER_S
from anpr_node.whole_file import write_whole

SAMPLES = 10
REGISTER = (
    ("place", "place"),
    ("camera_type", "camera type"),
    ("purpose", "purpose"),
    ("authorisation_ref", "authorisation"),
    ("authorisation_date", "of"),
    ("responsible_officer", "responsible officer"),
)
GEOMETRY = (
    ("lens_mm", "lens", "mm"),
    ("distance_m", "distance to the plates", "m"),
    ("height_m", "height of the lens", "m"),
    ("speed_limit_kmh", "speed limit", "km/h"),
)
STYLE = (
    "body{font:14px sans-serif;max-width:48em;margin:2em auto}table{border-collapse:collapse;width:100%;margin:0 0 1em}"
    "td,th{border:1px solid #888;padding:.2em .5em;text-align:left;vertical-align:top}.FAIL{font-weight:bold}"
    "@media print{body{margin:0}}"
)


def make_report(context: Context) -> None:
    """Collect, sign, keep in the state folder, show as text, let be fetched."""
    sheet = collect(context)
    text = as_text(sheet)
    files = {
        "report.txt": text.encode(),
        "report.html": as_html(sheet).encode(),
        "report.json": json.dumps(sheet, indent=1, ensure_ascii=False).encode(),
    }
    package = pack(files, context.folder, time.time_ns())
    context.note("report", verdict=sheet["verdict"])
    write_whole(context.folder / "report.zip", package)
    for line in text.splitlines():
        context.terminal.say(line, indent=4)
    for name in ("report.txt", "report.html"):
        context.files[name] = files[name]
    offer(context, "report.zip", package)


def collect(context: Context) -> dict[str, Any]:
    """Everything on the sheet."""
    settings, done = context.settings, installation.read(context.folder)
    steps = [
        {
            "step": step,
            "verdict": installation.verdict_of(done, step),
            "at": _moment(done[step].at_s) if step in done else "",
            "by": done[step].by if step in done else "",
            "note": done[step].note if step in done else "not done",
            "values": done[step].values if step in done else {},
        }
        for step in STEPS[:-1]
    ]
    return {
        "node_id": settings.node.id,
        "lane": settings.node.lane,
        "software_version": __version__,
        "written": _moment(time.time()),
        "written_by": f"{context.person.name} ({context.person.role})",
        "register": {label: getattr(settings.site, key) for key, label in REGISTER},
        "geometry": {label: f"{getattr(settings.site, key):g} {unit}" for key, label, unit in GEOMETRY},
        "settings": _own_settings(context),
        "steps": steps,
        "samples": _samples(context),
        "signer": fingerprint_of(context.folder),
        "verdict": "accepted" if all(step["verdict"] == "OK" for step in steps) else "NOT accepted: steps are open",
    }


def _moment(at_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at_s))


def _own_settings(context: Context) -> dict[str, str]:
    """What people or the console set, without what names people or lists."""
    source = context.settings.source
    if source is None:
        return {}
    own = layers.over(source, config.read_own(source))
    return {
        f"{section}.{key}": f"{value}"
        for section, keys in own.items()
        if isinstance(keys, dict) and section not in {"sms", "hotlists", "site", "store", "uplink"}
        for key, value in keys.items()
    }


def _samples(context: Context) -> list[dict[str, Any]]:
    try:
        rows = context.node.call("recent", count=SAMPLES)["reads"]
    except AnprError:
        return []
    return [
        {
            "read_id": row["read_id"],
            "at": _moment(row["last_seen_ns"] / NS_PER_S),
            "country": row["country"] or "-",
            "confidence": round(row["confidence"], 3),
            "votes": row["votes"],
            "plate_width_px": row["plate_width_px"],
            "direction": row["direction"],
        }
        for row in rows
    ]


def _value(name: str, value: float) -> str:
    limits = calibration_limits()[name]
    return f"{limits.label} {value:.{limits.digits}f} {limits.unit}".rstrip()


def as_text(sheet: dict[str, Any]) -> str:
    """The sheet in 80 columns."""
    lines = [
        "ACCEPTANCE SHEET",
        f"node {sheet['node_id']}, lane {sheet['lane']}, anpr-node {sheet['software_version']}",
        "",
    ]
    lines += [f"{label + ':':<26}{value or '(MISSING)'}" for label, value in sheet["register"].items()]
    lines += [f"{label + ':':<26}{value}" for label, value in sheet["geometry"].items()]
    lines += ["", "steps"]
    for step in sheet["steps"]:
        lines.append(f"  {step['verdict']:<5}{step['step']:<14}{step['at']} {step['by']}".rstrip())
        measured = ", ".join(_value(name, value) for name, value in step["values"].items()) or step["note"]
        lines.append(f"       {measured}")
    lines += ["", "settings"]
    lines += [f"  {key} = {value}" for key, value in sheet["settings"].items()] or ["  all built in"]
    lines += ["", "sample reads (plates are in the record, under these ids)"]
    for row in sheet["samples"]:
        lines.append(
            f"  {row['at'][:19]} {row['read_id']} {row['country']} {row['confidence']:.2f} {row['plate_width_px']} px"
        )
    if not sheet["samples"]:
        lines.append("  none since the node started")
    lines += ["", f"result: {sheet['verdict']}", f"written {sheet['written']} by {sheet['written_by']}"]
    lines += [
        f"signed by the node, key {sheet['signer']}",
        "",
        "technician: ______________________  officer: ______________________",
    ]
    return "\n".join(lines)


def as_html(sheet: dict[str, Any]) -> str:
    """The same for a printer or the register."""

    def table(rows: list[tuple[Any, ...]], head: tuple[str, ...] = ()) -> str:
        top = "<tr>" + "".join(f"<th>{html.escape(h)}</th>" for h in head) + "</tr>" if head else ""
        cells = ("".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) for row in rows)
        return f"<table>{top}{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"

    steps = [
        (
            s["verdict"],
            s["step"],
            s["at"],
            s["by"],
            ", ".join(_value(n, v) for n, v in s["values"].items()) or s["note"],
        )
        for s in sheet["steps"]
    ]
    samples = [
        (r["at"], r["read_id"], r["country"], r["confidence"], r["votes"], r["plate_width_px"])
        for r in sheet["samples"]
    ]
    facts = [(label, value or "(MISSING)") for label, value in {**sheet["register"], **sheet["geometry"]}.items()]
    title = f"Acceptance sheet: node {sheet['node_id']}, lane {sheet['lane']}"
    return "\n".join([
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<title>{html.escape(title)}</title><style>{STYLE}</style><h1>{html.escape(title)}</h1>",
        table(facts),
        "<h2>Steps</h2>",
        table(steps, ("", "step", "when", "who", "measured")),
        "<h2>Settings</h2>",
        table(list(sheet["settings"].items()) or [("all built in", "")]),
        "<h2>Sample reads</h2>",
        table(samples, ("when", "read", "country", "confidence", "votes", "width px")),
        f"<p><b>{html.escape(sheet['verdict'])}</b>. Written {sheet['written']} by {html.escape(sheet['written_by'])}, "
        f"anpr-node {sheet['software_version']}; signed by the node, key {sheet['signer']}.</p>",
        "<p>Technician: ______________________ Officer: ______________________</p></html>",
    ])  # fmt: skip
