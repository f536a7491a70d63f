"""Rules that differ by country or service, as data; this package only reads the files beside it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

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


@cache
def categories() -> dict[str, Category]:
    """All categories by name, from categories.toml."""
    rows = _load("categories.toml").items()
    return {name: Category(name, row["priority"], tuple(row["actions"]), row.get("sis")) for name, row in rows}


@cache
def countries() -> dict[str, str]:
    """Every way to write a country, and the recogniser's code for it, from countries.toml."""
    content = _load("countries.toml")
    return {code: sign for sign, codes in content.items() for code in (sign, *codes)}


@cache
def confusions() -> dict[str, str]:
    """The characters that each character may be taken for, from confusions.toml."""
    partners: dict[str, str] = {}
    for one, other in _load("confusions.toml")["pairs"]:
        partners[one] = partners.get(one, "") + other
        partners[other] = partners.get(other, "") + one
    return partners


@cache
def syntaxes() -> dict[str, re.Pattern[str]]:
    """What a plate's text looks like, by country, from syntaxes.toml; countries that say nothing are absent."""
    rows = _load("syntaxes.toml").items()
    return {country: _pattern(row["plates"], row.get("letters", "A-Z")) for country, row in rows}


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files(__name__).joinpath(name).read_text(encoding="utf-8"))


def _pattern(plates: list[str], letters: str) -> re.Pattern[str]:
    """The shorthand of syntaxes.toml as a regular expression; what stands in [brackets] is left alone."""

    def spell(match: re.Match[str]) -> str:
        return {"L": f"[{letters}]", "D": "[0-9]"}.get(match[0], match[0])

    return re.compile("|".join(f"(?:{_SHORTHAND.sub(spell, plate)})" for plate in plates))


@cache
def ncic_codes() -> dict[str, tuple[str, str]]:
    """Words and category of each code of an NCIC extract, from ncic.toml."""
    return {code: (words, category) for code, (words, category) in _load("ncic.toml").items()}
