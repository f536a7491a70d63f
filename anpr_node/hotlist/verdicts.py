"""Hits before a person: what there is to verify, the pictures to do it by, and the verdict.

A hit is unverified until somebody has compared the picture with the entry. Silent hits are the back office's: nothing
here shows one, or says that there is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlite_utils import Database

from anpr_node.audit import By
from anpr_node.config import Settings
from anpr_node.errors import HotlistError, RefusedByPolicy
from anpr_node.ids import REFERENCE_LENGTH
from anpr_node.policy import Terms
from anpr_node.store.outbox import requeue
from anpr_node.store.reads import load_evidence
from anpr_node.units import NS_PER_DAY

Verdict = Literal["confirmed", "not this vehicle"]
CHECK_DAYS = 2
"""So long a hit can be compared with its picture whatever the gate: that is no search."""

_SHOWN = """
SELECT h.hit_id, h.raised_at_ns, h.list_id, h.category, h.match, h.reason, h.held_back, h.relay_latency_us,
       h.verdict, h.verified_by, h.read_id, EXISTS (SELECT 1 FROM read n WHERE n.corrects = h.read_id)
FROM shown_hit h WHERE TRUE
"""


@dataclass(frozen=True, slots=True)
class ShownHit:
    """A hit as it is listed. `corrected`: the read was corrected later, so look twice."""

    hit_id: str
    raised_at_ns: int
    list_id: str
    category: str
    match: str
    reason: str
    held_back: str | None
    relay_latency_us: int | None
    verdict: str | None
    verified_by: str | None
    read_id: str
    corrected: int


def hits(database: Database, limit: int, *, unverified: bool) -> list[ShownHit]:
    """The newest hits first."""
    wanted = "AND h.verdict IS NULL" if unverified else ""
    rows = database.execute(f"{_SHOWN} {wanted} ORDER BY h.raised_at_ns DESC, h.hit_id LIMIT ?", [limit])
    return [ShownHit(*row) for row in rows.fetchall()]


def find(database: Database, hit_id: str) -> ShownHit:
    """One hit, by its id or by the reference of a text message. Raises HotlistError when there is none to be shown."""
    whole = len(hit_id) != REFERENCE_LENGTH
    which = "h.hit_id = ?" if whole else f"substr(h.hit_id, -{REFERENCE_LENGTH}) = ? ORDER BY h.raised_at_ns"
    rows = [ShownHit(*row) for row in database.execute(f"{_SHOWN} AND {which}", [hit_id])]
    if not rows:
        raise HotlistError(f"no hit {hit_id}; see: anpr-node hotlist hits")
    if len(rows) > 1:
        raise HotlistError(f"more than one hit ends in {hit_id}: {', '.join(row.hit_id for row in rows)}")
    return rows[0]


def look(database: Database, settings: Settings, hit_id: str, folder: Path, by: By) -> tuple[str, list[Path]]:
    """The text read and the pictures behind it, written to `folder`; who looked and why is in the audit.

    Raises:
        RefusedByPolicy: no reason given, or beyond the gate without a decision; the refusal is in the audit.
        HotlistError: there is no such hit, its read is sealed, or the folder cannot be written.

    """
    hit = find(database, hit_id)
    seen_ns, vrm, sealed = database.execute(
        "SELECT first_seen_ns, vrm, sealed FROM read WHERE read_id = ?", [hit.read_id]
    ).fetchone()
    problem = _problem(settings.policy.terms, seen_ns, by)
    if problem:
        by.note(settings.state_folder, "hotlist look", hit.hit_id, "refused", problem=problem)
        raise RefusedByPolicy(problem)
    if sealed is not None:
        raise HotlistError(f"the read of hit {hit.hit_id} is sealed: only the back office can look at it")
    by.note(settings.state_folder, "hotlist look", hit.hit_id)
    return vrm, [path for kind in ("patch", "overview") if (path := _export(database, hit, kind, folder))]


def _problem(terms: Terms, seen_ns: int, by: By) -> str:
    if not by.reason.strip():
        return "looking at a hit needs --reason: say why"
    gate_ns = terms.gate_ns(by.at_ns, by.decision_ref)
    if gate_ns is not None and seen_ns < min(gate_ns, by.at_ns - CHECK_DAYS * NS_PER_DAY):
        return f"a hit older than {max(terms.gate_days or 0, CHECK_DAYS)} days is shown on a decision only: --decision"
    return ""


def _export(database: Database, hit: ShownHit, kind: str, folder: Path) -> Path | None:
    evidence = load_evidence(database, hit.read_id, kind)
    if evidence is None:
        return None
    path = folder / f"{hit.hit_id}.{kind}.jpg"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(evidence[0])
    except OSError as error:
        raise HotlistError(f"{path}: {error.strerror}") from error
    return path


def verify(database: Database, state_folder: Path, hit_id: str, verdict: Verdict, by: By) -> None:
    """Write down what a person found; a later verdict takes the place of an earlier one, and both are in the audit.

    Raises HotlistError when there is no such hit.
    """
    hit = find(database, hit_id)
    by.note(state_folder, "hotlist verify", hit.hit_id, verdict=verdict, before=hit.verdict or "unverified")
    with database.atomic():
        database.execute(
            "UPDATE hit SET verdict = ?, verified_by = ?, verified_at_ns = ? WHERE hit_id = ?",
            [verdict, by.actor, by.at_ns, hit.hit_id],
        )
        requeue(database, "verdict", hit.hit_id, by.at_ns)
