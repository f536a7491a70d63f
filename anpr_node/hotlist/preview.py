"""What a list, or another tolerance for one, would have given on past reads. Nothing is stored or signalled."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anpr_node.audit import By
from anpr_node.config import ListSection, Settings
from anpr_node.errors import HotlistError, RefusedByPolicy
from anpr_node.hotlist.files import ListFile
from anpr_node.hotlist.formats import read_list
from anpr_node.hotlist.lists import Lists
from anpr_node.hotlist.lookback import PastRead, compare, past_reads
from anpr_node.hotlist.manifest import hash_file
from anpr_node.hotlist.matching import Match, OpenList
from anpr_node.hotlist.rows import BadRow, GoodRow, to_rows
from anpr_node.policy import Terms
from anpr_node.units import NS_PER_H

PLATES_WRITTEN_MAX = 20
"""A file with no more entries is in the audit plate by plate, as so many searches would be."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to try: a list in force, or a file as if it were that list; `section` has the tolerance to try."""

    list_id: str
    file: Path | None
    section: ListSection
    hours: float


def preview(lists: Lists, request: Request, terms: Terms, by: By) -> list[tuple[PastRead, Match]]:
    """Every past read with the entry that it would have hit, oldest first.

    Raises:
        RefusedByPolicy: no reason, no case, or beyond the gate without a decision, as with a search; it is audited.
        HotlistError: there is no such list, or the file is unusable.

    """
    since_ns, gate_ns = by.at_ns - int(request.hours * NS_PER_H), terms.gate_ns(by.at_ns, by.decision_ref)
    if not (by.reason.strip() and by.case_ref.strip()):
        _refuse(lists, request, by, "a preview looks through past reads: give --reason and --case")
    if gate_ns is not None and since_ns < gate_ns:
        _refuse(lists, request, by, f"reads older than {terms.gate_days} days are shown on a decision only: --decision")
    asked: dict[str, Any] = {}
    with _file(lists, request, asked) as file:
        past = past_reads(lists.database, since_ns, by.at_ns, terms.only_hits_before_ns(by.at_ns))
        found = list(compare(OpenList(file, request.section), past))
    # Whoever previews a file has it; what is silent on a list in force stays so.
    shown = [pair for pair in found if request.file or not pair[1].entry.is_silent]
    by.note(lists.state_folder, "hotlist preview", request.list_id, rows=len(shown), hours=request.hours, **asked)
    return shown


def _noted(rows: Iterator[GoodRow | BadRow], asked: dict[str, Any]) -> Iterator[GoodRow | BadRow]:
    """The rows of a file as they come, counted for the audit: such a preview is a search for every plate in it."""
    for row in rows:
        if isinstance(row, GoodRow):
            asked["entries"] += 1
            asked["plates"] += [row.entry.vrm] if asked["entries"] <= PLATES_WRITTEN_MAX else []
        yield row


def _refuse(lists: Lists, request: Request, by: By, problem: str) -> None:
    by.note(lists.state_folder, "hotlist preview", request.list_id, "refused", problem=problem)
    raise RefusedByPolicy(problem)


@contextmanager
def _file(lists: Lists, request: Request, asked: dict[str, Any]) -> Iterator[ListFile]:
    """The list to try; `asked` gets what the audit says of a file. Raises HotlistError."""
    if request.file is not None:
        with tempfile.TemporaryDirectory(dir=lists.folder.parent) as folder:
            path = Path(folder) / "preview.list"
            asked |= {"file": request.file.name, "sha256": hash_file(request.file), "entries": 0, "plates": []}
            rows = to_rows(read_list(request.file, request.section), request.list_id, request.section)
            lists.build(path, request.list_id, _noted(rows, asked))
            if hash_file(request.file) != asked["sha256"]:
                raise HotlistError(f"{request.file}: it changed while it was read; try again")
            if asked["entries"] > PLATES_WRITTEN_MAX:
                del asked["plates"]
            with closing(lists.open(path, request.list_id)) as file:
                yield file
        return
    status = lists.find(request.list_id)
    if status is None:
        raise HotlistError(f"no list {request.list_id} is in force; see: anpr-node hotlist list")
    with closing(lists.open(lists.folder / status.file, request.list_id)) as file:
        yield file


def with_tolerance(settings: Settings, list_id: str, *, near: bool | None, wildcard: bool | None) -> ListSection:
    """The rules of a list, with those changed that are to be tried."""
    wanted = {"near": near, "wildcard": wildcard}
    section = settings.hotlists.of(list_id)
    return section.model_copy(update={name: value for name, value in wanted.items() if value is not None})
