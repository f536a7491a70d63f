"""What does not show of a silent hit: the hit, and a read that is on the card for no other reason.

It only words and counts; whoever shows reads or hits asks here. View `shown_hit` (hotlist_tables.py) is the other half.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlite_utils import Database

PASSAGE = """
    s.read_id IN (
        SELECT r.read_id UNION ALL SELECT r.corrects
        UNION ALL SELECT n.read_id FROM read n WHERE n.corrects = r.read_id)
"""
"""Whether hit `s` is one of the passage that read `r` belongs to."""
HIDDEN_READ = f"""
    (r.first_seen_ns < :only_hits_before_ns
     AND EXISTS (SELECT 1 FROM hit s WHERE s.actions LIKE '%silent%' AND {PASSAGE})
     AND NOT EXISTS (SELECT 1 FROM shown_hit s WHERE {PASSAGE}))
"""
"""Whether read `r` would not be here were it not for a silent hit: so old that only hits are kept."""


def hidden_among(database: Database, read_ids: Sequence[str], only_hits_before_ns: int) -> set[str]:
    """Those of some reads that do not show."""
    query = f"SELECT r.read_id FROM json_each(:ids) i JOIN read r ON r.read_id = i.value WHERE {HIDDEN_READ}"
    values = {"ids": json.dumps(list(read_ids)), "only_hits_before_ns": only_hits_before_ns}
    return {read_id for (read_id,) in database.execute(query, values).fetchall()}


def count_shown_among(database: Database, hit_ids: Sequence[str]) -> int:
    """How many of some hits show."""
    query = "SELECT count(*) FROM shown_hit WHERE hit_id IN (SELECT value FROM json_each(?))"
    return int(database.execute(query, [json.dumps(list(hit_ids))]).fetchone()[0])


@dataclass(frozen=True, slots=True)
class Shown:
    """What may be counted before anybody: passages, from when to when, hits, and what waits to be sent."""

    reads: int
    first_ns: int | None
    last_ns: int | None
    hits: int
    outbox: int


def count_shown(database: Database, only_hits_before_ns: int) -> Shown:
    """Count what shows; a figure that grows would tell of a silent hit as well as its name."""
    hidden = f"SELECT r.read_id FROM read r WHERE {HIDDEN_READ}"
    row = database.execute(
        f"""
        WITH hidden AS MATERIALIZED ({hidden})
        SELECT count(*), min(first_seen_ns), max(last_seen_ns),
               (SELECT count(*) FROM shown_hit),
               (SELECT count(*) FROM outbox WHERE kind <> 'sms')
               - (SELECT count(*) FROM outbox WHERE ref IN hidden)
               - (SELECT count(*) FROM outbox WHERE kind IN ('hit', 'batch', 'verdict') AND ref IN (
                      SELECT hit_id FROM hit EXCEPT SELECT hit_id FROM shown_hit))
        FROM read WHERE corrects IS NULL AND read_id NOT IN hidden
        """,
        {"only_hits_before_ns": only_hits_before_ns},
    ).fetchone()
    return Shown(*row)
