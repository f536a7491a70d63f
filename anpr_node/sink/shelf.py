"""What a sink has received: one SQLite file, and the pictures as files beside it.

An item is known by node, kind and id; a larger `rev` replaces a smaller one, everything else that comes again is a
duplicate. When `put` returns, everything is on the disk. The audit heads of heartbeats are kept for `audit verify`.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from anpr_node.whole_file import write_whole

FILE_NAME = "sink.sqlite"
PICTURES = "pictures"
KINDS = frozenset({"read", "hit", "verdict", "patch", "overview", "heartbeat"})
REV_MAX = 2**63 - 1
"""What the file can hold."""
NAME = re.compile(r"[A-Za-z0-9._-]{1,80}")
_TABLE = """
CREATE TABLE IF NOT EXISTS item (
    node_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    rev INTEGER NOT NULL,
    received_ns INTEGER NOT NULL,
    times INTEGER NOT NULL DEFAULT 1,
    body TEXT NOT NULL,
    PRIMARY KEY (node_id, kind, id)
) STRICT
"""
_ANCHORS = """
CREATE TABLE IF NOT EXISTS anchor (
    node_id TEXT NOT NULL,
    head TEXT NOT NULL,
    received_ns INTEGER NOT NULL,
    PRIMARY KEY (node_id, head)
) STRICT
"""


@dataclass
class Receipt:
    """What became of a batch. `refused` will be refused again; everything else is kept."""

    accepted: int = 0
    duplicates: int = 0
    refused: list[dict[str, str]] = field(default_factory=list)


class Shelf:
    """One folder; use it from several threads."""

    def __init__(self, folder: Path) -> None:
        """Open or make it. Raises OSError or sqlite3.Error."""
        folder.mkdir(0o700, parents=True, exist_ok=True)
        (folder / PICTURES).mkdir(exist_ok=True)
        self._folder, self._lock = folder, threading.Lock()
        self._database = sqlite3.connect(folder / FILE_NAME, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        for table in (_TABLE, _ANCHORS):
            self._database.execute(table)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def put(self, node_id: str, items: Sequence[Mapping[str, Any]], now_ns: int) -> Receipt:
        """Keep the items of one batch, each once, all in one transaction."""
        receipt = Receipt()
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                for item in items:
                    self._put(node_id, item, now_ns, receipt)
                self._database.execute("COMMIT")
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
        return receipt

    def _put(self, node_id: str, item: Mapping[str, Any], now_ns: int, receipt: Receipt) -> None:
        try:
            kind, id_, rev, body = self._examine(item)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            named = item["id"] if isinstance(item.get("id"), str) else ""
            receipt.refused.append({"id": named, "reason": f"{type(error).__name__}: {error}"})
            return
        key = [node_id, kind, id_]
        row = self._database.execute("SELECT rev FROM item WHERE node_id = ? AND kind = ? AND id = ?", key).fetchone()
        if row is not None and row[0] >= rev:
            where = "WHERE node_id = ? AND kind = ? AND id = ?"
            self._database.execute(f"UPDATE item SET times = times + 1 {where}", key)
            receipt.duplicates += 1
            return
        self._database.execute("INSERT OR REPLACE INTO item VALUES (?, ?, ?, ?, ?, 1, ?)", [*key, rev, now_ns, body])
        receipt.accepted += 1
        if kind == "heartbeat" and isinstance(head := item["heartbeat"].get("audit_head"), str):
            self._database.execute("INSERT OR IGNORE INTO anchor VALUES (?, ?, ?)", [node_id, head, now_ns])

    def _examine(self, item: Mapping[str, Any]) -> tuple[str, str, int, str]:
        """Kind, id, revision and what is kept of an item. Raises ValueError, KeyError or TypeError."""
        kind, id_, rev = item["kind"], item["id"], item["rev"]
        if kind not in KINDS or not isinstance(id_, str) or not NAME.fullmatch(id_) or not isinstance(rev, int):
            raise ValueError("kind, id or rev is none that this sink knows")
        if not 0 <= rev <= REV_MAX:
            raise ValueError("rev is out of range")
        kept = {name: value for name, value in item.items() if name not in {"jpeg", "patch"}}
        if kind in {"patch", "overview"}:
            self._keep_picture(f"{id_}.{kind}.jpg", item["jpeg"], item["picture"]["sha256"])
        elif kind == "hit" and item.get("patch") is not None:
            self._keep_picture(f"{id_}.hit.jpg", item["patch"], None)
        if kind not in {"patch", "overview"} and not isinstance(item[kind], dict):
            raise ValueError(f"{kind} is no object")
        body = json.dumps(kept, ensure_ascii=False)
        body.encode()  # a half of a pair of signs can be written in JSON, and not in the file
        return kind, id_, rev, body

    def _keep_picture(self, name: str, encoded: str, digest: str | None) -> None:
        content = b64decode(encoded, validate=True)
        if digest is not None and sha256(content).hexdigest() != digest:
            raise ValueError("sha256 is another one")
        path = self._folder / PICTURES / name
        if not path.exists():
            write_whole(path, content)
