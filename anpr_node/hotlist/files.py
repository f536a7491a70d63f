"""The file of one list in one generation: an immutable SQLite table of sealed entries, sorted by tag.

It is written once, beside the store and away from its locks, and then only read; a new generation is a new file. Which
one is in force is not its business: `lists` says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from anpr_node import policy
from anpr_node.errors import HotlistError
from anpr_node.hotlist.rows import BadRow, GoodRow
from anpr_node.hotlist.sealing import Sealer
from anpr_node.records import HotlistEntry
from anpr_node.units import NS_PER_S

PATTERNS_MAX = 1000
"""Patterns are tried one by one with every read."""
BAD_ROWS_MAX = 100_000
CACHE_KIB = 16_384

_TABLES = """
CREATE TABLE entry (
    tag BLOB NOT NULL, country TEXT NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (tag, country)
) STRICT, WITHOUT ROWID;
CREATE TABLE pattern (
    tag BLOB NOT NULL, country TEXT NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (tag, country)
) STRICT, WITHOUT ROWID;
CREATE TABLE proof (sealed BLOB NOT NULL) STRICT;
CREATE TEMP TABLE staged (
    line INTEGER PRIMARY KEY, loose INTEGER, added INTEGER, tag BLOB, country TEXT, sealed BLOB
) STRICT;
"""
_TWICE = """
SELECT line FROM (
    SELECT line, row_number() OVER (PARTITION BY loose, tag, country ORDER BY line) AS nth FROM staged
) WHERE nth > 1 ORDER BY line
"""
_ABSENT = """
SELECT line FROM staged AS s WHERE NOT added
AND NOT EXISTS (SELECT 1 FROM before.entry AS e WHERE e.tag = s.tag AND e.country = s.country AND NOT s.loose)
AND NOT EXISTS (SELECT 1 FROM before.pattern AS p WHERE p.tag = s.tag AND p.country = s.country AND s.loose)
"""
_MERGE = """
INSERT INTO {table} SELECT tag, country, sealed FROM (
    SELECT tag, country, sealed FROM staged WHERE added AND loose = {loose}
    {kept}
) ORDER BY tag, country
"""
_KEPT = """UNION ALL
    SELECT tag, country, sealed FROM before.{table} AS b WHERE NOT EXISTS (
        SELECT 1 FROM staged AS s WHERE s.loose = {loose} AND s.tag = b.tag AND s.country = b.country
    )"""


@dataclass(frozen=True, slots=True)
class Built:
    """What a new file holds, and which rows were left out."""

    entries: int
    bad_rows: tuple[BadRow, ...]


def build(
    path: Path, rows: Iterable[GoodRow | BadRow], sealer: Sealer, pattern_key: str, before: Path | None = None
) -> Built:
    """Write a list file: the rows alone, or `before` with the rows' changes.

    Raises:
        HotlistError: the card is full, the rows break off, or there is no end of bad ones; then there is no file.

    """
    os.environ.setdefault("SQLITE_TMPDIR", str(path.parent))  # sorting needs room, and /tmp may be memory
    try:
        with contextlib.closing(_create(path)) as database:
            bad = _stage(database, rows, sealer, pattern_key)
            bad += _settle(database, before)
            entries = _merge(database, before)
            database.execute("INSERT INTO proof VALUES (?)", [sealer.seal(pattern_key, b"")[1]])
            database.commit()
        _sync(path)
    except (OSError, sqlite3.Error) as error:
        path.unlink(missing_ok=True)
        raise HotlistError(f"{path.parent}: the new list cannot be written: {error}; free some space") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Built(entries, tuple(sorted(bad, key=lambda row: row.line)))


def _create(path: Path) -> sqlite3.Connection:
    """A file that is thrown away when anything fails needs no journal."""
    path.unlink(missing_ok=True)
    database = sqlite3.connect(path.resolve().as_uri(), uri=True)  # so that `before` can be attached as what it is
    for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{CACHE_KIB}", "temp_store=FILE"):
        database.execute(f"PRAGMA {pragma}")
    database.executescript(_TABLES)
    database.execute("BEGIN")
    return database


def _stage(
    database: sqlite3.Connection, rows: Iterable[GoodRow | BadRow], sealer: Sealer, pattern_key: str
) -> list[BadRow]:
    """Take the rows in as they come; returns the bad ones."""
    bad: list[BadRow] = []

    def sealed() -> Iterator[tuple[int, bool, bool, bytes, str, bytes]]:
        patterns = 0
        for row in rows:
            if isinstance(row, BadRow):
                bad.append(row)
            elif row.entry.is_wildcard and patterns >= PATTERNS_MAX:
                bad.append(BadRow(row.line, f"one pattern too many: a list has {PATTERNS_MAX} at most"))
            else:
                patterns += row.entry.is_wildcard
                yield _seal(row, sealer, pattern_key)
            if len(bad) > BAD_ROWS_MAX:
                raise HotlistError(f"over {BAD_ROWS_MAX} bad rows; the first: line {bad[0].line}: {bad[0].problem}")

    database.executemany("INSERT INTO staged VALUES (?, ?, ?, ?, ?, ?)", sealed())
    return bad


def _seal(row: GoodRow, sealer: Sealer, pattern_key: str) -> tuple[int, bool, bool, bytes, str, bytes]:
    entry = row.entry
    content = _pack(entry)
    tag, sealed = sealer.seal(entry.vrm, content)
    if entry.is_wildcard:
        sealed = sealer.seal(pattern_key, content)[1]
    return row.line, entry.is_wildcard, row.change == "add", tag, entry.country or "", sealed


def _settle(database: sqlite3.Connection, before: Path | None) -> list[BadRow]:
    """Leave out what is twice in the file, and what is to be removed and not there."""
    twice = [line for (line,) in database.execute(_TWICE)]
    bad = [BadRow(line, "this plate and country are already in this file") for line in twice]
    database.executemany("DELETE FROM staged WHERE line = ?", [(line,) for line in twice])
    if before is not None:
        database.commit()
        database.execute("ATTACH ? AS before", [_immutable(before)])
        database.execute("BEGIN")
        database.execute("CREATE INDEX temp.staged_by_tag ON staged (tag, country, loose)")
        absent = [line for (line,) in database.execute(_ABSENT)]
    else:
        absent = [line for (line,) in database.execute("SELECT line FROM staged WHERE NOT added")]
    return bad + [BadRow(line, "to be removed, and not on the list") for line in absent]


def _merge(database: sqlite3.Connection, before: Path | None) -> int:
    entries = 0
    for loose, table in enumerate(("entry", "pattern")):
        kept = _KEPT.format(table=table, loose=loose) if before is not None else ""
        entries += database.execute(_MERGE.format(table=table, loose=loose, kept=kept)).rowcount
    return entries


def _immutable(path: Path) -> str:
    return f"{path.resolve().as_uri()}?mode=ro&immutable=1"


def _sync(path: Path) -> None:
    for target in (path, path.parent):
        handle = os.open(target, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class ListFile:
    """One list file, open for reading. Use it from the thread that opened it; it stays whole when it is deleted."""

    def __init__(self, path: Path, list_id: str, sealer: Sealer, pattern_key: str) -> None:
        """Open it and take its patterns into memory.

        Raises:
            HotlistError: it was sealed with another key: nothing on it would ever match.
            OSError, sqlite3.Error: it is gone, or damaged.

        """
        path.stat()  # SQLite would say less well that there is none
        self.list_id = list_id
        self._sealer = sealer
        self._database = sqlite3.connect(_immutable(path), uri=True)
        try:
            (proof,) = self._database.execute("SELECT sealed FROM proof").fetchone() or (b"",)
            if sealer.open(pattern_key, proof) is None:
                raise HotlistError("it was sealed with another key, or is damaged; import it again")
            sealed = self._database.execute("SELECT country, sealed FROM pattern").fetchall()
            self.patterns = tuple(self._open(pattern_key, country, content) for country, content in sealed)
        except BaseException:
            self._database.close()
            raise

    def find(self, texts: Sequence[str]) -> list[HotlistEntry]:
        """The entries for any of these plates, whatever their country and validity."""
        by_tag = {self._sealer.tag(text): text for text in texts}
        holes = ",".join("?" * len(by_tag))
        rows = self._database.execute(f"SELECT tag, country, sealed FROM entry WHERE tag IN ({holes})", [*by_tag])
        return [self._open(by_tag[tag], country, sealed) for tag, country, sealed in rows]

    def holds(self, entry: HotlistEntry) -> bool:
        """Whether this plate or pattern is on the list, for this country."""
        table = "pattern" if entry.is_wildcard else "entry"
        key = [self._sealer.tag(entry.vrm), entry.country or ""]
        found = self._database.execute(f"SELECT 1 FROM {table} WHERE tag = ? AND country = ?", key)
        return found.fetchone() is not None

    def close(self) -> None:
        """Give the file back; closing twice is fine."""
        self._database.close()

    def _open(self, text: str, country: str, sealed: bytes) -> HotlistEntry:
        content = self._sealer.open(text, sealed)
        if content is None:
            raise HotlistError(f"list {self.list_id} is damaged; import it again")
        return _unpack(self.list_id, text, country or None, content)


def _pack(entry: HotlistEntry) -> bytes:
    """All but what whoever opens it knows already: the plate, and its category's own actions."""
    usual = policy.categories()[entry.category].actions
    fields = (
        entry.vrm if entry.is_wildcard else None,
        entry.category,
        entry.priority,
        entry.reason,
        entry.issuer,
        _seconds(entry.valid_from_ns),
        _seconds(entry.valid_to_ns),
        None if entry.actions == usual else entry.actions,
        int(entry.exact_only),
    )
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def _unpack(list_id: str, text: str, country: str | None, content: bytes) -> HotlistEntry:
    pattern, category, priority, reason, issuer, valid_from_s, valid_to_s, actions, exact_only = json.loads(content)
    return HotlistEntry(
        list_id,
        pattern or text,
        country,
        category,
        priority,
        reason,
        issuer,
        valid_from_s if valid_from_s is None else valid_from_s * NS_PER_S,
        valid_to_s if valid_to_s is None else valid_to_s * NS_PER_S,
        policy.categories()[category].actions if actions is None else tuple(actions),
        bool(exact_only),
    )


def _seconds(moment_ns: int | None) -> int | None:
    return None if moment_ns is None else moment_ns // NS_PER_S
