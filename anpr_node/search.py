"""Searching the record: nobody without a reason and a case, old reads only on a decision, every request written down.

Only the store's own reads are shown; nothing is changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from anpr_node import audit, vrm
from anpr_node.errors import RefusedByPolicy
from anpr_node.policy import Terms, confusions
from anpr_node.store import day_keys
from anpr_node.store.finding import Criteria, FoundRead, find_reads, reads_before

WILDCARDS = "?*"
PATTERN = "closed_pattern"
NEAR_CHANGES_MAX = 2


@dataclass(frozen=True, slots=True)
class Query:
    """What is wanted, by whom and why."""

    actor: str
    wanted: Criteria
    reason: str
    case_ref: str
    decision_ref: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, and from when on was looked where the gate kept older reads out; None: everywhere."""

    reads: list[FoundRead]
    only_from_ns: int | None


def normalise_pattern(text: str) -> str:
    """A pattern as it is matched: `1-ab?-*` becomes `1AB?*`."""
    return "".join(char if char in WILDCARDS else vrm.normalise(char) for char in text)


def near_texts(text: str) -> tuple[str, ...]:
    """The text and what it may have been misread as: up to two characters taken for others that look like them."""
    near = {text}
    for _ in range(NEAR_CHANGES_MAX):
        near |= {
            other[:at] + taken + other[at + 1 :]
            for other in near
            for at, char in enumerate(text)
            if other[at] == char
            for taken in confusions("search").get(char, "")
        }
    return tuple(sorted(near))


def search(database: Database, folder: Path, query: Query, terms: Terms, now_ns: int) -> Answer:
    """The reads that fit, newest first.

    Without a decision nothing beyond the gate is shown: a search that names no beginning is narrowed to this side.

    Raises:
        RefusedByPolicy: no reason, no case reference, or older reads wanted without a decision; the refusal is audited.

    """
    if not query.reason.strip() or not query.case_ref.strip():
        _refuse(folder, query, now_ns, "a search needs --reason and --case: say why you look and for which case")
    gate_ns, only_hits_before_ns = terms.gate_ns(now_ns, query.decision_ref), terms.only_hits_before_ns(now_ns)
    wanted = query.wanted
    if gate_ns is not None and wanted.from_ns is None and not _all_before(wanted, gate_ns):
        wanted = replace(wanted, from_ns=gate_ns)
    elif gate_ns is not None and (wanted.from_ns is None or wanted.from_ns < gate_ns):
        _refuse(folder, query, now_ns, _past_gate(terms))
    found = find_reads(database, wanted, only_hits_before_ns)
    narrowed = wanted is not query.wanted and reads_before(database, gate_ns or 0, only_hits_before_ns)
    narrowed_ns = gate_ns if narrowed else None
    if not found and narrowed_ns is not None:
        _refuse(folder, query, now_ns, f"nothing on this side of the gate; {_past_gate(terms)}")
    _write_down(folder, query, now_ns, "done", {"from_ns": wanted.from_ns, "rows": len(found)})
    return Answer(found, narrowed_ns)


def readable(folder: Path, detail: dict[str, Any]) -> dict[str, Any]:
    """The details of an audit line for who may see them: the pattern opened, as long as its key is there."""
    if PATTERN not in detail:
        return detail
    pattern = day_keys.reopen(folder, str(detail[PATTERN]))
    return {"pattern": "(erased)" if pattern is None else pattern, **{k: v for k, v in detail.items() if k != PATTERN}}


def _all_before(wanted: Criteria, gate_ns: int) -> bool:
    return wanted.to_ns is not None and wanted.to_ns <= gate_ns


def _past_gate(terms: Terms) -> str:
    return f"reads older than {terms.gate_days} days are shown on a decision only: give its reference with --decision"


def _refuse(folder: Path, query: Query, now_ns: int, problem: str) -> None:
    _write_down(folder, query, now_ns, "refused", {"problem": problem})
    raise RefusedByPolicy(problem)


def _write_down(folder: Path, query: Query, now_ns: int, outcome: str, more: dict[str, object]) -> None:
    """Who searched for what: for ever, but for the plate, which can be read as long as a read may be kept."""
    wanted = query.wanted
    asked = {
        name: value
        for name in ("from_ns", "to_ns", "country", "direction", "category")
        if (value := getattr(wanted, name)) is not None
    }
    closed = {PATTERN: day_keys.close(folder, wanted.pattern, now_ns)}
    entry = audit.Entry(
        query.actor,
        "search",
        outcome,
        query.reason,
        query.case_ref,
        query.decision_ref or "",
        rows=int(str(more.get("rows", 0))),
        detail={**closed, **asked, "near": bool(wanted.near), **{k: v for k, v in more.items() if v is not None}},
    )
    audit.append(folder, entry, now_ns)
