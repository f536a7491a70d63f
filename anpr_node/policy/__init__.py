"""Rules that differ by country or service, as data; this package only reads the files beside it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from anpr_node.units import NS_PER_DAY

_SHORTHAND = re.compile(r"\[[^]]*\]|L|D")


@dataclass(frozen=True, slots=True)
class Category:
    """What a category of hotlist entries means here: priority 0 (lowest) to 100, and the actions of a hit.

    `sis_article` is that of Regulation (EU) 2018/1862, None where the category is none of the SIS.
    """

    name: str
    priority: int
    actions: tuple[str, ...]
    sis_article: int | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What a country's law lets the node keep; see retention.toml. `gate_days` None: no gate."""

    reads_days: int
    hits_days: int
    store_non_hits: bool
    mask_occupants: bool
    overview: bool
    source: str
    doubt: str
    gate_days: int | None = None

    @property
    def longest_days(self) -> int:
        """Nothing that names a plate is kept for longer."""
        return max(self.reads_days, self.hits_days)

    def gate_ns(self, now_ns: int, decision_ref: str | None) -> int | None:
        """The moment before which a decision is needed; None where none is, or there is one."""
        if self.gate_days is None or (decision_ref or "").strip():
            return None
        return now_ns - self.gate_days * NS_PER_DAY

    def only_hits_before_ns(self, now_ns: int) -> int:
        """Reads from before this moment are on the card for a hit only."""
        return now_ns - self.reads_days * NS_PER_DAY


@dataclass(frozen=True, slots=True)
class Roles:
    """Which commands answer whom; see roles.toml. Of `anyone`, the node's law binds `held` and `under`."""

    anyone: frozenset[str]
    held: frozenset[str]
    under: frozenset[str]
    commands: dict[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a measured value of an installation should be, lowest and highest; see calibration.toml."""

    label: str
    unit: str
    ok: tuple[float, float]
    warn: tuple[float, float]
    digits: int


@cache
def calibration_limits() -> dict[str, Limits]:
    """Every value of an installation that is judged, from calibration.toml."""
    return {
        name: Limits(row["label"], row["unit"], tuple(row["ok"]), tuple(row["warn"]), row["digits"])
        for name, row in _read("calibration.toml").items()
    }


@cache
def presets() -> dict[str, Terms]:
    """The terms of every country, from retention.toml."""
    return {name: Terms(**row) for name, row in _read("retention.toml").items()}


@cache
def roles() -> Roles:
    """Who may do what, from roles.toml."""
    content = _read("roles.toml")
    anyone, held, under = (frozenset(content[name]) for name in ("anyone", "held", "under"))
    return Roles(anyone, held, under, {name: frozenset(may) for name, may in content["roles"].items()})


@cache
def confusions(purpose: Literal["match", "search"]) -> dict[str, str]:
    """For each character the others it may be taken for, from confusions.toml; searching takes what matching takes."""
    content = _read("confusions.toml")
    groups = content["match"] + (content["search"] if purpose == "search" else [])
    characters = sorted({char for group in groups for char in group})
    return {c: "".join(sorted({o for g in groups if c in g for o in g if o != c})) for c in characters}


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files(__name__).joinpath(name).read_text(encoding="utf-8"))


@cache
def categories() -> dict[str, Category]:
    """All categories by name, from categories.toml."""
    rows = _read("categories.toml").items()
    return {name: Category(name, row["priority"], tuple(row["actions"]), row.get("sis")) for name, row in rows}


@cache
def countries() -> dict[str, str]:
    """Every way to write a country, and the recogniser's code for it, from countries.toml."""
    content = _read("countries.toml")
    return {code: sign for sign, codes in content.items() for code in (sign, *codes)}


def category_named(name: str) -> Category:
    """The category of a name, however it is capitalised. Raises ValueError, which names those that there are."""
    known = categories()
    found = known.get(name) or known.get(name.lower())
    if found is None:
        raise ValueError(f"category {name[:40]!r} is none of {', '.join(sorted(known))}")
    return found


def iso_country(sign: str | None) -> str:
    """The two-letter code of ISO 3166 in lower case for a country as the recogniser writes it; empty for none."""
    if sign is None or len(sign) == 2:
        return (sign or "").lower()
    return next((code.lower() for code, of in countries().items() if of == sign and len(code) == 2), "")


@cache
def syntaxes() -> dict[str, re.Pattern[str]]:
    """What a plate's text looks like, by country, from syntaxes.toml; countries that say nothing are absent."""
    content = _read("syntaxes.toml")
    return {country: _pattern(row["plates"], row.get("letters", "A-Z")) for country, row in content.items()}


def _pattern(plates: list[str], letters: str) -> re.Pattern[str]:
    """The shorthand of syntaxes.toml as a regular expression; what stands in [brackets] is left alone."""

    def spell(match: re.Match[str]) -> str:
        return {"L": f"[{letters}]", "D": "[0-9]"}.get(match[0], match[0])

    return re.compile("|".join(f"(?:{_SHORTHAND.sub(spell, plate)})" for plate in plates))


@cache
def ncic_codes() -> dict[str, tuple[str, str]]:
    """Words and category of each code of an NCIC extract, from ncic.toml."""
    return {code: (words, category) for code, (words, category) in _read("ncic.toml").items()}
