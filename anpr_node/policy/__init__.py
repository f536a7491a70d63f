"""Rules that differ by country or service, as data; this package only reads the files beside it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

_SHORTHAND = re.compile(r"\[[^]]*\]|L|D")


@dataclass(frozen=True, slots=True)
class Category:
    """What a category of hotlist entries means here: priority 0 (lowest) to 100, and the actions of a hit."""

    name: str
    priority: int
    actions: tuple[str, ...]


@cache
def categories() -> dict[str, Category]:
    """All categories by name, from categories.toml."""
    content = tomllib.loads(resources.files(__name__).joinpath("categories.toml").read_text(encoding="utf-8"))
    return {name: Category(name, row["priority"], tuple(row["actions"])) for name, row in content.items()}


@cache
def syntaxes() -> dict[str, re.Pattern[str]]:
    """What a plate's text looks like, by country, from syntaxes.toml; countries that say nothing are absent."""
    content = tomllib.loads(resources.files(__name__).joinpath("syntaxes.toml").read_text(encoding="utf-8"))
    return {country: _pattern(row["plates"], row.get("letters", "A-Z")) for country, row in content.items()}


def _pattern(plates: list[str], letters: str) -> re.Pattern[str]:
    """The shorthand of syntaxes.toml as a regular expression; what stands in [brackets] is left alone."""

    def spell(match: re.Match[str]) -> str:
        return {"L": f"[{letters}]", "D": "[0-9]"}.get(match[0], match[0])

    return re.compile("|".join(f"(?:{_SHORTHAND.sub(spell, plate)})" for plate in plates))
