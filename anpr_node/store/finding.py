"""Finds reads again: by plate, wildcard, near miss, time, direction, country, list category, or by id.

It only reads. Who may look, and how far back, is decided in search.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from sqlite_utils import Database

from anpr_node.errors import StoreError
from anpr_node.store.silence import HIDDEN_READ

FEW = 50_000
"""A pattern's known beginning that fits fewer reads than this is looked up by plate; a commoner one by time."""
BEYOND = "\uffff"
ROWS_AT_ONCE = 500

COLUMNS = "r.read_id, r.vrm, r.country, r.confidence, r.first_seen_ns, r.lane, r.direction, r.clock_corrected_ns"


@dataclass(frozen=True, slots=True)
class Criteria:
    """What to look for. In `pattern` `?` is one character and `*` any; times are UTC nanoseconds, None is open.

    `near`, where given, are the texts that the pattern may have been misread as: any of them is found as well.
    """

    pattern: str
    from_ns: int | None = None
    to_ns: int | None = None
    country: str | None = None
    direction: str | None = None
    category: str | None = None
    near: tuple[str, ...] = ()
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class FoundRead:
    """What a search shows of a read.

    `hit_categories` are those of its hits, save silent ones; `clock_corrected_ns` says by how much its time was moved,
    None: it was not.
    """

    read_id: str
    vrm: str
    country: str | None
    confidence: float
    first_seen_ns: int
    lane: str
    direction: str
    clock_corrected_ns: int | None
    hit_categories: tuple[str, ...]


def find_reads(database: Database, wanted: Criteria, only_hits_before_ns: int = 0) -> list[FoundRead]:
    """The reads that fit, newest first; rows that were corrected later are left out.

    So are those from before `only_hits_before_ns` that are there for a silent hit.

    First an index alone says which rows may fit, newest first; then so many of them are looked at as are wanted.

    Raises:
        StoreError: the store cannot be read.

    """
    found: list[FoundRead] = []
    try:
        source, conditions, values = _by_text(database, wanted)
        conditions += ["r.first_seen_ns >= :from_ns"] * (wanted.from_ns is not None)
        conditions += ["r.first_seen_ns < :to_ns"] * (wanted.to_ns is not None)
        values |= {"from_ns": wanted.from_ns, "to_ns": wanted.to_ns}
        query = f"SELECT r.rowid FROM {source} WHERE {' AND '.join(conditions)} ORDER BY r.first_seen_ns DESC"
        rowids = database.execute(query, values)
        while len(found) < wanted.limit and (some := [rowid for (rowid,) in rowids.fetchmany(ROWS_AT_ONCE)]):
            found += _look_at(database, some, wanted, only_hits_before_ns)
    except sqlite3.Error as error:
        raise StoreError(f"the search failed: {error}; see: anpr-node check") from error
    return found[: wanted.limit]


def _by_text(database: Database, wanted: Criteria) -> tuple[str, list[str], dict[str, object]]:
    """Which index to walk along, and what the text must fulfil.

    The index by plate finds few reads at once; but what fits many would have to be sorted, and so is found along time.
    """
    by_plate, by_time = "read r INDEXED BY read_by_vrm", "read r INDEXED BY read_by_time"
    if wanted.near:
        names = {f"near{n}": text for n, text in enumerate(wanted.near)}
        return by_plate, [f"r.vrm IN ({', '.join(f':{name}' for name in names)})"], dict(names)
    begin = _beginning(wanted.pattern)
    if begin == wanted.pattern:
        return by_plate, ["r.vrm = :pattern"], {"pattern": wanted.pattern}
    values: dict[str, object] = {"pattern": wanted.pattern, "begin": begin, "end": begin + BEYOND}
    globbed = ["r.vrm GLOB :pattern"]
    if wanted.category is not None:
        values["category"] = wanted.category
        hits = "(SELECT DISTINCT read_id FROM shown_hit WHERE category = :category)"
        return f"{hits} h JOIN read r ON r.read_id = h.read_id", globbed, values
    if begin and _are_few(database, values):
        return by_plate, ["r.vrm >= :begin AND r.vrm < :end", *globbed], values
    return by_time, globbed if wanted.pattern != "*" else ["r.vrm IS NOT NULL"], values


def _beginning(pattern: str) -> str:
    """The pattern up to its first wildcard."""
    return pattern[: min((at for sign in "?*" if (at := pattern.find(sign)) >= 0), default=len(pattern))]


def _are_few(database: Database, values: dict[str, object]) -> bool:
    within = "SELECT 1 FROM read WHERE vrm >= :begin AND vrm < :end LIMIT :few"
    found = database.execute(f"SELECT count(*) FROM ({within})", {**values, "few": FEW}).fetchone()
    return int(found[0]) < FEW


def _look_at(database: Database, rowids: list[int], wanted: Criteria, only_hits_before_ns: int) -> list[FoundRead]:
    """Those of some rows that fulfil the rest."""
    rows = database.query(
        f"""
        SELECT {COLUMNS},
               (SELECT group_concat(DISTINCT h.category) FROM shown_hit h WHERE h.read_id = r.read_id) AS categories
        FROM read r
        WHERE r.rowid IN ({", ".join(map(str, rowids))})
          AND (:country IS NULL OR r.country = :country)
          AND (:direction IS NULL OR r.direction = :direction)
          AND (:category IS NULL OR EXISTS (
              SELECT 1 FROM shown_hit h WHERE h.read_id = r.read_id AND h.category = :category))
          AND NOT EXISTS (SELECT 1 FROM read newer WHERE newer.corrects = r.read_id)
          AND NOT {HIDDEN_READ}
        ORDER BY r.first_seen_ns DESC, r.read_id DESC
        """,
        {
            "country": wanted.country,
            "direction": wanted.direction,
            "category": wanted.category,
            "only_hits_before_ns": only_hits_before_ns,
        },
    )
    return [_found(row) for row in rows]


def _found(row: dict[str, object]) -> FoundRead:
    categories = str(row.pop("categories") or "")
    return FoundRead(**row, hit_categories=tuple(categories.split(",")) if categories else ())  # type: ignore[arg-type]


def whole_read(database: Database, read_id: str, only_hits_before_ns: int = 0) -> dict[str, object] | None:
    """Every column of one read, with its hits and the reads that correct it; None where there is none to be shown."""
    values = {"read_id": read_id, "only_hits_before_ns": only_hits_before_ns}
    rows: Iterator[dict[str, object]] = database.query(
        f"SELECT * FROM read r WHERE read_id = :read_id AND NOT {HIDDEN_READ}", values
    )
    row = next(iter(rows), None)
    if row is None:
        return None
    hits = list(database.query("SELECT * FROM shown_hit WHERE read_id = ? ORDER BY hit_id", [read_id]))
    newer = f"SELECT read_id FROM read r WHERE corrects = :read_id AND NOT {HIDDEN_READ} ORDER BY read_id"
    corrected_by = [found for (found,) in database.execute(newer, values).fetchall()]
    row.pop("overview_key")  # says nothing of the read, and is nobody's business
    return {**row, "hits": hits, "corrected_by": corrected_by}


def reads_before(database: Database, moment_ns: int, only_hits_before_ns: int = 0) -> bool:
    """Whether any read that may be shown is older than a moment."""
    query = f"SELECT 1 FROM read r WHERE first_seen_ns < :moment_ns AND NOT {HIDDEN_READ} LIMIT 1"
    values = {"moment_ns": moment_ns, "only_hits_before_ns": only_hits_before_ns}
    return database.execute(query, values).fetchone() is not None
