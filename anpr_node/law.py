"""Holds every command to the law that the node itself runs under: a caller's own settings do not decide it.

The node writes its settings down at each start (`audit.note_configuration`). Of these the policy, the lists with their
keys, the sealing and the kind of camera are the law of that state folder. A command that comes with others is refused,
unless who calls it may change the node's settings; then it is in the audit. A folder that no node has started on is its
maker's own. Nothing here changes settings on the card.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from anpr_node import access, audit
from anpr_node.access import Person
from anpr_node.config import PolicySection, Settings
from anpr_node.errors import RefusedByPolicy

SECTIONS = ("policy", "hotlists")
KEYS = ("camera.kind", "store.sealed_for")
SIMULATED = ("simulated", "replay")
BY_THE_NODE = frozenset({"run", "console"})
"""What the node's own account starts: the node itself, and the console at the cabinet, which is there to repair it."""
NAMED_MAX = 5


def hold(settings: Settings, command: str, person: Person | None) -> None:
    """Let a command go on under the node's law. `person` is None where the command answers anyone.

    Raises:
        RefusedByPolicy: the settings differ from the node's in what is law; it is in the audit.
        StoreError: the audit cannot be written.

    """
    folder = settings.state_folder
    node = of_node(folder)
    if node is None or not (other := _differing(node, of_settings(settings))):
        return
    if command in BY_THE_NODE and access.is_the_nodes(folder):
        return  # what changed is written down at the node's start, and it starts even where nobody can be looked up
    who = person or access.by_account(settings)
    name = who.name if who else access.login_name(folder)
    if who is not None and _may_change(node, who):
        audit.append(folder, audit.Entry(name, "other settings", object_ref=command, rows=len(other), detail=other))
        return
    problem = _explain(list(other))
    audit.append(folder, audit.Entry(name, command, "refused", detail={"problem": problem, **other}))
    raise RefusedByPolicy(problem)


def under(settings: Settings) -> Settings:
    """The settings with the node's own policy: for commands that anyone may call to look at figures."""
    node = of_node(settings.state_folder) or {}
    policy = {key.removeprefix("policy."): value for key, value in node.items() if key.startswith("policy.")}
    try:
        return settings.model_copy(update={"policy": PolicySection.model_validate(policy)}) if policy else settings
    except ValidationError:  # it is of another version: the node writes it anew when it starts
        return settings


def of_node(folder: Path) -> dict[str, Any] | None:
    """What of the settings of the node's last start is law, by key; None where no node has started on the folder."""
    try:
        return _law(json.loads((folder / audit.CONFIGURATION_NAME).read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError):
        return {}  # it differs from everything until the node starts again


def of_settings(settings: Settings) -> dict[str, Any]:
    """What of some settings is law, by key."""
    content = settings.model_dump(mode="json")
    return _law(
        {f"{name}.{key}": value for name in ("camera", "store", *SECTIONS) for key, value in content[name].items()}
    )


def _law(flat: dict[str, Any]) -> dict[str, Any]:
    law: dict[str, Any] = {}
    for key, value in flat.items():
        if key in KEYS or key.startswith(tuple(f"{name}." for name in SECTIONS)):
            law |= _leaves(key, value)
    return law


def _leaves(key: str, value: Any) -> dict[str, Any]:
    """A table as its single keys: `hotlists.lists.stolen.url`."""
    if not isinstance(value, dict):
        return {key: value}
    return {leaf: each for name, inner in value.items() for leaf, each in _leaves(f"{key}.{name}", inner).items()}


def _differing(node: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The keys that differ, with the caller's value; what is not said is None."""
    return {key: other.get(key) for key in sorted(node.keys() | other.keys()) if node.get(key) != other.get(key)}


def _may_change(node: dict[str, Any], who: Person) -> bool:
    """The service role, and the owner of a simulated roadside, or of one where nobody is named."""
    if who.role == access.OWNER:
        return node.get("camera.kind") in SIMULATED
    return who.role in {access.SERVICE, access.FIRST}


def _explain(keys: list[str]) -> str:
    more = f" and {len(keys) - NAMED_MAX} more" if len(keys) > NAMED_MAX else ""
    return (
        f"{', '.join(keys[:NAMED_MAX])}{more}: not as the node runs with it; leave out --config, or name the node's "
        "own file; if that one was changed, start the node again; other settings are for the role service"
    )
