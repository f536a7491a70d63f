"""What a change of settings goes through: read as typed, checked, allowed, saved, and taken over by the running node.

It shows no settings; the commands do.
"""

from __future__ import annotations

import time
import tomllib
from typing import Any

from anpr_node import config
from anpr_node.config import Settings, layers
from anpr_node.console.context import Context
from anpr_node.console.session_commands import asked
from anpr_node.errors import AnprError, ConfigError, RefusedByPolicy

NODE_BACK_S = 30.0
LEGAL = frozenset({"policy", "store", "hotlists", "sms", "models", "uplink", "console", "queue"})
"""Sections that are no technician's: what is kept, which lists count, who is told."""
POLICY_RIGHT = "console policy"
WITHHELD = "(withheld)"
"""In place of what names people."""


def parse_value(text: str, annotation: Any) -> Any:
    """A value as TOML writes it; what is no TOML is a text."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        value = text
    wants_text = annotation is str or "str" in str(annotation)
    if wants_text and not isinstance(value, (str, list, dict)):
        return text
    return float(value) if annotation is float and isinstance(value, int) and not isinstance(value, bool) else value


def checked(context: Context, change: dict[str, Any]) -> Settings:
    """The settings as they would be. Raises ConfigError, naming the key and what is allowed."""
    source = context.settings.source
    base = layers.over(source, config.read_own(source)) if source else context.settings.model_dump(mode="json")
    return config.parse(without_nothing(layers.merge(base, change)), "not set")


def without_nothing(values: dict[str, Any]) -> dict[str, Any]:
    """TOML has no word for no value: such a key is left out, and is what is built in."""
    return {
        key: without_nothing(value) if isinstance(value, dict) else value
        for key, value in values.items()
        if value is not None
    }


def source_of(context: Context) -> Any:
    """The settings' file. Raises AnprError where there is none to write beside."""
    if context.settings.source is None:
        raise AnprError("these are the built-in settings, there is no file: start with anpr-node console --config FILE")
    return context.settings.source


def may_change(context: Context, section: str) -> bool:
    """Whether a section is this role's."""
    return section not in LEGAL or context.person.may(POLICY_RIGHT)


def check_may(context: Context, section: str, key: str) -> None:
    """Raises RefusedByPolicy, noted, for a section that is not this role's."""
    if not may_change(context, section):
        problem = f"{key} is not for the role {context.person.role}"
        context.note("set", "refused", key=key, problem=problem)
        raise RefusedByPolicy(problem)


def keep(context: Context, change: dict[str, Any]) -> None:
    """Save a change, and let the node go over to it. Raises ConfigError and StoreError: then nothing is changed."""
    source = source_of(context)
    for section in change:
        check_may(context, section, section)
    checked(context, change)
    described = layers.describe(context.settings.model_dump(), change)
    context.note("save", change=described)
    layers.save(source, change, context.person.name, time.time(), ", ".join(described))
    layers.end_trial(source)
    context.pending = {}
    context.terminal.say(f"saved: {', '.join(described)}")
    reload_node(context)


def reload_node(context: Context) -> None:
    """Let the running node go over to the settings as they are now, and wait until it answers again."""
    before = context.settings
    context.reread()
    try:
        start = context.node.call("hello")["start"]
        context.node.call("reload")
    except AnprError:
        context.terminal.say("no node runs: the settings count when it starts")
        return
    context.terminal.say("the node goes over to it ...")
    if not wait_for_another(context, start):
        context.settings = before
        raise ConfigError("the node has not come back with these settings yet: see `logs` and `status`, or `undo`")
    context.terminal.say("it runs")


def wait_for_another(context: Context, start: int) -> bool:
    """Whether a node that started later answers, within a while, with the settings that count now."""
    wanted = context.settings.model_dump(mode="json")
    ends_s = time.monotonic() + NODE_BACK_S
    while time.monotonic() < ends_s:
        try:
            hello = context.node.call("hello")
            if hello["start"] != start and hello["settings"] == wanted:
                return True
        except AnprError:
            pass
        if context.terminal.stopped(0.2) and asked(context, "a key: wait no longer for the node?"):
            return False
    return False
