"""status, live, reads, logs: how the node stands and what it measures. Nothing here changes anything."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from anpr_node import status as standing
from anpr_node.calibration.verdicts import Judged, worst
from anpr_node.console.context import Context, NotUnderstood
from anpr_node.console.registry import command
from anpr_node.console.terminal import side_by_side
from anpr_node.errors import AnprError
from anpr_node.units import NS_PER_S

LIVE = (
    "fps_share", "plate_width_px", "char_height_px", "roll_deg", "tilt_deg", "blur_px", "contrast", "saturated_share",
    "edge_px", "timeouts", "lost_share", "reads_per_vehicle", "confidence",
)  # fmt: skip
SHORT = {
    "fps_share": "fps",
    "plate_width_px": "w",
    "char_height_px": "char",
    "roll_deg": "roll",
    "tilt_deg": "tilt",
    "side_deg": "side",
    "blur_px": "blur",
    "contrast": "contr",
    "saturated_share": "satur",
    "edge_px": "focus",
    "timeouts": "trig",
    "lost_share": "lost",
    "reads_per_vehicle": "reads",
    "confidence": "conf",
    "ground_level": "grey",
    "centre_x": "across",
    "centre_y": "along",
    "strobe_levels": "strobe",
    "outside_share": "outside",
}
UNITS = {
    "plate_width_px": "px", "char_height_px": "px", "blur_px": "px", "edge_px": "px", "roll_deg": "deg",
    "tilt_deg": "deg", "side_deg": "deg",
}  # fmt: skip
MARKS = {"OK": "", "WARN": "?", "FAIL": "!"}
SEE_S = 0.8


@command("status", "look", "console look", "status", "running or not, reads, lists, disk, alarms")
def status(context: Context, _: list[str]) -> None:
    """The same as anpr-node status: whether the node runs, how many reads and hits, how old the lists are, what is
    wrong now. No plates.
    """
    for line in standing.as_text(standing.collect(context.settings), context.settings.policy).splitlines():
        context.terminal.say(line, indent=12)


@command("live", "look", "console look", "live [SECONDS]", "all measured values, a line each second, until a key")
def live(context: Context, words: list[str]) -> None:
    """A line each second with what is measured now: fps, plate width, character height, roll, tilt, blur at 1.3 times
    the speed limit, contrast, saturation, focus, pulses without a frame, frames lost, reads a vehicle, confidence.
    A value with ? is WARN, one with ! is FAIL; when it ends, a hint for each of those. Enter, q or Ctrl-C ends it.
    """
    seconds = min(_seconds(words), context.terminal.idle_s)  # an open view is no reason to stay logged in
    survey = context.measuring()
    survey.forget()
    second = 0
    while second < seconds:
        second += 1
        judged = look_once(context, LIVE)
        context.terminal.say(side_by_side(short(each) for each in judged), indent=2)
        if context.terminal.stopped(max(0.05, 1.0 - SEE_S)):
            break
    say_hints(context, survey.judged(LIVE))


def _seconds(words: list[str]) -> float:
    try:
        seconds = float(words[0]) if words else 3600.0
    except ValueError:
        raise NotUnderstood("live [SECONDS]") from None
    return min(max(seconds, 1.0), 86_400.0)


def look_once(context: Context, names: tuple[str, ...]) -> list[Judged]:
    """See for most of a second, ask the node for its counters, judge. Raises NodeAbsent."""
    survey = context.measuring()
    survey.see(SEE_S)
    numbers = context.node.call("numbers")
    survey.note(numbers, context.node.call("recent", count=50)["reads"])
    return survey.judged(names)


def short(judged: Judged) -> str:
    """`w 188px` for a live line; ? and ! for WARN and FAIL, - for what is not known yet."""
    name, value = SHORT.get(judged.name, judged.name), judged.value
    if value is None:
        return f"{name} -"
    digits = 0 if judged.name in {"plate_width_px", "timeouts", "ground_level"} else 1 if UNITS.get(judged.name) else 2
    return f"{name} {value:.{digits}f}{UNITS.get(judged.name, '')}{MARKS[judged.verdict]}"


def say_hints(context: Context, judged: list[Judged]) -> None:
    """What to do, the worst first; one line when all is well."""
    known = [each for each in judged if each.value is not None]
    for each in sorted((e for e in known if e.verdict != "OK"), key=lambda e: e.verdict):
        context.terminal.say(f"{each.verdict:<5}{each.text}: {each.hint}", indent=5)
    if not known:
        context.terminal.say("nothing was measured: no vehicle came")
    elif worst(each.verdict for each in known) == "OK":
        context.terminal.say("OK   " + ", ".join(each.text for each in known), indent=5)


@command("reads", "look", "console look", "reads [COUNT]", "the last reads: when, how sure, how wide")
def reads(context: Context, words: list[str]) -> None:
    """The last reads since the node started, 10 or as many as given (50 at most). Plates are shown to those only
    whose role may see them; others see how many characters were read.
    """
    if words and not words[0].isdigit():
        raise NotUnderstood("reads [COUNT]")
    rows = context.node.call("recent", count=int(words[0]) if words else 10, plates=context.sees_plates)["reads"]
    if context.sees_plates and rows:
        context.note("reads", rows=len(rows))
    context.terminal.say(
        f"{'time (UTC)':<12}{'plate':<11}{'ctry':<6}{'conf':<6}{'votes':<7}{'width':<7}{'way':<13}flags"
    )
    for row in rows:
        context.terminal.say(_read_line(row), indent=12)
    if not rows:
        context.terminal.say("none since the node started")


def _read_line(row: dict[str, Any]) -> str:
    moment = datetime.fromtimestamp(row["last_seen_ns"] / NS_PER_S, UTC)
    flags = ",".join([*row["flags"], *["hit"] * bool(row["hits"])])
    return (
        f"{moment:%H:%M:%S}    {row.get('vrm', '*******'):<11}{row['country'] or '-':<6}{row['confidence']:<6.2f}"
        f"{row['votes']:<7}{row['plate_width_px']:<7}{row['direction']:<13}{flags}"
    )


@command("logs", "repair", "console look", "logs [COUNT]", "the node's last log lines")
def logs(context: Context, words: list[str]) -> None:
    """The last 20 lines that the running node logged, or as many as given (500 at most). No plate is ever in them."""
    if words and not words[0].isdigit():
        raise NotUnderstood("logs [COUNT]")
    for line in context.node.call("log", count=int(words[0]) if words else 20)["lines"]:
        context.terminal.say(line, indent=4)


@command("alarms", "look", "console look", "alarms", "what is wrong now, and what to do")
def alarms(context: Context, _: list[str]) -> None:
    """Each alarm that is raised, with what to do about it: of camera, strobe, lens, mount, heat and silence, of overdue
    lists and silent sinks, of the modem.
    """
    raised = context.node.call("numbers")["alarms"]
    for alarm in raised:
        context.terminal.say(f"{alarm['kind']} ({alarm['detail']}): {alarm['advice']}", indent=4)
    if not raised:
        context.terminal.say("all well")


def node_or_none(context: Context) -> dict[str, Any] | None:
    """The running node's word about itself, None when there is none."""
    try:
        return context.node.call("hello")
    except AnprError:
        return None
