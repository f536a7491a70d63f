"""ClickHouse over HTTP: `INSERT … FORMAT JSONEachRow`, many rows in one request, with nothing of ours in between.

Every batch carries a deduplication token, which is the same when the same batch comes again. `schema` gives the tables;
rows that are older than the law allows go by themselves (TTL). Pictures stay on the node.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any
from urllib.parse import urlencode

from anpr_node.policy import Terms
from anpr_node.uplink.answer import Answer
from anpr_node.uplink.formats import NoReceipt, Request, Site, Taken
from anpr_node.uplink.formats.json_batch import GZIP, LEVEL, token_of
from anpr_node.uplink.items import Item

TABLES = {"read": "anpr_read", "hit": "anpr_hit", "verdict": "anpr_verdict"}
HEARTBEATS = "anpr_heartbeat"


class ClickHouse:
    """Rows for the tables of clickhouse.sql."""

    kinds = frozenset({"hit", "verdict", "batch", "read"})
    items_max = 4_000
    in_flight = 1  # a batch that comes again is known by its token, and must be the same one
    inline: frozenset[str] = frozenset()

    def request(self, url: str, items: Sequence[Item], site: Site) -> Request | None:
        """All items in one insert; a courier brings those of one kind."""
        return _insert(url, TABLES[items[0].kind], token_of(site.node_id, items), _rows(items))

    def heartbeat(self, url: str, beat: Mapping[str, Any], site: Site) -> Request | None:
        """A row with the whole of it as JSON."""
        row = json.dumps({"node_id": site.node_id, "at_ns": site.now_ns, "heartbeat": json.dumps(beat)})
        return _insert(url, HEARTBEATS, f"{site.node_id}-{site.now_ns}", [row])

    def receipt(self, answer: Answer, request: Request) -> Taken:
        """Only the server itself answers with such headers; an error after the status stands in the body."""
        if not any(name.lower().startswith("x-clickhouse-") for name in answer.headers):
            raise NoReceipt("the answer is not that of a ClickHouse server")
        if b"DB::Exception" in answer.body:
            raise NoReceipt("the server broke off with an exception")
        return Taken()


def _insert(url: str, table: str, token: str, rows: Sequence[str] | Iterator[str]) -> Request:
    settings = {
        "query": f"INSERT INTO {table} FORMAT JSONEachRow",
        "insert_deduplication_token": token,
        "insert_deduplicate": "1",
        "async_insert": "0",
        "input_format_skip_unknown_fields": "1",
        "input_format_null_as_default": "1",
    }
    packer = zlib.compressobj(LEVEL, wbits=GZIP)
    parts = [packer.compress(f"{row}\n".encode()) for row in rows]
    body = b"".join([*parts, packer.flush()])
    joint = "&" if "?" in url else "?"
    return Request(url + joint + urlencode(settings), body, {"Content-Encoding": "gzip"}, token)


def _rows(items: Sequence[Item]) -> Iterator[str]:
    for item in items:
        if item.kind == "hit":
            row = {**json.loads(item.read or "{}"), **json.loads(item.record), "rev": item.rev, "urgent": item.urgent}
            yield json.dumps(row)
        else:
            yield f'{{"rev":{item.rev},{item.record[1:]}'


def schema(terms: Terms) -> str:
    """The tables, as statements; under terms that keep hits only, a read stays as long as its hit."""
    text = resources.files(__package__).joinpath("clickhouse.sql").read_text(encoding="utf-8")
    reads_days = terms.reads_days if terms.store_non_hits else terms.hits_days
    return text.replace("{reads_days}", str(reads_days)).replace("{hits_days}", str(terms.hits_days))
