"""install: site, aim, focus, exposure, illumination, trigger, region, relay, link, lists, report; one after another
or alone.

Each step measures until its values are steady, says OK, WARN or FAIL and what to do, and is kept as it ended. A step
that is left can be taken up again at any time.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from anpr_node.calibration.verdicts import Verdict
from anpr_node.console import asked_steps, installation, measured_steps
from anpr_node.console.context import Context, NotUnderstood
from anpr_node.console.installation import STEPS, Done
from anpr_node.console.measured_steps import Ended
from anpr_node.console.registry import command
from anpr_node.console.report import make_report
from anpr_node.errors import AnprError

LED_LEASE_S = 30.0


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
_STEPS: dict[str, Callable[[Context], Ended]] = {
    "site": asked_steps.site,
    "aim": measured_steps.aim,
    "focus": measured_steps.focus,
    "exposure": measured_steps.exposure,
    "illumination": measured_steps.illumination,
    "trigger": measured_steps.trigger,
    "region": measured_steps.region,
    "relay": asked_steps.relay,
    "link": asked_steps.link,
    "lists": asked_steps.lists,
    "report": asked_steps.report,
}


@command("report", "install", "console install", "report", "the acceptance sheet: text, HTML, signed")
def report(context: Context, _: list[str]) -> None:
    """Writes the record of this installation for the zone's register: place, camera type, purpose, authorisation,
    responsible officer, settings that differ, every step with its values, ten sample reads without their plates,
    who and when; as text and HTML, signed by the node. `pull report.zip` fetches it; anpr-node evidence verify
    checks it anywhere.
    """
    make_report(context)
