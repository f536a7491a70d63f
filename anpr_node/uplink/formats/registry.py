"""Which format has which name in node.toml."""

from __future__ import annotations

from anpr_node.uplink.formats import Format
from anpr_node.uplink.formats.clickhouse import ClickHouse
from anpr_node.uplink.formats.json_batch import JsonBatch
from anpr_node.uplink.formats.openalpr import OpenAlpr
from anpr_node.uplink.formats.platerecognizer import PlateRecognizer


def format_of(name: str) -> Format:
    """The format of that name; the settings allow no other."""
    formats: dict[str, type[Format]] = {
        "json": JsonBatch,
        "openalpr": OpenAlpr,
        "platerecognizer": PlateRecognizer,
        "clickhouse": ClickHouse,
    }
    return formats[name]()
