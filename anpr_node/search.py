"""Searching the record: nobody without a reason and a case, old reads only on a decision, every request written down.

Only the store's own reads are shown; nothing is changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from anpr_node import audit, vrm
from anpr_node.errors import QueryError, RefusedByPolicy
from anpr_node.policy import Terms, category_named, confusions, countries
from anpr_node.store import day_keys
from anpr_node.store.finding import Criteria, FoundRead, find_reads, reads_before

WILDCARDS = "?*"
PATTERN = "closed_pattern"
NEAR_CHANGES_MAX = 2
SEPARATORS = frozenset(" \t.·/_–-")
"""What people put between the characters of a plate; everything else that stands on none is a slip."""
MOMENT_NS_MAX = 2**63 - 1


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
    """A pattern as it is matched: `1-ab?-*` becomes `1AB?*`. What stands on no plate stays: `search` refuses it."""
    return "".join(char if char in WILDCARDS else vrm.normalise(char) or _unless_between(char) for char in text)


def _unless_between(char: str) -> str:
    return "" if char in SEPARATORS else char


def near_texts(text: str) -> tuple[str, ...]:
    """The text and what it may have been misread as: up to two characters taken for others that look like them."""
    if len(text) > vrm.VRM_LENGTH_MAX:
        return (text,)
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
        QueryError: no read can be what is asked for; audited as a refusal too.

    """
    if not query.reason.strip() or not query.case_ref.strip():
        _refuse(folder, query, now_ns, "a search needs --reason and --case: say why you look and for which case")
    try:
        query = replace(query, wanted=_sound(query.wanted))
    except QueryError as error:
        _write_down(folder, query, now_ns, "refused", {"problem": str(error)})
        raise
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


def _sound(wanted: Criteria) -> Criteria:
    """What is wanted, in the spelling of the record. Raises QueryError where it can fit no read."""
    _check_pattern(wanted)
    moments = [moment for moment in (wanted.from_ns, wanted.to_ns) if moment is not None]
    if any(not 0 <= moment <= MOMENT_NS_MAX for moment in moments):
        raise QueryError("--from and --to must lie between 1970 and 2261")
    if len(moments) == 2 and moments[0] >= moments[1]:
        raise QueryError("--from is not before --to: no moment lies between them; exchange them?")
    country = None if wanted.country is None else countries().get(wanted.country.strip().upper())
    if wanted.country is not None and country is None:
        signs = ", ".join(sorted(set(countries().values())))
        raise QueryError(f"country {wanted.country[:40]!r} is none that is read; those are {signs}, also as ISO codes")
    try:
        category = None if wanted.category is None else category_named(wanted.category.strip()).name
    except ValueError as error:
        raise QueryError(str(error)) from error
    return replace(wanted, country=country, category=category)


def _check_pattern(wanted: Criteria) -> None:
    text = wanted.pattern
    fixed = "".join(char for char in text if char not in WILDCARDS)
    if not text:
        raise QueryError("the pattern is empty: give a plate, or * for every one")
    strange = [char for char in fixed if not vrm.normalise(char)]
    if strange:
        raise QueryError(f"{strange[0]!r} is not read: plates are A to Z and 0 to 9; put ? where it stands")
    if len(fixed) > vrm.VRM_LENGTH_MAX:
        raise QueryError(f"the pattern has {len(fixed)} letters and digits, a plate at most {vrm.VRM_LENGTH_MAX}")
    if wanted.near and fixed != text:
        raise QueryError("--near is for a whole plate: leave out ? and *")


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
