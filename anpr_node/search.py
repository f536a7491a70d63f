"""Searching the record: nobody searches without a reason and a case, and every request is written down.

Only the store's own reads are shown; nothing is changed.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlite_utils import Database

from anpr_node import vrm
from anpr_node.drivers.clock import Clock
from anpr_node.errors import RefusedByPolicy
from anpr_node.store.reads import Criteria, FoundRead, find_reads, log_search

WILDCARDS = "?*"


@dataclass(frozen=True, slots=True)
class Query:
    """What is wanted, by whom and why."""

    actor: str
    wanted: Criteria
    reason: str
    case_ref: str
    decision_ref: str | None


def normalise_pattern(text: str) -> str:
    """A pattern as it is matched: `1-ab?-*` becomes `1AB?*`."""
    return "".join(char if char in WILDCARDS else vrm.normalise(char) for char in text)


def search(database: Database, query: Query, clock: Clock) -> list[FoundRead]:
    """The reads that fit, newest first.

    Raises:
        RefusedByPolicy: no reason or no case reference; the refusal is logged.

    """
    allowed = bool(query.reason.strip() and query.case_ref.strip())
    found = list(find_reads(database, query.wanted)) if allowed else []
    log_search(
        database,
        {
            "at_ns": clock.utc_ns(clock.monotonic_ns()),
            "actor": query.actor,
            "pattern": query.wanted.pattern,
            "reason": query.reason,
            "case_ref": query.case_ref,
            "decision_ref": query.decision_ref,
            "outcome": "answered" if allowed else "refused",
            "rows_seen": len(found),
        },
    )
    if not allowed:
        raise RefusedByPolicy("a search needs --reason and --case: say why you look and for which case")
    return found
