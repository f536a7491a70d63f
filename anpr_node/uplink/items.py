"""Rows of the store as the records that are sent: a read, a hit, a verdict, a picture.

SQLite writes the JSON of a record itself, so that packing a backlog does not hold the interpreter while the camera's
loop wants it. The record's keys are one for all formats; nothing here knows of a format or of a network.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from anpr_node.config import SinkSection
from anpr_node.store.outbox import Waiting
from anpr_node.store.reads import load_evidence
from anpr_node.store.silence import HIDDEN_READ

PICTURES = {"patch": "patch", "overview": "overview", "night": "overview"}

_READ = """json_object(
    'read_id', r.read_id, 'node_id', r.node_id, 'vrm', r.vrm, 'country', r.country, 'confidence', r.confidence,
    'candidates', json(r.candidates), 'votes', r.votes, 'first_seen_ns', r.first_seen_ns,
    'last_seen_ns', r.last_seen_ns, 'clock_source', r.clock_source, 'clock_offset_ms', r.clock_offset_ms,
    'clock_age_s', r.clock_age_s, 'clock_corrected_ns', r.clock_corrected_ns, 'lane', r.lane,
    'direction', r.direction, 'box', json(r.box), 'plate_width_px', r.plate_width_px, 'exposure_us', r.exposure_us,
    'model_id', r.model_id, 'software_version', r.software_version, 'flags', json(r.flags), 'corrects', r.corrects,
    'patch_sha256', (SELECT e.sha256 FROM evidence e WHERE e.read_id = r.read_id AND e.kind = 'patch'),
    'overview_sha256', (SELECT e.sha256 FROM evidence e WHERE e.read_id = r.read_id AND e.kind = 'overview'),
    'sealed', CASE WHEN r.sealed IS NULL THEN NULL ELSE lower(hex(r.sealed)) END
)"""
_HIT = """json_object(
    'hit_id', h.hit_id, 'read_id', h.read_id, 'list_id', h.list_id, 'category', h.category, 'priority', h.priority,
    'reason', h.reason, 'issuer', h.issuer, 'actions', json(h.actions), 'match', h.match,
    'raised_at_ns', h.raised_at_ns, 'held_back', h.held_back, 'relay_latency_us', h.relay_latency_us
)"""
_VERDICT = """json_object(
    'hit_id', h.hit_id, 'verdict', h.verdict, 'verified_by', h.verified_by, 'verified_at_ns', h.verified_at_ns
)"""
_REV = "r.clock_corrected_ns IS NOT NULL"
_VISIBLE = f"(:silent OR NOT {HIDDEN_READ})"
_IDS = "json_each(:ids) i"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to send: `id` and `rev` are what a sink knows it by. `record` is JSON; a hit comes with its read's.

    `rev` grows when the same thing changed: a read whose time was corrected, a verdict that was revised.
    """

    kind: str
    id: str
    rev: int
    record: str
    read: str | None = None
    patch: bytes | None = None
    jpeg: bytes | None = None
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Loader:
    """Fetches what a sink may see of rows of the outbox; what it may not see, or is gone, is left out."""

    database: Database
    sink: SinkSection
    only_hits_before_ns: int

    def load(self, kind: str, rows: Sequence[Waiting], *, inline: bool) -> Iterator[Item]:
        """The items of some rows, in their order; with `inline` reads and hits bring their patch along."""
        ids = [row.ref for row in rows]
        if kind in {"hit", "batch"}:
            yield from self._hits(kind, ids, inline)
        elif kind == "verdict":
            yield from self._verdicts(ids)
        elif kind == "read":
            yield from self._reads(ids, inline)
        else:
            for read_id in ids:
                yield from self._picture(kind, read_id)

    def _query(self, query: str, ids: Sequence[str]) -> Iterator[tuple[str, ...]]:
        values = {
            "ids": json.dumps(ids),
            "silent": self.sink.gets_silent,
            "only_hits_before_ns": self.only_hits_before_ns,
            "categories": json.dumps(self.sink.categories),
            "all": not self.sink.categories,
        }
        used = {name: value for name, value in values.items() if f":{name}" in query}
        yield from self.database.execute(query, used)

    def _reads(self, ids: Sequence[str], inline: bool) -> Iterator[Item]:
        query = (
            f"SELECT r.read_id, {_REV}, {_READ} FROM {_IDS} JOIN read r ON r.read_id = i.value "
            f"WHERE {_VISIBLE} ORDER BY i.key"
        )
        for read_id, rev, record in self._query(query, ids):
            patch = self._jpeg(read_id, "patch") if inline and self.sink.pictures else None
            yield Item("read", read_id, int(rev), record, patch=patch)

    def _hits(self, kind: str, ids: Sequence[str], inline: bool) -> Iterator[Item]:
        query = (
            f"SELECT h.hit_id, {_REV}, {_HIT}, {_READ}, r.read_id FROM {_IDS} JOIN {self._table} h "
            "ON h.hit_id = i.value JOIN read r ON r.read_id = h.read_id "
            f"WHERE {self._category} ORDER BY i.key"
        )
        for hit_id, rev, record, read, read_id in self._query(query, ids):
            patch = self._jpeg(read_id, "patch") if inline and self.sink.pictures else None
            yield Item("hit", hit_id, int(rev), record, read, patch, urgent=kind == "hit")

    def _verdicts(self, ids: Sequence[str]) -> Iterator[Item]:
        query = (
            f"SELECT h.hit_id, h.verified_at_ns, {_VERDICT} FROM {_IDS} JOIN {self._table} h ON h.hit_id = i.value "
            f"WHERE h.verdict IS NOT NULL AND {self._category} ORDER BY i.key"
        )
        for hit_id, rev, record in self._query(query, ids):
            yield Item("verdict", hit_id, int(rev), record)

    @property
    def _table(self) -> str:
        return "hit" if self.sink.gets_silent else "shown_hit"

    @property
    def _category(self) -> str:
        return "(:all OR h.category IN (SELECT value FROM json_each(:categories)))"

    def _picture(self, kind: str, read_id: str) -> Iterator[Item]:
        query = (
            "SELECT json_object('read_id', e.read_id, 'sha256', e.sha256, 'sealed', json(CASE WHEN r.sealed IS NULL "
            f"THEN 'false' ELSE 'true' END)) FROM {_IDS} JOIN read r ON r.read_id = i.value JOIN evidence e "
            f"ON e.read_id = r.read_id AND e.kind = '{PICTURES[kind]}' WHERE {_VISIBLE}"
        )
        for (record,) in self._query(query, [read_id]):
            yield Item(PICTURES[kind], read_id, 0, record, jpeg=self._jpeg(read_id, PICTURES[kind]))

    def _jpeg(self, read_id: str, kind: str) -> bytes | None:
        picture = load_evidence(self.database, read_id, kind)
        return bytes(picture[0]) if picture else None
