"""Rules that differ by country or service, as data; this package only reads the files beside it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources


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
