"""Turns the cells of one row, whatever file they came from, into a list entry; a bad row is refused in words.

The cells have our own column names (COLUMNS). Nothing is repaired: what is not understood is a bad row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from anpr_node import policy, vrm
from anpr_node.config import ListSection
from anpr_node.records import HotlistEntry
from anpr_node.units import NS_PER_S

COLUMNS = (
    "vrm",
    "country",
    "category",
    "priority",
    "reason",
    "issuer",
    "valid_from",
    "valid_to",
    "actions",
    "match",
    "change",
)
ACTIONS = frozenset({"relay", "led", "uplink", "sms", "batch", "silent"})
FIRST_YEAR, LAST_YEAR = 1970, 2261  # what 64 bits of nanoseconds hold; an open end is an empty cell
TEXT_LENGTH_MAX = 500
FIXED_CHARACTERS_MIN = 4
"""A pattern must say so many characters, and a shorter entry never matches loosely."""
STARS_MAX = 2

_SPELLING = re.compile(r"[^\W_]|[ \t.·/_–-]")
"""What may stand in a plate: letters, digits, and what people put between them."""
_ASCII_PLATE = re.compile(r"[A-Z0-9]{1,12}")
_WILDCARDS = re.compile(r"[?*]+")


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was left out, and why."""

    line: int
    problem: str


@dataclass(frozen=True, slots=True)
class GoodRow:
    """A row that is understood. `change` is add or remove."""

    line: int
    change: str
    entry: HotlistEntry


Cells = Mapping[str, str]
RawRow = tuple[int, Cells | str]
"""A line's number with its cells, or with what is wrong with it."""


def to_rows(
    raw: Iterator[RawRow], list_id: str, settings: ListSection, change: str = "add"
) -> Iterator[GoodRow | BadRow]:
    """Good and bad rows in the order of the file. `change` is what a row means that does not say it."""
    for line, cells in raw:
        if isinstance(cells, str):
            yield BadRow(line, cells)
            continue
        try:
            yield GoodRow(line, _change(cells, change), _entry(cells, list_id, settings))
        except ValueError as error:
            yield BadRow(line, str(error))


def _change(cells: Cells, default: str) -> str:
    wanted = cells.get("change", "").strip().lower() or default
    if wanted not in {"add", "remove"}:
        raise ValueError(f"change {wanted!r} is neither add nor remove")
    return wanted


def _entry(cells: Cells, list_id: str, settings: ListSection) -> HotlistEntry:
    """One row as an entry; ValueError says what is wrong with it."""
    category = policy.category_named(cells.get("category", "").strip() or settings.category)
    valid_from, valid_to = _moment(cells, "valid_from"), _moment(cells, "valid_to")
    if valid_from is not None and valid_to is not None and valid_from >= valid_to:
        raise ValueError("valid_to is not after valid_from")
    return HotlistEntry(
        list_id,
        _plate(cells.get("vrm", ""), settings.wildcard),
        _country(cells.get("country", "") or settings.country or ""),
        category.name,
        _priority(cells.get("priority", ""), category.priority if settings.priority is None else settings.priority),
        _words(cells, "reason"),
        _words(cells, "issuer") or settings.issuer,
        valid_from,
        valid_to,
        _actions(cells.get("actions", ""), category, settings),
        _exact_only(cells.get("match", "")),
    )


def _plate(text: str, wildcard: bool) -> str:
    """A plate or a pattern in its normal form."""
    if _ASCII_PLATE.fullmatch(text):
        return text
    if "?" in text or "*" in text:
        return _pattern(text, wildcard)
    strange = _SPELLING.sub("", text)
    if strange:
        raise ValueError(f"{strange[0]!r} in vrm {text[:40]!r} stands on no plate")
    normal = vrm.normalise(text)
    letters = sum(char.isalnum() for char in text)
    if len(normal) != letters:
        raise ValueError(f"vrm {text[:40]!r} has letters that are not A to Z")
    if not 1 <= len(normal) <= vrm.VRM_LENGTH_MAX:
        raise ValueError(f"vrm {text[:40]!r} has {len(normal)} letters and digits, 1 to {vrm.VRM_LENGTH_MAX} wanted")
    return normal


def _pattern(text: str, allowed: bool) -> str:
    if not allowed:
        raise ValueError(f"vrm {text[:40]!r} is a pattern, which only a list with wildcard = true takes")
    parts = _WILDCARDS.split(text.strip())
    fixed = [_plate(part, False) if part.strip() else "" for part in parts]
    wild = [*_WILDCARDS.findall(text), ""]
    if sum(map(len, fixed)) < FIXED_CHARACTERS_MIN:
        raise ValueError(f"pattern {text[:40]!r} says fewer than {FIXED_CHARACTERS_MIN} characters")
    if text.count("*") > STARS_MAX:
        raise ValueError(f"pattern {text[:40]!r} has more than {STARS_MAX} *")
    return "".join(part + jokers for part, jokers in zip(fixed, wild, strict=True))


def _country(text: str) -> str | None:
    code = text.strip().upper()
    if code and not (code.isascii() and code.isalpha() and len(code) <= 3):
        raise ValueError(f"country {text[:40]!r} is not a code of one to three letters")
    return policy.countries().get(code, code) or None


def _priority(text: str, default: int) -> int:
    if not text.strip():
        return default
    if not (text.strip().isascii() and text.strip().isdigit()) or int(text) > 100:
        raise ValueError(f"priority {text[:40]!r} is not a number from 0 to 100")
    return int(text)


def _actions(text: str, category: policy.Category, settings: ListSection) -> tuple[str, ...]:
    """The row's own actions, else the list's, else the category's. What is silent by category stays silent."""
    wanted = tuple(text.lower().replace("+", " ").split())
    silent = "silent" in category.actions
    if not wanted:
        return category.actions if silent or settings.actions is None else tuple(settings.actions)
    unknown = [action for action in wanted if action not in ACTIONS]
    if unknown:
        raise ValueError(f"action {unknown[0][:40]!r} is none of {', '.join(sorted(ACTIONS))}")
    if ("silent" in wanted or silent) and wanted != ("silent",):
        raise ValueError(f"a {category.name if silent else 'silent'} entry has no other action than silent")
    if {"batch", "uplink"} <= set(wanted):
        raise ValueError("actions batch and uplink exclude each other")
    return wanted


def _exact_only(text: str) -> bool:
    """`near` means: as far as the list allows it."""
    wanted = text.strip().lower()
    if wanted not in {"", "near", "exact"}:
        raise ValueError(f"match {text[:40]!r} is neither exact nor near")
    return wanted == "exact"


def _words(cells: Cells, name: str) -> str:
    text = cells.get(name, "")
    if len(text) > TEXT_LENGTH_MAX:
        raise ValueError(f"{name} has {len(text)} characters, {TEXT_LENGTH_MAX} at most")
    plain = " ".join(text.split())
    if not plain.isprintable():
        raise ValueError(f"{name} has characters that cannot be printed")
    return plain


def _moment(cells: Cells, name: str) -> int | None:
    """UTC nanoseconds of an ISO 8601 date or time; one without a zone is taken as UTC."""
    text = cells.get(name, "").strip()
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            raise ValueError
    except ValueError:
        raise ValueError(
            f"{name} {text[:40]!r} is not a date such as 2026-11-23 or 2026-11-23T18:00:00+01:00"
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * NS_PER_S
