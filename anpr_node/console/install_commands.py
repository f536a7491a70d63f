"""install: site, aim, focus, exposure, illumination, trigger, region, relay, link, lists, report; one after another
or alone.

Each step measures until its values are steady, says OK, WARN or FAIL and what to do, and is kept as it ended. A step
that is left can be taken up again at any time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from anpr_node import status as standing
from anpr_node.calibration.hints import hint_for
from anpr_node.calibration.verdicts import Judged, Verdict, judge, worst
from anpr_node.console import installation
from anpr_node.console.context import Context, NotUnderstood
from anpr_node.console.installation import STEPS, Done
from anpr_node.console.look_commands import look_once, short
from anpr_node.console.registry import command
from anpr_node.console.report import make_report
from anpr_node.console.session_commands import asked
from anpr_node.console.settings_commands import checked, keep, parse_value
from anpr_node.console.test_commands import run_list_test, say_strobe
from anpr_node.errors import AnprError, ConfigError

SECONDS_MAX = 90.0
SIGHTINGS_WANTED = 12
VEHICLES_WANTED = 6
PASSAGES_WANTED = 2
TRIGGER_SECONDS = 6
BAD_SECONDS = 4.0
BAD_SIGHTINGS_MIN = 5
"""What stays FAIL for so long, on so many plates, is said at once: nobody waits for a dozen vehicles to hear it."""
LED_LEASE_S = 30.0

PLATE_VALUES = frozenset({
    "plate_width_px", "char_height_px", "roll_deg", "blur_px", "edge_px", "ground_level", "saturated_share", "contrast",
})  # fmt: skip

Ready = Callable[[Context], bool]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a step ended."""

    verdict: Verdict
    judged: list[Judged]
    note: str = ""


def _words(_: Context, __: str) -> list[str]:
    return [*STEPS, "list", "again"]


@command("install", "install", "console install", "install [STEP | list | again]", "the guided installation", _words)
def install(context: Context, words: list[str]) -> None:
    """Goes through site, aim, focus, exposure, illumination, trigger, region, relay, link, lists, report, from the
    first step that is not OK yet. With a step's name: that one alone. `install list` shows how each stands,
    `install again` begins anew. While a step measures, a line each second; a key ends it early. Hints name the
    next thing to turn or type.
    """
    what = words[0].lower() if words else ""
    if what == "list":
        show_steps(context)
    elif what in STEPS:
        run_step(context, what)
    elif what in {"", "again"}:
        _go_through(context, what == "again")
    else:
        raise NotUnderstood(f"no step {what}; there are: {', '.join(STEPS)}")


def show_steps(context: Context) -> None:
    """How each step stands."""
    done = installation.read(context.folder)
    for step in STEPS:
        each = done.get(step)
        moment = time.strftime("%Y-%m-%d %H:%MZ", time.gmtime(each.at_s)) if each else ""
        note = f"{moment} {each.by}: {each.note}" if each else "not done yet"
        context.terminal.say(f"{installation.verdict_of(done, step):<5}{step:<14}{note}", indent=19)


def _go_through(context: Context, again: bool) -> None:
    first = STEPS[0] if again else installation.first_open(context.folder)
    if first is None:
        context.terminal.say("every step is OK; `install again` begins anew, `report` writes the sheet")
        return
    for step in STEPS[STEPS.index(first) :]:
        while True:
            ended = run_step(context, step)
            if ended == "OK":
                break
            answer = context.terminal.ask("r: repeat this step, n: next, Enter: leave ").lower()
            if answer not in {"r", "n"}:
                context.terminal.say(f"taken up again with: install, or: install {step}")
                return
            if answer == "n":
                break


def run_step(context: Context, step: str) -> Verdict:
    """One step, kept as it ended. Raises AnprError."""
    context.terminal.say(f"--- {step}: {ABOUT[step]}")
    _light_led(context)
    ended = _STEPS[step](context)
    note = ended.note or ", ".join(each.text for each in ended.judged if each.value is not None)
    installation.note(
        context.folder,
        step,
        Done(ended.verdict, time.time(), context.person.name, note, installation.values_of(ended.judged)),
    )
    context.note(f"install {step}", verdict=ended.verdict)
    context.terminal.say(f"{step}: {ended.verdict}")
    return ended.verdict


