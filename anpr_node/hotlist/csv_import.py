"""Reads a hotlist from CSV: good rows become entries, every bad row is reported with its line number.

Columns, by header: vrm (needed), country, category, priority, reason, issuer, valid_from, valid_to, actions. It writes
nothing: `lists.replace` does, in one transaction.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from anpr_node import policy, vrm
from anpr_node.errors import HotlistError
from anpr_node.records import HotlistEntry

COLUMNS = ("vrm", "country", "category", "priority", "reason", "issuer", "valid_from", "valid_to", "actions")
ACTIONS = frozenset({"relay", "led", "log", "silent"})
DEFAULT_CATEGORY = "local"
NS_PER_S = 1_000_000_000
FIRST_YEAR, LAST_YEAR = 1970, 2261  # what 64 bits of nanoseconds hold; an open end is an empty cell


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was left out, and why."""

    line: int
    problem: str


@dataclass(frozen=True, slots=True)
class ParsedList:
    """The outcome of one file."""

    entries: tuple[HotlistEntry, ...]
    bad_rows: tuple[BadRow, ...]


def read_csv(path: Path, list_id: str) -> ParsedList:
    """Parse a whole file.

    Raises:
        HotlistError: the file cannot be read, is not UTF-8, lacks the vrm column, or has no good row at all.

    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            parsed = _parse(csv.DictReader(file, strict=True), path, list_id)
    except OSError as error:
        raise HotlistError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise HotlistError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except csv.Error as error:
        raise HotlistError(f"{path}: not CSV ({error})") from error
    if not parsed.entries:
        raise HotlistError(f"{path}: no good row, {len(parsed.bad_rows)} bad; the list in force stays as it was")
    return parsed


def _parse(reader: csv.DictReader[str], path: Path, list_id: str) -> ParsedList:
    header = [name.strip().lower() for name in reader.fieldnames or ()]
    unknown = [name for name in header if name not in COLUMNS]
    if "vrm" not in header or unknown:
        raise HotlistError(f"{path}: the first line must name columns among {', '.join(COLUMNS)} (vrm is needed)")
    reader.fieldnames = header
    entries: dict[str, HotlistEntry] = {}
    bad: list[BadRow] = []
    for row in reader:
        try:
            entry = _entry(row, list_id)
            if entry.vrm in entries:
                raise ValueError(f"{entry.vrm} is already in this file")
            entries[entry.vrm] = entry
        except ValueError as error:
            bad.append(BadRow(reader.line_num, str(error)))
    return ParsedList(tuple(entries.values()), tuple(bad))


def _entry(row: dict[str, str], list_id: str) -> HotlistEntry:
    """One row as an entry; ValueError says what is wrong with it."""
    if None in row or None in row.values():
        raise ValueError("wrong number of columns")
    cell = {name: value.strip() for name, value in row.items()}
    category = _category(cell.get("category") or DEFAULT_CATEGORY)
    valid_from, valid_to = _moment(cell, "valid_from"), _moment(cell, "valid_to")
    if valid_from is not None and valid_to is not None and valid_from >= valid_to:
        raise ValueError("valid_to is not after valid_from")
    return HotlistEntry(
        list_id=list_id,
        vrm=_vrm(cell["vrm"]),
        country=cell.get("country", "").upper() or None,
        category=category.name,
        priority=_priority(cell.get("priority", ""), category.priority),
        reason=cell.get("reason", ""),
        issuer=cell.get("issuer", ""),
        valid_from_ns=valid_from,
        valid_to_ns=valid_to,
        actions=_actions(cell.get("actions", ""), category.actions),
    )


def _vrm(text: str) -> str:
    normal = vrm.normalise(text)
    if not 1 <= len(normal) <= vrm.VRM_LENGTH_MAX:
        raise ValueError(f"vrm {text!r} has {len(normal)} letters and digits, 1 to {vrm.VRM_LENGTH_MAX} wanted")
    return normal


def _category(name: str) -> policy.Category:
    known = policy.categories()
    if name.lower() not in known:
        raise ValueError(f"category {name!r} is none of {', '.join(sorted(known))}")
    return known[name.lower()]


def _priority(text: str, default: int) -> int:
    if not text:
        return default
    if not text.isdigit() or int(text) > 100:
        raise ValueError(f"priority {text!r} is not a number from 0 to 100")
    return int(text)


def _actions(text: str, default: Iterable[str]) -> tuple[str, ...]:
    wanted = tuple(text.lower().replace("+", " ").split()) or tuple(default)
    unknown = [action for action in wanted if action not in ACTIONS]
    if unknown:
        raise ValueError(f"action {unknown[0]!r} is none of {', '.join(sorted(ACTIONS))}")
    return wanted


def _moment(cell: dict[str, str], name: str) -> int | None:
    """UTC nanoseconds of an ISO 8601 date or time; one without a zone is taken as UTC."""
    if not cell.get(name):
        return None
    try:
        moment = datetime.fromisoformat(cell[name])
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            raise ValueError
    except ValueError:
        raise ValueError(
            f"{name} {cell[name]!r} is not a date such as 2026-11-23 or 2026-11-23T18:00:00+01:00"
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * NS_PER_S
