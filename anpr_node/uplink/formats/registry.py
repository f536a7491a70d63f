"""Which format has which name in node.toml."""

from __future__ import annotations

from anpr_node.uplink.formats import Format
from anpr_node.uplink.formats.json_batch import JsonBatch


def format_of(name: str) -> Format:
    """The format of that name; the settings allow no other."""
    formats: dict[str, type[Format]] = {"json": JsonBatch}
    return formats[name]()
