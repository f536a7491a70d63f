"""The steps of an installation that look at passing plates: aim, focus, exposure, illumination, trigger, region.

Each says a line a second until it has seen enough, and what its values mean. Where a step stands is kept elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anpr_node.calibration.verdicts import Judged, Verdict, worst
from anpr_node.console.context import Context
from anpr_node.console.look_commands import look_once, short
from anpr_node.console.terminal import side_by_side
from anpr_node.console.test_commands import say_strobe

if TYPE_CHECKING:  # models are loaded only when something is measured
    from anpr_node.calibration.survey import Survey

SECONDS_MAX = 90.0
SIGHTINGS_WANTED = 12
VEHICLES_WANTED = 6
PASSAGES_WANTED = 2
TRIGGER_SECONDS = 6
BAD_SECONDS = 4.0
BAD_SIGHTINGS_MIN = 5
"""What stays FAIL for so long, on so many plates, is said at once: nobody waits for a dozen vehicles to hear it."""

NOTHING_SECONDS = 12.0
DARK_LEVEL = 45.0
"""A picture darker than this shows plates in the strobe's light alone."""
STROBE_PROBE_S = 2.0
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


def measure(context: Context, names: tuple[str, ...], ready: Ready, seconds: float = SECONDS_MAX) -> list[Judged]:
    """A line each second until enough was seen, the time is over or a key is pressed; then what it means."""
    survey = context.measuring()
    survey.forget()
    began_s = bad_since_s = time.monotonic()
    while True:
        judged = [*look_once(context, names), *_why_nothing(survey, names, time.monotonic() - began_s)]
        values = [*(short(each) for each in judged), f"seen {survey.sightings}"]
        context.terminal.say("  " + side_by_side(values, "|"), indent=4)
        if not _is_bad(judged, survey.sightings + survey.burnt):
            bad_since_s = time.monotonic()
        is_over = time.monotonic() - bad_since_s > BAD_SECONDS or time.monotonic() - began_s > seconds
        if is_over or ready(context) or context.terminal.stopped(0.1):
            break
    say_judged(context, judged)
    return judged


def _why_nothing(survey: Survey, names: tuple[str, ...], elapsed_s: float) -> list[Judged]:
    """What keeps plates from being seen at all, whatever the step asks for: burnt out, or in the dark."""
    if survey.burnt > survey.sightings and "saturated_share" not in names:
        return survey.judged(("saturated_share",))
    if survey.sightings or survey.burnt or elapsed_s < NOTHING_SECONDS or survey.scene_level > DARK_LEVEL:
        return []
    if survey.values()["strobe_levels"] is None:
        survey.probe_strobe(STROBE_PROBE_S)
    return [each for each in survey.judged(("strobe_levels",)) if each.verdict == "FAIL"]


def _is_bad(judged: list[Judged], plates: int) -> bool:
    """Whether one of the plates' own values is beyond WARN; a rate of the node's takes its time to settle."""
    failed = {each.name for each in judged if each.verdict == "FAIL"}
    return "strobe_levels" in failed or (plates >= BAD_SIGHTINGS_MIN and bool(failed & PLATE_VALUES))


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


def aim(context: Context) -> Ended:
    """Where plates pass, how large and how upright they are."""
    return _measured(
        context, ("plate_width_px", "char_height_px", "roll_deg", "tilt_deg", "side_deg", "centre_x", "centre_y")
    )


def focus(context: Context) -> Ended:
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


def exposure(context: Context) -> Ended:
    """How far plates are smeared at speed, and how bright they are."""
    return _measured(context, ("blur_px", "ground_level", "saturated_share"))


def illumination(context: Context) -> Ended:
    """What the strobe adds, and how well characters stand out."""
    strobe = say_strobe(context)
    added = context.measuring().values()["strobe_levels"]
    judged = measure(context, ("contrast", "ground_level"), lambda c: c.measuring().sightings >= SIGHTINGS_WANTED,
                     20.0 if strobe == "FAIL" else SECONDS_MAX)  # fmt: skip
    judged = [Judged("strobe_levels", added, strobe), *judged]
    return Ended(worst(each.verdict for each in judged), judged)


def trigger(context: Context) -> Ended:
    """Whether every pulse brings a frame."""
    ends_s = time.monotonic() + TRIGGER_SECONDS
    return _measured(context, ("fps_share", "lost_share", "timeouts"), lambda _: time.monotonic() > ends_s)


def region(context: Context) -> Ended:
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
