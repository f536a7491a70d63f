"""Writes down at each start which settings differ from those of the last, with their new values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from anpr_node.audit.chain import append
from anpr_node.audit.entry import Entry, dump
from anpr_node.whole_file import write_whole

CONFIGURATION_NAME = "configuration.json"


def note_configuration(folder: Path, actor: str, settings: dict[str, Any], at_ns: int) -> bool:
    """Write down which settings differ from those of the last start, with their new values; whether any do.

    Raises:
        StoreError: it could not be written.

    """
    path = folder / CONFIGURATION_NAME
    flat = {f"{section}.{key}": value for section, keys in settings.items() for key, value in _named(keys).items()}
    try:
        before = json.loads(path.read_bytes())
    except (OSError, ValueError):
        before = {}
    changed = {key: flat.get(key) for key in sorted(flat.keys() | before.keys()) if flat.get(key) != before.get(key)}
    if changed:
        append(folder, Entry(actor, "configuration", rows=len(changed), detail=changed if before else {}), at_ns)
        write_whole(path, dump(flat))
    return bool(changed)


def _named(section: dict[str, Any] | list[dict[str, Any]]) -> dict[str, Any]:
    """A table of the settings, or the tables of a list by their names."""
    return section if isinstance(section, dict) else {str(each["name"]): each for each in section}
