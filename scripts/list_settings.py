"""Writes docs/settings.md anew: every key of node.toml, as anpr_node/config/ describes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from anpr_node import config
from anpr_node.config import ListSection, Settings, SinkSection

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
HEAD = """\
# The settings

Every key of `node.toml`, with what it is where nothing is set. A key that is not here is refused by its name, and so is
every value out of range; `anpr-node check` says which. On the console: `show`, `show camera`, `show camera.fps`.

Written by `scripts/list-settings` from `anpr_node/config/`; change it there.
"""


def page() -> str:
    """The page as it should be."""
    return "\n".join([HEAD, *sections()])


def sections() -> Iterator[str]:
    """A table for each section."""
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _table(f"[{name}]", [name], field.annotation)
        if name == "hotlists":
            yield from _table("[hotlists.lists.NAME]", [name, "lists", "NAME"], ListSection)
    yield from _table("[[sinks]]", ["sinks", "0"], SinkSection)


def _table(title: str, where: list[str], section: type[BaseModel]) -> Iterator[str]:
    yield f"## {title}\n\n{' '.join((section.__doc__ or '').split())}\n"
    yield "| key | unless set | may be | |\n|---|---|---|---|"
    for key, field in section.model_fields.items():
        yield f"| `{key}` | {_default(field)} | {config.may_be([*where, key])} | {field.description} |"
    yield ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    return "-" if value is None or value in ("", [], {}) else f"`{json.dumps(value, ensure_ascii=False)}`"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