def _light_led(context: Context) -> None:
    """The status LED says that somebody works here; it stops by itself."""
    try:
        context.node.call("led", pattern="calibrating", seconds=LED_LEASE_S)
    except AnprError as error:
        context.terminal.say(f"note: {error}")


ABOUT = {
    "site": "what the register asks for, and the lengths that hints are computed from",
    "aim": "the lane in the middle, upright, plates wide enough",
    "focus": "sharp characters, under the light of the night",
    "exposure": "short enough for the speed limit x 1.3, bright enough to read",
    "illumination": "the strobe's light, and characters against their ground",
    "trigger": "every pulse a frame",
    "region": "every vehicle one read",
    "relay": "the relay closes what it shall",
    "link": "clock and back office",
    "lists": "watch lists in force, and a test plate through the whole chain",
    "report": "the acceptance sheet",
}
SITE_KEYS = (
    "place", "camera_type", "purpose", "authorisation_ref", "authorisation_date", "responsible_officer", "lens_mm",
    "distance_m", "height_m", "speed_limit_kmh",
)  # fmt: skip
MANDATORY = ("place", "purpose", "authorisation_ref", "responsible_officer")


def _site(context: Context) -> Ended:
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


def measure(context: Context, names: tuple[str, ...], ready: Ready, seconds: float = SECONDS_MAX) -> list[Judged]:
    """A line each second until enough was seen, the time is over or a key is pressed; then what it means."""
    survey = context.measuring()
    survey.forget()
    ends_s, bad_since_s = time.monotonic() + seconds, time.monotonic()
    while True:
        judged = look_once(context, names)
        if survey.burnt > survey.sightings and "saturated_share" not in names:
            judged = [*judged, *survey.judged(("saturated_share",))]  # or nobody would know why no plate is seen
        context.terminal.say(
            "  " + " | ".join(short(each) for each in judged) + f" | seen {survey.sightings}", indent=4
        )
        if survey.sightings + survey.burnt < BAD_SIGHTINGS_MIN or not _is_bad(judged):
            bad_since_s = time.monotonic()
        is_clear = time.monotonic() - bad_since_s > BAD_SECONDS
        if is_clear or ready(context) or time.monotonic() > ends_s or context.terminal.stopped(0.1):
            break
    say_judged(context, judged)
    return judged


def _is_bad(judged: list[Judged]) -> bool:
    """Whether one of the plates' own values is beyond WARN; a rate of the node's takes its time to settle."""
    return any(each.verdict == "FAIL" and each.name in PLATE_VALUES for each in judged)


def say_judged(context: Context, judged: list[Judged]) -> None:
    """Each value with its verdict, and what to do."""
    for each in judged:
        hint = f": {each.hint}" if each.hint else ""
        context.terminal.say(f"{each.verdict:<5}{each.text}{hint}", indent=5)


def _seen_enough(context: Context) -> bool:
    survey = context.measuring()
    return survey.sightings >= SIGHTINGS_WANTED and len(survey.motions()) >= PASSAGES_WANTED


def _measured(
    context: Context, names: tuple[str, ...], ready: Ready = _seen_enough, seconds: float = SECONDS_MAX
) -> Ended:
    judged = measure(context, names, ready, seconds)
    unknown = all(each.value is None for each in judged)
    return Ended("FAIL" if unknown else worst(each.verdict for each in judged), judged)


def _aim(context: Context) -> Ended:
    return _measured(
        context, ("plate_width_px", "char_height_px", "roll_deg", "tilt_deg", "side_deg", "centre_x", "centre_y")
    )


def _focus(context: Context) -> Ended:
    """The plates' own sharpness; the way is told by comparing with the time before."""
    ended = _measured(context, ("edge_px",), lambda c: c.measuring().sightings >= SIGHTINGS_WANTED)
    value, before = ended.judged[0].value, context.last_edge_px
    survey = context.measuring()
    if value is None:
        share = survey.scene_sharpness / max(survey.sharpest, 1e-6)
        context.terminal.say(
            f"WARN no plate seen; the scene's sharpness is {survey.scene_sharpness:.1f}, {share:.0%} of the best: turn"
            " the ring to the highest, then repeat with vehicles", indent=5
        )  # fmt: skip
        return ended
    context.terminal.say(f"     best so far {survey.best_edge_px or value:.2f} px", indent=5)
    if before is not None and ended.verdict != "OK":
        sharper = value < before
        back = "half as far" if context.was_sharper else "twice as far"
        context.was_sharper = context.was_sharper or sharper
        way = "sharper: turn on the same way" if sharper else f"softer: turn back, {back}"
        context.terminal.say(f"     {before:.2f} px before, now {value:.2f} px: {way}", indent=5)
    context.last_edge_px = value
    return ended


