"""relay, led, illuminator, trigger, list test, modem, selftest: each part tried by itself, with what was seen.

Nothing stays on: relay and lamp end by themselves in the node, whatever becomes of this session.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
import time
from pathlib import Path
from typing import Any

from anpr_node import check
from anpr_node.audit import By
from anpr_node.calibration.hints import hint_for
from anpr_node.calibration.verdicts import Verdict, judge
from anpr_node.console.context import Context, NotUnderstood
from anpr_node.console.look_commands import node_or_none
from anpr_node.console.registry import command
from anpr_node.hotlist.imports import Importer
from anpr_node.hotlist.lists import open_lists
from anpr_node.store.database import use_store
from anpr_node.units import NS_PER_S

TEST_LIST = "console-test"
OUTCOME_S = 5.0
TRIGGER_S = 5.0
LED_S = 4.0
RELAY_S = 1.0


@command("relay test", "test", "console test", "relay test [SECONDS]", "close the relay for a moment")
def relay_test(context: Context, words: list[str]) -> None:
    """Closes the relay for 1 second, or as long as given, never longer than outputs.relay_on_s_max (8 at most). The
    node opens it again by itself, also when this session ends. `install relay` asks as well whether it switched.
    """
    seconds = _number(words, RELAY_S, "relay test [SECONDS]")
    context.note("relay test", seconds=seconds)
    answer = context.node.call("relay", seconds=seconds)
    context.terminal.say(
        f"relay closed for {answer['seconds']:g} s" if answer["closed"] else "relay rests, it closes in a moment"
    )


@command("led test", "test", "console test", "led test", "flicker the status LED, then show the pattern of calibrating")
def led_test(context: Context, _: list[str]) -> None:
    """For 4 seconds the flicker of a hit, then for 4 seconds one second on, one second off. After that it shows again
    what holds.
    """
    context.node.call("led", pattern="hit", seconds=LED_S)
    context.terminal.say("the LED flickers now, as at a hit")
    context.terminal.stopped(LED_S)
    context.node.call("led", pattern="calibrating", seconds=LED_S)
    context.terminal.say("now: one second on, one second off, for 4 seconds")


@command(
    "illuminator test", "test", "console test", "illuminator test", "with and without strobe, and what the picture says"
)
def illuminator_test(context: Context, _: list[str]) -> None:
    """Takes a few frames with the strobe and one without, at the pulses that are set and so within the duty limit,
    and says how much light the strobe adds. It cannot be judged in bright daylight.
    """
    say_strobe(context)


def say_strobe(context: Context) -> Verdict:
    """Measure the strobe and say it."""
    survey = context.measuring()
    added = survey.probe_strobe(2.0)
    numbers = context.node.call("numbers")
    verdict = judge("strobe_levels", added)
    if added is None:
        context.terminal.say("WARN strobe: no dark frame came to compare with; try again")
        return verdict
    hint = "" if verdict == "OK" else ": " + hint_for("strobe_levels", {"strobe_levels": added}, survey.site)
    if numbers["illuminator_faulty"]:
        hint += "; its driver reports a fault"
    duty = context.settings.camera.exposure_us * context.settings.camera.fps / 1e6
    context.terminal.say(
        f"{verdict:<5}strobe adds {added:.1f} grey levels to the picture, at a duty of {duty:.2%}{hint}", indent=5
    )
    return verdict


@command("trigger test", "test", "console test", "trigger test", "count pulses and frames for five seconds")
def trigger_test(context: Context, _: list[str]) -> None:
    """Counts for five seconds: frames that came, frames that a late loop lost, pulses that brought no frame."""
    before = context.node.call("numbers")
    context.terminal.stopped(TRIGGER_S)
    after = context.node.call("numbers")
    seconds = (after["at_ns"] - before["at_ns"]) / NS_PER_S
    grown = {name: after[name] - before[name] for name in ("frames", "frames_lost", "timeouts")}
    rate = (grown["frames"] + grown["frames_lost"]) / max(seconds, 0.1)
    verdict = judge("fps_share", rate / context.settings.camera.fps)
    timeouts = judge("timeouts", float(grown["timeouts"]))
    worse = max(verdict, timeouts, key=("OK", "WARN", "FAIL").index)
    context.terminal.say(
        f"{worse:<5}{rate:.1f} pulses a second ({context.settings.camera.fps:g} set), {grown['frames']} frames, "
        f"{grown['frames_lost']} lost, {grown['timeouts']} pulses without a frame", indent=5
    )  # fmt: skip


@command("list test", "test", "console test", "list test", "a test plate through the whole chain, marked as a test")
def list_test(context: Context, _: list[str]) -> None:
    """Puts a plate (TEST and four digits) on a list of its own for the moment, hands a read of it to the recorder, and
    says what came of it: stored, matched, relay closed, waiting for the back office. Read and hit are marked as a test
    wherever they go.
    """
    verdict, text = run_list_test(context)
    context.terminal.say(f"{verdict:<5}{text}", indent=5)


def run_list_test(context: Context) -> tuple[Verdict, str]:
    """The verdict of the whole chain, in words."""
    context.note("list test")
    with use_store(context.folder) as database:
        vrm = f"TEST{secrets.randbelow(10_000):04d}"
        _import(context, database, "replace", vrm)
        try:
            read_id = context.node.call("test_read", vrm=vrm)["read_id"]
            outcome = _outcome(context, read_id)
        finally:
            _import(context, database, "remove", vrm)
    if not outcome["stored"]:
        return "FAIL", "the test read did not reach the card: see status and logs"
    hits = outcome["hits"]
    if not hits:
        return "FAIL", "the test read was stored and matched nothing: see status for the lists"
    held = hits[0]["held_back"]
    if held:
        return (
            "WARN",
            f"stored and matched, not signalled again so soon ({held}): wait {context.settings.hotlists.repeat_s:g} s",
        )
    relay = "relay closed" if outcome["relay_closed"] else "relay NOT closed"
    verdict: Verdict = "OK" if outcome["relay_closed"] else "FAIL"
    return (
        verdict,
        f"stored, matched on {hits[0]['list']} (category {hits[0]['category']}), {relay}, waits for the back office",
    )


def _import(context: Context, database: Any, operation: str, vrm: str) -> None:
    by = By(context.person.name, "TEST: list test on the console", time.time_ns())
    importer = Importer(open_lists(database, context.settings), context.settings, by)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.csv"
        path.write_text(f"vrm,category,reason\n{vrm},test,TEST by {context.person.name}\n", encoding="utf-8")
        importer.by_hand(path, TEST_LIST, operation, may_shrink=True)


def _outcome(context: Context, read_id: str) -> dict[str, Any]:
    ends_s = time.monotonic() + OUTCOME_S
    while True:
        outcome = context.node.call("outcome", read_id=read_id)
        if outcome["stored"] or time.monotonic() > ends_s:
            return outcome
        if context.terminal.stopped(0.1):
            return outcome


@command("selftest", "test", "console test", "selftest", "every check there is, with a summary")
def selftest(context: Context, _: list[str]) -> None:
    """The checks of anpr-node check: configuration, models, wiring, inputs, trigger, camera, clock, store, lists,
    uplink, modem, messages, disk, whether hits signal, people, encryption. Beside a running node those that need its
    pins and its camera are left out: use the tests for them.
    """
    running = node_or_none(context) is not None
    counts = {"OK": 0, "WARN": 0, "FAIL": 0}
    for finding in check.run(context.settings, claim=not running):
        counts[finding.verdict] += 1
        context.terminal.say(f"{finding.verdict:<5}{finding.item:<14}{finding.text}", indent=19)
    if running:
        context.terminal.say("OK   node          it runs: wiring, trigger and camera were left to it", indent=19)
    result = "FAIL" if counts["FAIL"] else "WARN" if counts["WARN"] else "OK"
    context.terminal.say(f"selftest {result}: {counts['OK']} OK, {counts['WARN']} WARN, {counts['FAIL']} FAIL")


@command("modem", "test", "console test", "modem [ping | cycle]", "signal, registration; ping; power off and on")
def modem(context: Context, words: list[str]) -> None:
    """Signal, operator, registration and address of the modem. `modem ping` opens a connection to modem.probe, `modem
    cycle` switches the modem's power off and on.
    """
    from anpr_node import modem_visit

    if not words:
        for line in modem_visit.as_text(modem_visit.standing(context.settings)):
            context.terminal.say(line, indent=4)
    elif words[0] == "ping":
        context.terminal.say(modem_visit.ping(context.settings), indent=4)
    elif words[0] == "cycle":
        context.note("modem cycle")
        context.terminal.say(modem_visit.cycle_power(context.settings, alone=False), indent=4)
    else:
        raise NotUnderstood("modem [ping | cycle]")


def _number(words: list[str], default: float, usage: str) -> float:
    with contextlib.suppress(ValueError):
        value = float(words[0]) if words else default
        if 0.05 <= value <= 3600:
            return value
    raise NotUnderstood(usage)
