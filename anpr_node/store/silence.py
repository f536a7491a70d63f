"""What does not show of a silent hit: the hit, and a read that is on the card for no other reason.

It only words and counts; whoever shows reads or hits asks here. View `shown_hit` (hotlist_tables.py) is the other half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlite_utils import Database

_PASSAGE = """
    (s.read_id = r.read_id OR s.read_id = r.corrects
     OR s.read_id IN (SELECT n.read_id FROM read n WHERE n.corrects = r.read_id))
"""
HIDDEN_READ = f"""
    (r.first_seen_ns < :only_hits_before_ns
     AND EXISTS (SELECT 1 FROM hit s WHERE s.actions LIKE '%silent%' AND {_PASSAGE})
     AND NOT EXISTS (SELECT 1 FROM shown_hit s WHERE {_PASSAGE}))
"""
"""Whether read `r` would not be here were it not for a silent hit: so old that only hits are kept."""


def hidden_among(database: Database, read_ids: Sequence[str], only_hits_before_ns: int) -> set[str]:
    """Those of some reads that do not show."""
    holes = ", ".join(f":id{n}" for n in range(len(read_ids)))
    values = {f"id{n}": read_id for n, read_id in enumerate(read_ids)}
    query = f"SELECT r.read_id FROM read r WHERE r.read_id IN ({holes}) AND {HIDDEN_READ}"
    found = database.execute(query, {**values, "only_hits_before_ns": only_hits_before_ns}).fetchall()
    return {read_id for (read_id,) in found}


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
