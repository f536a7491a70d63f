"""show, set, try, save, undo, history: settings that the console changes stand in a file of their own.

set (checked, waits here)  ->  try (counts for minutes, reverts by itself)  ->  save (counts, the old one is kept)
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from anpr_node import config
from anpr_node.config import Settings, layers
from anpr_node.console.changing import (
    LEGAL,
    WITHHELD,
    check_may,
    checked,
    keep,
    may_change,
    parse_value,
    reload_node,
    source_of,
)
from anpr_node.console.context import Context, NotUnderstood
from anpr_node.console.registry import command
from anpr_node.errors import AnprError

TRY_MINUTES, TRY_MINUTES_MAX = 5.0, 240.0
HISTORY_SHOWN = 20


def keys_of(settings: Settings) -> Iterator[str]:
    """Every key, as section.key."""
    for section in type(settings).model_fields:
        value = getattr(settings, section)
        if isinstance(value, BaseModel):
            yield from (f"{section}.{key}" for key in type(value).model_fields)


def _keys(context: Context, _: str) -> list[str]:
    return list(keys_of(context.settings))


@command(
    "show", "settings", "console look", "show [SECTION | SECTION.KEY]", "settings, and where each comes from", _keys
)
def show(context: Context, words: list[str]) -> None:
    """Shows values that differ from the built-in ones; with a section all of its keys, with a key what it means and may
    be. What names people is shown to those who may change it. The mark tells where a value comes from: file
    (node.toml), saved (by this console), trial, set (not yet tried).
    """
    wanted = words[0] if words else ""
    sections = type(context.settings).model_fields
    if wanted and wanted.split(".")[0] not in sections:
        raise NotUnderstood(f"no section {wanted}; there are: {', '.join(sections)}")
    if "." in wanted:
        explain(context, wanted)
        return
    shown = 0
    for key in keys_of(context.settings):
        section, _, name = key.partition(".")
        mark = origin(context, section, name)
        if (wanted == section) if wanted else bool(mark):
            shown += 1
            context.terminal.say(
                f"  {key:<32} {_value(context, section, name)}  {f'({mark})' if mark else ''}", indent=35
            )
    if not shown:
        context.terminal.say("all settings are the built-in ones")
    _say_trial(context)


def origin(context: Context, section: str, name: str) -> str:
    """Where a value comes from; empty for the built-in one."""
    if name in context.pending.get(section, {}):
        return "set"
    source = context.settings.source
    if source is None:
        return ""
    trial = layers.read_trial(source)
    for mark, values in (
        ("trial", trial.values if trial else {}),
        ("saved", layers.read_tool(source)),
        ("file", config.read_own(source)),
    ):
        if name in values.get(section, {}):
            return mark
    return ""


def _value(context: Context, section: str, name: str) -> str:
    value = context.pending.get(section, {}).get(name, getattr(getattr(context.settings, section), name))
    if value and (section, name) in layers.PERSONAL and not may_change(context, section):
        return WITHHELD
    if isinstance(value, dict):
        return f"{len(value)} entries: {', '.join(value)}" if value else "none"
    return "-" if value is None else f"{value}" if not isinstance(value, str) else repr(value)


def explain(context: Context, key: str) -> None:
    """One key: its value, what it means, what it may be."""
    section, name = _split(context.settings, key)
    about = type(getattr(context.settings, section)).model_fields[name]
    context.terminal.say(f"{key} = {_value(context, section, name)}")
    if about.description:
        context.terminal.say(f"  {about.description}")
    choices = config.may_be([section, name])
    if choices:
        context.terminal.say(f"  may be: {choices}", indent=10)
    mark = origin(context, section, name)
    context.terminal.say(f"  from: {mark or 'built in'}; built in: {about.get_default(call_default_factory=True)!r}")


@command("set", "settings", "console settings", "set SECTION.KEY VALUE", "change a setting, for `try` or `save`", _keys)
def set_(context: Context, words: list[str]) -> None:
    """Checks the value against its range and lets it wait: nothing works otherwise yet. `try` lets it count for some
    minutes, `save` for good, `undo` forgets it. Example: set camera.exposure_us 200.
    """
    if len(words) < 2:
        raise NotUnderstood("set SECTION.KEY VALUE; see the keys with: show SECTION")
    section, name = _split(context.settings, words[0])
    check_may(context, section, words[0])
    value = parse_value(" ".join(words[1:]), type(getattr(context.settings, section)).model_fields[name].annotation)
    change = layers.merge(context.pending, {section: {name: value}})
    checked(context, change)
    context.pending = change
    context.terminal.say(f"{words[0]} = {value!r} waits: `try` it, then `save` it")


def _split(settings: Settings, key: str) -> tuple[str, str]:
    if key not in set(keys_of(settings)):
        section = key.split(".", maxsplit=1)[0]
        near = [known for known in keys_of(settings) if known.startswith(f"{section}.") or known.endswith(f".{key}")]
        raise NotUnderstood(f"no setting {key}; {'there are: ' + ', '.join(near) if near else 'see: show'}")
    section, _, name = key.partition(".")
    return section, name


@command("try", "settings", "console settings", "try [MINUTES]", "let what was set count for some minutes")
def try_(context: Context, words: list[str]) -> None:
    """The node goes over to what was set, for 5 minutes or as many as are given (240 at most), and back by itself: also
    when the cable is pulled or the power fails. `save` keeps it.
    """
    minutes = _minutes(words)
    source = source_of(context)
    if not context.pending:
        raise NotUnderstood("nothing is set; begin with: set SECTION.KEY VALUE")
    checked(context, context.pending)
    context.note("try", minutes=minutes, change=layers.describe(context.settings.model_dump(), context.pending))
    layers.start_trial(source, context.pending, minutes * 60, context.person.name)
    reload_node(context)
    _say_trial(context)


def _minutes(words: list[str]) -> float:
    try:
        minutes = float(words[0]) if words else TRY_MINUTES
    except ValueError:
        raise NotUnderstood("try [MINUTES]") from None
    if not 0.05 <= minutes <= TRY_MINUTES_MAX:
        raise NotUnderstood(f"between 0.05 and {TRY_MINUTES_MAX:g} minutes")
    return minutes


def _say_trial(context: Context) -> None:
    source = context.settings.source
    trial = layers.read_trial(source) if source else None
    if trial is not None:
        keys = ", ".join(f"{s}.{k}" for s, row in trial.values.items() for k in row)
        context.terminal.say(
            f"on trial for {trial.left_s / 60:.1f} more minutes: {keys}; `save` keeps it, `undo` ends it"
        )


@command("save", "settings", "console settings", "save", "keep what was set or is on trial")
def save(context: Context, _: list[str]) -> None:
    """Writes what was set, or is on trial, into node.d/tool.toml, which stands over node.toml and is written by this
    console alone. The file before it is kept: `history` lists them, `undo` goes back. The node goes over to it at
    once.
    """
    source = source_of(context)
    trial = layers.read_trial(source)
    change = layers.merge(trial.values if trial else {}, context.pending)
    if not change:
        raise NotUnderstood("nothing is set or on trial; begin with: set SECTION.KEY VALUE")
    keep(context, change)


@command("undo", "settings", "console settings", "undo", "forget what was set, end a trial, or go back one save")
def undo(context: Context, _: list[str]) -> None:
    """Takes back the youngest thing: first what was set and waits, then a trial, then the last save. Once more goes
    back one more.
    """
    source = source_of(context)
    if context.pending:
        context.pending = {}
        context.terminal.say("what was set is forgotten; nothing had changed")
        return
    if layers.read_trial(source) is not None:
        context.note("undo", of="trial")
        layers.end_trial(source)
        context.terminal.say("the trial is over")
    else:
        before = _undo_save(context, source)
        context.terminal.say(f"back to what was saved {_moment(before.at_s)} by {before.by}: {before.what}")
    reload_node(context)


def _undo_save(context: Context, source: Any) -> layers.Saved:
    kept = layers.history(source)
    if not kept:
        raise AnprError("nothing is left to undo")
    now = layers.read_tool(source)
    for section in sorted(LEGAL):
        if kept[0].values.get(section) != now.get(section):
            check_may(context, section, f"undo of {section}")
    context.note("undo", of="save")
    before = layers.undo(source, context.person.name, time.time())
    if before is None:
        raise AnprError("nothing is left to undo")
    return before


@command("history", "settings", "console look", "history", "what was saved, when and by whom")
def history(context: Context, _: list[str]) -> None:
    """Lists what this console saved, the newest first, with who and when. `undo` goes back one."""
    source = source_of(context)
    now = layers.current(source)
    rows = ([now] if now else []) + layers.history(source)
    for number, row in enumerate(rows[:HISTORY_SHOWN]):
        context.terminal.say(f"{number:>3}  {_moment(row.at_s)}  {row.by:<12} {row.what}", indent=5)
    if not rows:
        context.terminal.say("this console has saved nothing yet")


def _moment(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M}Z"
