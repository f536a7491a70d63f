"""bundle, update, reboot, bench: when something does not work, and for trying out. Nothing here shows a plate."""

from __future__ import annotations

import io
import json
import platform
import shutil
import subprocess
import zipfile
from typing import Any

from anpr_node import __version__, audit
from anpr_node import status as standing
from anpr_node.config import Settings, layers
from anpr_node.console.changing import WITHHELD, reload_node
from anpr_node.console.context import Context, NotUnderstood
from anpr_node.console.look_commands import node_or_none
from anpr_node.console.picture_commands import offer
from anpr_node.console.registry import command
from anpr_node.console.session_commands import asked
from anpr_node.errors import AnprError
from anpr_node.store.database import use_store
from anpr_node.store.events import last_events

COMMAND_S = 600.0
EVENTS_IN_BUNDLE = 500


@command("bundle", "repair", "console repair", "bundle", "pack what support needs, without personal data")
def bundle(context: Context, _: list[str]) -> None:
    """Packs versions, settings, status, counters, alarms of the last weeks, log lines, installation measurements and
    the head of the audit: no read, no plate, no picture, no name and no number of a person, no key. `pull
    bundle.zip` fetches it.
    """
    data = make_bundle(context)
    context.note("bundle", size=len(data))
    offer(context, "bundle.zip", data)


def make_bundle(context: Context) -> bytes:
    """The bundle as a zip."""
    parts = {
        "about.json": {
            "node_id": context.settings.node.id,
            "software_version": __version__,
            "python": platform.python_version(),
            "machine": platform.machine(),
            "kernel": platform.release(),
            "disk": list(shutil.disk_usage(context.folder)),
        },
        "settings.json": impersonal(context.settings),
        "status.json": _status(context),
        "events.json": _events(context),
        "log.json": _ask(context, "log", count=500).get("lines", []),
        "numbers.json": _ask(context, "numbers"),
        "audit.json": {"head": audit.head(context.folder)},
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, json.dumps(content, indent=1, default=str))
    return buffer.getvalue()


def impersonal(settings: Settings) -> dict[str, Any]:
    """All settings, without those that name people, and without the lists' own."""
    values = settings.model_dump(mode="json")
    for section, key in layers.PERSONAL:
        if values.get(section, {}).get(key):
            values[section][key] = WITHHELD
    values["hotlists"] = {"lists": sorted(settings.hotlists.lists)}
    return values


def _status(context: Context) -> dict[str, Any]:
    found = standing.collect(context.settings)
    return {key: value for key, value in found.items() if key not in {"first_read_s", "last_read_s"}}


def _events(context: Context) -> list[dict[str, Any]]:
    with use_store(context.folder) as database:
        rows = last_events(database, EVENTS_IN_BUNDLE)
    return [{"at_ns": e.at_ns, "what": e.what, "kind": e.kind, "detail": e.detail} for e in rows]


def _ask(context: Context, what: str, **details: Any) -> dict[str, Any]:
    try:
        return context.node.call(what, **details)
    except AnprError as error:
        return {"error": str(error)}


@command("update", "repair", "console repair", "update [FILE]", "the software's version; install a signed image")
def update(context: Context, words: list[str]) -> None:
    """Without a file: which version runs, from which slot. With a signed image (a .raucb file on the node or an
    https:// address): install it into the other slot after a question; it counts after `reboot`, and the old one
    comes back by itself when the new one does not work.
    """
    context.terminal.say(f"anpr-node {__version__}")
    if shutil.which("rauc") is None:
        context.terminal.say("there is no update system on this machine (rauc): nothing can be installed from here")
        return
    if not words:
        _show(context, ["rauc", "status"])
        return
    if not asked(context, f"install {words[0]} into the other slot?"):
        raise NotUnderstood("nothing was installed")
    context.note("update", file=words[0])
    _show(context, ["rauc", "install", "--", words[0]])


def _show(context: Context, what: list[str]) -> None:
    done = subprocess.run(what, capture_output=True, text=True, timeout=COMMAND_S, check=False)
    for line in (done.stdout + done.stderr).splitlines():
        context.terminal.say(line, indent=4)
    if done.returncode:
        raise AnprError(f"{what[0]} failed ({done.returncode})")


@command("reboot", "repair", "console repair", "reboot", "start the machine anew, after a question")
def reboot(context: Context, _: list[str]) -> None:
    """Stops the node in order, what is read is kept, and starts the machine anew: about a minute without reading."""
    if not asked(context, "start the machine anew? it reads nothing for about a minute"):
        raise NotUnderstood("nothing was done")
    context.note("reboot")
    context.node.call("reboot")
    context.terminal.say("the node stops, then the machine starts anew")


@command("restart", "repair", "console repair", "restart", "stop and start the node, not the machine")
def restart(context: Context, _: list[str]) -> None:
    """The node stops in order and starts again with the settings as they are: a few seconds without reading."""
    context.note("restart")
    reload_node(context)


@command("bench", "repair", "console test", "bench [PART VALUE]", "turn the simulated roadside by hand",
         lambda _, __: ["lens_mm", "roll_deg", "pan_deg", "pitch_deg", "focus", "strobe"])  # fmt: skip
def bench(context: Context, words: list[str]) -> None:
    """For trying out, with the simulated roadside only: what hands would turn on a real pole. lens_mm, roll_deg
    (about the lens), pan_deg, pitch_deg, focus (turns away from sharp), strobe (0 dead, 1 repaired). +N and -N
    turn from where it is.
    """
    if node_or_none(context) is None:
        raise AnprError("no node runs")
    now = context.node.call("bench")["bench"]
    if words:
        part, value = _turn(words, now)
        now = context.node.call("bench", turn={part: value})["bench"]
        if context.survey is not None:
            context.survey.forget()
    context.terminal.say(", ".join(f"{part} {value:g}" for part, value in now.items()))


def _turn(words: list[str], now: dict[str, float]) -> tuple[str, float]:
    try:
        part, text = words
        value = float(text)
        return part, now[part] + value if text[0] in "+-" else value
    except (ValueError, KeyError):
        raise NotUnderstood("bench [PART VALUE]; see: help bench") from None
