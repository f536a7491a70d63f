"""Which format has which name in node.toml, and what a sink of it is to get."""

from __future__ import annotations

from anpr_node.config import SinkSection
from anpr_node.uplink.formats import Format
from anpr_node.uplink.formats.clickhouse import ClickHouse
from anpr_node.uplink.formats.json_batch import JsonBatch
from anpr_node.uplink.formats.openalpr import OpenAlpr
from anpr_node.uplink.formats.platerecognizer import PlateRecognizer

OF_SETTING = {
    "hits": ("hit", "batch", "verdict"),
    "reads": ("read",),
    "patches": ("patch",),
    "overviews": ("overview", "night"),
}


def format_of(name: str) -> Format:
    """The format of that name; the settings allow no other."""
    formats: dict[str, type[Format]] = {
        "json": JsonBatch,
        "openalpr": OpenAlpr,
        "platerecognizer": PlateRecognizer,
        "clickhouse": ClickHouse,
    }
    return formats[name]()


def kinds_of(sink: SinkSection, format_: Format | None = None) -> frozenset[str]:
    """The kinds of the outbox that a sink takes: what it is to get, as far as its format has words for it."""
    wanted = {kind for setting in sink.kinds for kind in OF_SETTING[setting]}
    without = set() if sink.pictures else {"patch", "overview", "night"}
    return frozenset(wanted - without) & (format_ or format_of(sink.format)).kinds