def _exposure(context: Context) -> Ended:
    return _measured(context, ("blur_px", "ground_level", "saturated_share"))


def _illumination(context: Context) -> Ended:
    strobe = say_strobe(context)
    added = context.measuring().values()["strobe_levels"]
    judged = measure(context, ("contrast", "ground_level"), lambda c: c.measuring().sightings >= SIGHTINGS_WANTED,
                     20.0 if strobe == "FAIL" else SECONDS_MAX)  # fmt: skip
    judged = [Judged("strobe_levels", added, strobe), *judged]
    return Ended(worst(each.verdict for each in judged), judged)


def _trigger(context: Context) -> Ended:
    ends_s = time.monotonic() + TRIGGER_SECONDS
    return _measured(context, ("fps_share", "lost_share", "timeouts"), lambda _: time.monotonic() > ends_s)


def _region(context: Context) -> Ended:
    """Where plates were seen, against the part of the sensor that is used; and whether each vehicle was read."""

    def enough(c: Context) -> bool:
        values = c.measuring().values()
        reads = c.measuring().reads_seen
        return values["reads_per_vehicle"] is not None and reads >= VEHICLES_WANTED

    ended = _measured(context, ("reads_per_vehicle", "confidence", "outside_share"), enough)
    spans = context.measuring().spans()
    if spans is not None:
        x1, y1, x2, y2 = spans
        context.terminal.say(
            f"     plates were seen from {x1:.2f} to {x2:.2f} of the width and {y1:.2f} to {y2:.2f} of the height",
            indent=5,
        )
    return ended


def _relay(context: Context) -> Ended:
    context.note("relay test", seconds=1.0)
    answer = context.node.call("relay", seconds=1.0)
    closed = bool(answer["closed"])
    context.terminal.say("the relay is closed for 1 s" if closed else "the relay rests and closes in a moment")
    if asked(context, "did what hangs on it switch?"):
        return Ended("OK", [], "switched, as seen by the technician")
    context.terminal.say("FAIL check the relay's fuse, supply and wires; see hw/relay.md", indent=5)
    return Ended("FAIL", [], "nothing switched")


def _link(context: Context) -> Ended:
    """The clock's quality, and whether a back office is named and takes what waits."""
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
    sinks = _sinks(context)
    waiting = f"{found['outbox']} rows wait to be sent"
    context.terminal.say(f"OK   {sinks or 'no back office is named: the node works alone'}; {waiting}", indent=5)
    return Ended(verdict, [], f"{note}; {sinks or 'no back office'}; {waiting}")


def _sinks(context: Context) -> str:
    uplink = getattr(context.settings, "uplink", None)
    sinks = getattr(uplink, "sinks", None) if uplink is not None else None
    return f"back office: {', '.join(sorted(sinks))}" if sinks else ""


def _lists(context: Context) -> Ended:
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


def _report(context: Context) -> Ended:
    open_steps = [
        step for step in STEPS[:-1] if installation.verdict_of(installation.read(context.folder), step) != "OK"
    ]
    make_report(context)
    if open_steps:
        context.terminal.say(f"WARN not OK yet: {', '.join(open_steps)}; the sheet says so", indent=5)
    return Ended("WARN" if open_steps else "OK", [], f"open: {', '.join(open_steps)}" if open_steps else "all steps OK")


_STEPS: dict[str, Callable[[Context], Ended]] = {
    "site": _site,
    "aim": _aim,
    "focus": _focus,
    "exposure": _exposure,
    "illumination": _illumination,
    "trigger": _trigger,
    "region": _region,
    "relay": _relay,
    "link": _link,
    "lists": _lists,
    "report": _report,
}


@command("report", "install", "console install", "report", "the acceptance sheet: text, HTML, signed")
def report(context: Context, _: list[str]) -> None:
    """Writes the record of this installation for the zone's register: place, camera type, purpose, authorisation,
    responsible officer, settings that differ, every step with its values, ten sample reads without their plates,
    who and when; as text and HTML, signed by the node. `pull report.zip` fetches it; anpr-node evidence verify
    checks it anywhere.
    """
    make_report(context)
