"""Number plates as they are issued: a country, a text and how it is printed, drawn by chance from real syntaxes.

Texts are invented; nothing here renders.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"
VRM_LENGTH_MAX = 8
SEAL = "*"
"""Stands for a round seal between groups; `-` and a space are printed as they are."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One plate: the text a reader should give, and the rows as printed, separators included."""

    vrm: str
    country: str
    rows: tuple[str, ...]

    @property
    def lines(self) -> int:
        """One or two."""
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A printed row such as `L-999`: L a letter, 9 a digit, 1 the digits 1 to 9, `/` a new row, others literal."""

    country: str
    share: float
    printed: str
    letters: str = LETTERS


B_SERIES = "ABCDEFGHJKLNPRSTUVWXYZ"
D_DISTRICTS = ("AC", "B", "K", "DN", "HS", "EU", "BIT", "TR", "D", "BM", "WOB", "M", "GM", "MG", "HH", "S")
D_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
F_LETTERS = "ABCDEFGHJKLMNPQRSTVWXYZ"
NL_LETTERS = "BDFGHJKLNPRSTVXZ"
PL_DISTRICTS = ("WW", "KR", "PO", "GD", "WPI", "DW", "SK", "LU")
RO_COUNTIES = ("CJ", "TM", "IF", "BV", "SB", "AR")

PATTERNS = (
    Pattern("B", 0.13, "1-LLL-999", B_SERIES),
    Pattern("B", 0.35, "2*LLL-999", B_SERIES),
    Pattern("B", 0.07, "1*LLL-999", B_SERIES),
    Pattern("B", 0.05, "2-LLL/999", B_SERIES),
    Pattern("B", 0.03, "LLL*999", B_SERIES),
    Pattern("B", 0.02, "999-LLL", B_SERIES),
    Pattern("B", 0.01, "T*XLL-999", B_SERIES),
    Pattern("B", 0.005, "O*LLL-999", B_SERIES),
    Pattern("D", 0.10, "@D*LL 1999", D_LETTERS),
    Pattern("D", 0.02, "@D*L 199", D_LETTERS),
    Pattern("F", 0.09, "LL-999-LL", F_LETTERS),
    Pattern("NL", 0.02, "LL-999-L", NL_LETTERS),
    Pattern("NL", 0.02, "L-999-LL", NL_LETTERS),
    Pattern("NL", 0.015, "99-LLL-9", NL_LETTERS),
    Pattern("NL", 0.01, "9-LLL-99", NL_LETTERS),
    Pattern("NL", 0.01, "99-LL-LL", NL_LETTERS),
    Pattern("NL", 0.005, "LL/999-L", NL_LETTERS),
    Pattern("L", 0.025, "LL 1999", F_LETTERS),
    Pattern("PL", 0.015, "@PL 99999"),
    Pattern("RO", 0.01, "@RO 99 LLL", F_LETTERS),
    Pattern("E", 0.01, "9999 LLL", "BCDFGHJKLMNPRSTVWXYZ"),
)
_DISTRICTS = {"D": D_DISTRICTS, "PL": PL_DISTRICTS, "RO": RO_COUNTIES}
_SEPARATORS = re.compile(r"[^A-Z0-9]")
_KNOWN_GROUPS = (
    ("B", re.compile(r"([1-9])([A-Z]{3})(\d{3})"), SEAL + "-"),
    ("B", re.compile(r"([A-Z])([A-Z]{3})(\d{3})"), SEAL + "-"),
    ("F", re.compile(r"([A-Z]{2})(\d{3})([A-Z]{2})"), "--"),
    ("NL", re.compile(r"(\d{2})([A-Z]{3})(\d)"), "--"),
    ("NL", re.compile(r"([A-Z]{1,2})(\d{3})([A-Z]{1,2})"), "--"),
    ("B", re.compile(r"([A-Z]{3})(\d{3})"), SEAL),
    ("B", re.compile(r"(\d{3})([A-Z]{3})"), "-"),
    ("L", re.compile(r"([A-Z]{2})(\d{4})"), " "),
)
_GERMAN = re.compile(f"({'|'.join(sorted(D_DISTRICTS, key=len, reverse=True))})([A-Z]{{1,2}})([1-9][0-9]{{0,3}})")


def normalised(printed: str) -> str:
    """The text without separators."""
    return _SEPARATORS.sub("", printed)


def draw_issue(rng: Generator) -> Issue:
    """A plate by chance: three in five Belgian, the others from countries met on Belgian roads."""
    total = sum(pattern.share for pattern in PATTERNS)
    mark = rng.random() * total
    for pattern in PATTERNS:
        mark -= pattern.share
        if mark < 0:
            break
    rows = tuple(_fill(row, pattern, rng) for row in pattern.printed.split("/"))
    return Issue(normalised("".join(rows)), pattern.country, rows)


def issue_for(vrm: str) -> Issue:
    """How a given text would be printed; what fits no known syntax becomes a personalised Belgian plate."""
    for country, groups, separators in _KNOWN_GROUPS:
        match = groups.fullmatch(vrm)
        if match:
            parts = match.groups()
            printed = "".join(part + separator for part, separator in zip(parts, [*separators, ""], strict=True))
            return Issue(vrm, country, (printed,))
    german = _GERMAN.fullmatch(vrm)
    if german:
        return Issue(vrm, "D", (f"{german[1]}{SEAL}{german[2]} {german[3]}",))
    return Issue(vrm, "B", (vrm,))


def _fill(row: str, pattern: Pattern, rng: Generator) -> str:
    def pick(choices: str) -> str:
        return choices[int(rng.integers(len(choices)))]

    district = re.match(r"@([A-Z]+?)(?=[* ])", row)
    if district:
        choices = _DISTRICTS[district[1]]
        head, row = choices[int(rng.integers(len(choices)))], row[district.end() :]
    else:
        head = ""
    fills: dict[str, Callable[[], str]] = {
        "L": lambda: pick(pattern.letters),
        "9": lambda: pick(DIGITS),
        "1": lambda: pick(DIGITS[1:]) if district or pattern.country == "L" else "1",
    }
    filled = head + "".join(fills[sign]() if sign in fills else sign for sign in row)
    surplus = len(normalised(filled)) - VRM_LENGTH_MAX
    return filled[:-surplus] if surplus > 0 else filled
