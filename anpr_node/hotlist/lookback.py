"""Compares lists with reads of the past: what is new on a list, and what a list or a tolerance would have given.

Hits of the past are stored and sent; nothing is signalled for them, and no pin is within reach of this code.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlite_utils import Database

from anpr_node.errors import StoreError
from anpr_node.hotlist.lists import Taken
from anpr_node.hotlist.matching import Match, OpenList, Sighting, agrees, misreadings
from anpr_node.ids import uuid7
from anpr_node.records import Candidate, Hit, HotlistEntry
from anpr_node.store.reads import add_hits
from anpr_node.store.silence import HIDDEN_READ, count_shown_among, hidden_among
from anpr_node.units import NS_PER_H

if TYPE_CHECKING:
    from anpr_node.hotlist.imports import Importer


@dataclass(frozen=True, slots=True)
class PastRead:
    """A stored read as it is compared; entries must be valid now, not then."""

    read_id: str
    seen_ns: int
    sighting: Sighting


def past_reads(database: Database, since_ns: int, now_ns: int, only_hits_before_ns: int = 0) -> Iterator[PastRead]:
    """The reads in force since a moment, oldest first; sealed ones cannot be compared.

    Those from before `only_hits_before_ns` that are there for a silent hit are left out.
    """
    rows = database.execute(
        f"""
        SELECT read_id, last_seen_ns, vrm, country, confidence, candidates FROM read AS r
        WHERE first_seen_ns >= :since_ns AND vrm <> ''
          AND NOT EXISTS (SELECT 1 FROM read AS newer WHERE newer.corrects = r.read_id) AND NOT {HIDDEN_READ}
        ORDER BY first_seen_ns
        """,
        {"since_ns": since_ns, "only_hits_before_ns": only_hits_before_ns},
    )
    for read_id, seen_ns, vrm, country, confidence, candidates in rows:
        others = tuple(Candidate(text, score) for text, score in json.loads(candidates))
        yield PastRead(read_id, seen_ns, Sighting(vrm, country, confidence, others, now_ns))


def compare(opened: OpenList, reads: Iterator[PastRead]) -> Iterator[tuple[PastRead, Match]]:
    """What of the past one list matches."""
    for past in reads:
        for match in opened.match(past.sighting, misreadings(past.sighting)):
            if agrees(match.entry, past.sighting):
                yield past, match


def raise_hits(importer: Importer, list_id: str, taken: Taken) -> None:
    """Match the entries that are new on a list against the reads within its look-back limit. Raises StoreError."""
    lists, section = importer.lists, importer.settings.hotlists.of(list_id)
    if not section.look_back_h:
        return
    now_ns = importer.by.at_ns
    since_ns = now_ns - int(section.look_back_h * NS_PER_H)
    with ExitStack() as stack:
        file = stack.enter_context(closing(lists.open(taken.path, list_id)))
        before = taken.before and stack.enter_context(closing(lists.open(taken.before, list_id)))
        reads = past_reads(lists.database, since_ns, now_ns)
        found = [
            (past, match.entry)
            for past, match in compare(OpenList(file, section), reads)
            if "batch" not in match.entry.actions and not (before and before.holds(match.entry))
        ]
    _store(importer, list_id, found)


def _store(importer: Importer, list_id: str, found: list[tuple[PastRead, HotlistEntry]]) -> None:
    now_ns, database = importer.by.at_ns, importer.lists.database
    only_hits_before_ns = importer.settings.policy.terms.only_hits_before_ns(now_ns)
    hidden = hidden_among(database, sorted({past.read_id for past, _ in found}), only_hits_before_ns)
    hits = [
        Hit(uuid7(now_ns), past.read_id, _silenced(entry) if past.read_id in hidden else entry, "retrospective", now_ns)
        for past, entry in found
    ]
    try:
        with database.atomic():
            add_hits(database, hits, now_ns)
            shown = count_shown_among(database, [hit.hit_id for hit in hits])
            importer.by.note(importer.lists.state_folder, "hotlist look back", list_id, rows=shown)
    except sqlite3.Error as error:
        raise StoreError(f"list {list_id} is in force, its look back failed: {error}") from error


def _silenced(entry: HotlistEntry) -> HotlistEntry:
    """As it is stored for a read that only a silent hit keeps: to find that read would tell of it."""
    return replace(entry, actions=("silent", *(action for action in entry.actions if action == "uplink")))
