"""The steps of an installation that ask, or look at the node itself: site, relay, link, lists, report.

No plate is measured here. Where a step stands is kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anpr_node import status as standing
from anpr_node.calibration.hints import hint_for
from anpr_node.calibration.verdicts import Judged, Verdict, judge, worst
from anpr_node.console import installation
from anpr_node.console.changing import checked, keep, parse_value
from anpr_node.console.context import Context
from anpr_node.console.installation import STEPS
from anpr_node.console.measured_steps import Ended, say_judged
from anpr_node.console.report import make_report
from anpr_node.console.session_commands import asked
from anpr_node.console.test_commands import run_list_test
from anpr_node.errors import ConfigError

SITE_KEYS = (
    "place", "camera_type", "purpose", "authorisation_ref", "authorisation_date", "responsible_officer", "lens_mm",
    "distance_m", "height_m", "speed_limit_kmh",
)  # fmt: skip
MANDATORY = ("place", "purpose", "authorisation_ref", "responsible_officer")


def site(context: Context) -> Ended:
    """What the register asks for."""
    change: dict[str, Any] = {}
    fields = type(context.settings.site).model_fields
    context.terminal.say("Enter keeps what stands in brackets.")
    for key in SITE_KEYS:
        now = getattr(context.settings.site, key)
        about = fields[key].description
        if about:
            context.terminal.say(f"  {about}")
        while (text := context.terminal.ask(f"{key} [{now}]: ")) not in {"", str(now)}:
            value = parse_value(text, fields[key].annotation)
            try:
                checked(context, {"site": {**change, key: value}})
            except ConfigError as error:
                context.terminal.say(str(error))
                continue
            change[key] = value
            break
    if change:
        keep(context, {"site": change})
    missing = [key for key in MANDATORY if not getattr(context.settings.site, key)]
    if missing:
        context.terminal.say(f"FAIL the register needs: {', '.join(missing)}; repeat `install site`", indent=5)
    return Ended(
        "FAIL" if missing else "OK", [], f"missing: {', '.join(missing)}" if missing else context.settings.site.place
    )


def relay(context: Context) -> Ended:
    """The technician says whether what hangs on it switched."""
    context.note("relay test", seconds=1.0)
    answer = context.node.call("relay", seconds=1.0)
    closed = bool(answer["closed"])
    context.terminal.say("the relay is closed for 1 s" if closed else "the relay rests and closes in a moment")
    if asked(context, "did what hangs on it switch?"):
        return Ended("OK", [], "switched, as seen by the technician")
    context.terminal.say("FAIL check the relay's fuse, supply and wires; see hw/relay.md", indent=5)
    return Ended("FAIL", [], "nothing switched")


def link(context: Context) -> Ended:
    """The clock's quality, and whether each back office answers."""
    numbers = context.node.call("numbers")
    found = standing.collect(context.settings)
    simulated = context.settings.camera.kind == "simulated"
    clock = numbers["clock"]
    offset = clock["offset_ms"] if clock["source"] != "free" else None
    verdict: Verdict = judge("clock_offset_ms", offset)
    note = f"clock {clock['source']}"
    if offset is None:
        verdict = "OK" if simulated else "WARN"
        note = "clock simulated" if simulated else "clock runs free: connect NTP or GPS, then repeat"
    elif verdict != "OK":
        note += ": " + hint_for("clock_offset_ms", {"clock_offset_ms": offset}, context.measuring().site)
    context.terminal.say(f"{verdict:<5}{note}", indent=5)
    offices = [office_of(sink) for sink in found["uplink"]["sinks"]] or [("OK", "no back office: the node works alone")]
    for each, text in offices:
        context.terminal.say(f"{each:<5}{text}", indent=5)
    waiting = f"{found['outbox']} rows wait to be sent"
    context.terminal.say(f"     {waiting}", indent=5)
    return Ended(
        worst([verdict, *(each for each, _ in offices)]), [], "; ".join([note, *(text for _, text in offices), waiting])
    )


def office_of(sink: Mapping[str, Any]) -> tuple[Verdict, str]:
    """How one sink of `anpr-node status --json` stands, and what to do."""
    name = f"back office {sink['name']}"
    if sink["failing_since_s"]:
        return "FAIL", f"{name} fails: {sink['problem']}; see docs/uplink.md"
    if sink["answered_s"] is None:
        return "WARN", f"{name} was not asked yet: repeat `install link` in a minute"
    return "OK", f"{name} answers"


def lists(context: Context) -> Ended:
    """Lists in force and how old, and a test plate through the whole chain."""
    found = standing.collect(context.settings)
    lists = [each for each in found["hotlists"] if each["list_id"] != "console-test"]
    verdict: Verdict = "OK"
    age = max((each["age_h"] for each in lists), default=None)
    judged = [Judged("list_age_h", age, judge("list_age_h", age))] if lists else []
    for each in lists:
        context.terminal.say(f"     {each['list_id']}: {each['entries']} entries, {each['age_h']} h old", indent=5)
    if not lists:
        verdict = "FAIL"
        context.terminal.say("FAIL no list is in force; put one in force with: anpr-node hotlist import FILE", indent=5)
    for problem in found["hotlist_alarms"]:
        verdict = "FAIL"
        context.terminal.say(f"FAIL {problem}", indent=5)
    say_judged(context, judged)
    tested, text = run_list_test(context)
    context.terminal.say(f"{tested:<5}{text}", indent=5)
    verdict = worst([verdict, tested, *(each.verdict for each in judged)])
    return Ended(verdict, judged, f"{len(lists)} lists; test plate: {text}")


def report(context: Context) -> Ended:
    """The sheet, which names what is not OK yet."""
    open_steps = [
        step for step in STEPS[:-1] if installation.verdict_of(installation.read(context.folder), step) != "OK"
    ]
    make_report(context)
    if open_steps:
        context.terminal.say(f"WARN not OK yet: {', '.join(open_steps)}; the sheet says so", indent=5)
    return Ended("WARN" if open_steps else "OK", [], f"open: {', '.join(open_steps)}" if open_steps else "all steps OK")
