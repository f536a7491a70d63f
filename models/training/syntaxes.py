"""Number-plate syntaxes of Europe (and a few others) as small patterns, and how one becomes a text.

They teach a prior; nothing in the reader ever rejects a text because it fits none of them. Pattern language: ``@``
letter, ``#`` digit, ``%`` either, ``[ABC]`` one of these, ``(x|y|)`` one alternative; ``-`` ``.`` and space are printed
separators, ``*`` an emblem, ``^`` a pair of small seals one above the other, ``/`` where a two-line plate breaks
(nothing on a one-line plate). Everything else is printed as it stands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
RARE = "IOQ"  # most countries avoid what looks like a digit
CONSONANTS = "BDFGHJKLNPRSTVXZ"
SEPARATORS = "-. *^/"


@dataclass(frozen=True)
class Kind:
    """One kind of plate: how often it is drawn, its pattern, its colours ("ink/ground") and its shape."""

    weight: float
    pattern: str
    colours: str = "black/white"
    aspect: float = 4.7
    letters: str = LETTERS


@dataclass(frozen=True)
class Country:
    """A country's plates: how often it is drawn, the font families that look alike, its bands and its kinds."""

    weight: float
    fonts: str
    kinds: tuple[Kind, ...]
    left_band: float = 0.75
    right_band: float = 0.0


def _kinds(*rows: tuple) -> tuple[Kind, ...]:
    return tuple(Kind(*row) for row in rows)


# fmt: off
_B = _kinds(
    (30, "(1|1|1|2|2)(-|-|.|*)@@@-/###", "red/white"),
    (3, "[345678](-|.|*)@@@-/###", "red/white"),
    (5, "8(-|.|*)(AA|AB)@-/###", "red/white"),
    (2, "9(-|.)(@@@-###|###-@@@)", "red/white"),
    (10, "@@@-/###", "red/white", 3.8),
    (3, "###-/@@@", "red/white", 3.4),
    (3, "1(-|.)[OQTZM]@@-/###", "red/white"),
    (3, "M-/@@@-/###", "red/white", 1.6),
    (3, "[SGQOTU](-|.)@@@-/###", "red/white"),
    (1, "T-(X|L)@@-###", "red/white"),
    (2, "[ZYV](-|.)@@@-/###", "green/white"),
    (1, "1(-|)######", "white/red"),
    (1, "CD(-| )@@(-| )###", "black/white"),
    (1, "(EUR ####|### EURO|######)", "blue/white"),
    (1, "(A|E|P)(-|.)(#|##|###)", "red/white"),
    (2, "(@.####|#.@.###|##.@.##|###.@.#|####.@|@@.###|#.@@.##|##.@@.#|###.@@|@.###.@)", "red/white", 3.4),
    (1, "Q@@-###", "black/white"),
    (2, "(@@@|@@@@|@@|@@@@@)(-|.| )(#|##|###)", "red/white"),
)
_NL = _kinds(
    (2, "@@-##-/##", "black/yellow", 4.7, CONSONANTS), (2, "##-##-/@@", "black/yellow", 4.7, CONSONANTS),
    (4, "##-@@-/##", "black/yellow", 4.7, CONSONANTS), (4, "@@-##-/@@", "black/yellow", 4.7, CONSONANTS),
    (5, "@@-@@-/##", "black/yellow", 4.7, CONSONANTS), (5, "##-@@-/@@", "black/yellow", 4.7, CONSONANTS),
    (6, "##-/@@@-#", "black/yellow", 4.7, CONSONANTS), (6, "#-/@@@-##", "black/yellow", 4.7, CONSONANTS),
    (6, "@@-/###-@", "black/yellow", 4.7, CONSONANTS), (6, "@-/###-@@", "black/yellow", 4.7, CONSONANTS),
    (3, "@@@-/##-@", "black/yellow", 4.7, CONSONANTS), (3, "@-/##-@@@", "black/yellow", 4.7, CONSONANTS),
    (2, "#-/@@-###", "black/yellow", 4.7, CONSONANTS), (2, "###-/@@-#", "black/yellow", 4.7, CONSONANTS),
    (2, "M@-/##-@@", "black/yellow", 1.5, CONSONANTS), (2, "(DE|AM|PE|DH|AR)-/##-##", "white/blue"),
    (1, "W@-##-@@", "black/white"), (1, "##-@@-##", "white/black"), (1, "CD-##-##", "black/lightblue"),
)
_D = _kinds(
    (10, "@(^|*|^-)/@@ ####"), (12, "@@(^|*|^-)/@@ ###"), (12, "@@@(^|*|^-)/@@ ###"),
    (8, "@@@(^|*|^-)/@ ###"), (8, "@(^|*|^-)/@@ ###"), (5, "@@(^|*|^-)/@ ####"), (5, "@@@(^|*|^-)/@@ ##"),
    (5, "(B|M|HH|K|S|F|DD|WOB|HSK|LÖ|TÜ|MÜ|FÜ|KÖN)(^|*|^-)/(@@|@) (##|###|####)"), (4, "@@(^|*|^-)/@ (#|##)"),
    (3, "(@|@@)(^|*|^-)/(@|@@) (##|###)(E|H)"), (2, "(@|@@|@@@)(^|-)/0[67]####", "red/white"),
    (2, "(@|@@|@@@)(^|*)0[34]###"), (2, "BP(*|-)/##(-| )###"), (1, "Y-### ###"), (1, "0 (-|)##-###"),
    (2, "### @@@", "black/white", 1.3), (1, "THW(^|*)/#####"),
)
_F = _kinds(
    (20, "@@(-|.)###(-|.)@@", "black/white", 4.7, "ABCDEFGHJKLMNPQRSTVWXYZ"), (4, "@@(-| )/###(-| )@@"),
    (6, "(###|####) (/|)@@ (##|2A|2B)"), (6, "(##|###) (/|)@@@ ##"), (3, "### @@@ ##", "black/yellow"),
    (1, "W(W|)-###-@@"), (1, "###(CD|C|K)##", "white/green"), (1, "@@-###-@@", "white/black"),
)
_GB_LETTERS = "ABCDEFGHJKLMNOPRSTUVWXYZ"
_GB = _kinds(
    (20, "@@## /@@@", "black/white", 4.7, _GB_LETTERS), (20, "@@## /@@@", "black/yellow", 4.7, _GB_LETTERS),
    (6, "@### /@@@", "black/yellow"), (5, "@## /@@@"),
    (4, "@# /@@@"), (3, "@@@ /###@", "black/yellow"), (3, "@@@ /(##|#)@"), (2, "(@@@|@@) /(####|###)"),
    (2, "(#|##|###) /@@@"), (2, "(@@@|@@) /###", "white/black"), (1, "@[ZI]@ /####", "black/yellow"),
)
_CZ_LETTERS = "ABCDEFHIJKLMNPRSTUVXYZ"
_P2 = "[ACEFGHJKLMNPRSTUVWXY]"  # Polish serials avoid letters that look like digits
_PL = _kinds(
    (6, "@@ (|* )/#####"), (6, f"@@ (|* )/####{_P2}"), (4, f"@@ /###{_P2}{_P2}"), (3, f"@@ /#{_P2}###"),
    (8, "@@@ (|* )/#####"), (4, f"@@@ /####{_P2}"), (6, f"@@@ /##{_P2}{_P2}"), (4, f"@@@ /{_P2}###"),
    (3, f"@@@ /#{_P2}##"), (3, f"@@@ /{_P2}##{_P2}"), (3, f"@@@ /{_P2}{_P2}##"), (2, "@# /@@@@"),
    (1, "@@ ### @", "red/white"),
    (1, f"@@@ /##{_P2}", "black/yellow"),
)
_I = _kinds(
    (20, "@@(.| |*)###/@@", "black/white", 4.7, "ABCDEFGHJKLMNPRSTVWXYZ"), (5, "@@ /#####", "black/white", 1.3),
    (2, "@@ *## ###"), (1, "YA ###AA"),
)
_E = _kinds((20, "#### /@@@", "black/white", 4.7, CONSONANTS + "CMWY"), (5, "(@|@@)(-| )/####(-| )(@|@@)"),
            (1, "@ #### @@@", "white/red"))
_P = _kinds((8, "##-@@-/##"), (8, "##-##-/@@"), (6, "@@-##-/##"), (6, "@@ ## /@@"), (2, "@-#####"),
    (1, "######-@", "black/yellow"))
_CZ = _kinds(
    (16, "#@#(*|^| )/####", "black/white", 4.7, _CZ_LETTERS), (8, "#@@(*|^| )/####", "black/white", 4.7, _CZ_LETTERS),
    (5, "@@@(*|^| )/##(-|.)##"), (3, "@@(*|^| )/##(-|.)##"), (2, "EL(*|^| )%%%@@"),
    (2, "#@ /####", "black/white", 1.4, _CZ_LETTERS), (1, "##@ ####", "black/yellow"), (2, "%%%(*|^)%%%%%"),
)
_S = _kinds((16, "@@@(| |*| *)/###"), (10, "@@@(| |*| *)/##@"), (1, "@@@ /###", "white/green"),
    (1, "@@@##@", "black/yellow"),
            (1, "@@@@@", "black/white"))
_A = _kinds((8, "(W|G|L|S|B|K)(*)/##### @"), (8, "@@(*)/###@@"), (6, "@@(*)/##@@@"), (5, "(W|G)(*)/####@@"),
    (5, "@@ *#@@@"),
            (3, "@@(*)@@@@@ #"), (3, "@ * /#@@@"), (2, "@@(*)##@@", "green/white"), (2, "W(*)(@@|@@@) ##"))
_SLO = _kinds((10, "@@*/@#-###"), (10, "@@*/@@-###"), (6, "@@*##-#@@"), (5, "@@*#@-##@"), (3, "@@*@@@@@"),
              (2, "##-@@*@@", "green/white"))
_HR = _kinds((14, "@@*/####-@@"), (14, "@@*/###-@@"), (8, "@@*/###-@"), (4, "@@*/####-@"),
    (2, "###-@-###", "white/blue"),
             (1, "@@*@@@@@"))
_DK = _kinds((20, "@@ (|* )/## ###"), (4, "@@ /## ##", "black/yellow"), (3, "@@ ## ###", "black/yellow"),
    (2, "@@ /#####"),
             (2, "@@ /###", "black/white", 1.4))
_US = _kinds((6, "@@@ ####", "dark/light", 2.0), (5, "@@@-####", "dark/light", 2.0),
    (4, "@@@ ###", "dark/light", 2.0),
             (4, "### @@@", "dark/light", 2.0), (4, "@@@*###", "dark/light", 2.0), (3, "#@@@###", "dark/light", 2.0),
             (3, "@@#@@#@", "dark/light", 2.0), (3, "(##|###)@(##|###)", "dark/light", 2.0),
             (3, "%%%(*| |)%%%%", "dark/light", 2.0),
             (3, "%%%%%%%", "dark/light", 2.0))

COUNTRIES: dict[str, Country] = {
    "B": Country(14, "din condensed", _B, 0.6),
    "NL": Country(6, "condensed din", _NL, 0.7),
    "D": Country(8, "fe fe fe din", _D, 0.85),
    "F": Country(5, "din condensed any", _F, 0.8, 0.7),
    "GB": Country(8, "highway any", _GB, 0.5),
    "L": Country(2, "condensed din", _kinds((6, "@@ ####", "black/yellow"), (2, "#####", "black/yellow"),
        (2, "####", "black/yellow"),
                                            (1, "@ ####", "black/yellow"), (1, "CD*###", "black/yellow"))),
    "A": Country(3, "fe din condensed", _A), "CH": Country(2, "din any", _kinds(
        (12, "*@@(*|.)######(*)", "black/white", 4.2), (8, "*@@(*|.)(/|)#####", "black/white", 3.8),
        (6, "*@@*/######", "black/white", 1.5),
        (6, "*@@*/####", "black/white", 1.5), (2, "*@@ ###", "black/white", 3.8)), 0.0),
    "I": Country(3, "highway din condensed", _I, 0.85, 0.75), "E": Country(3, "din any", _E),
    "P": Country(2, "din condensed", _P, 0.75, 0.6),
    "IRL": Country(3, "din any", _kinds((8, "##-(C|D|G|L|W|KE|MN|TS|WH|CE|LK)-/(###|####|#####|######)"),
        (5, "##(1|2)-(C|D|G|L|CN|DL|MH|KY)-/(###|####|#####)"),
                                        (4, "##-@@-####"), (2, "##(1|2)-D-(###|######)"))),
    "DK": Country(2, "din any", _DK, 0.4),
    "N": Country(2, "din highway condensed", _kinds((16, "@@ (|*)/#####", "black/white"),
        (4, "E(L|K|V|B) /#####"), (2, "@@ /####", "black/white", 1.4),
                                                    (1, "@@ #####", "black/green"))),
    "S": Country(3, "highway any", _S, 0.6), "FIN": Country(2, "highway din", _kinds(
        (16, "@@@-/###", "black/white", 4.0), (3, "@@-/##", "black/white", 3.8), (2, "@@@-##"), (1, "@@@-#"),
        (1, "CD-####", "white/blue"))),
    "EST": Country(2, "fe din", _kinds((20, "### /@@@"), (2, "## /@@@", "black/white", 1.4),
        (1, "### @@@", "black/yellow"))),
    "LV": Country(2, "condensed din", _kinds((20, "@@(-|.)/####"), (3, "@@-(#|##|###)"), (1, "@@@@(@|@@)"))),
    "LT": Country(2, "din condensed", _kinds((20, "@@@(*|^| )/###"), (2, "## /@@@", "black/white", 1.4),
        (1, "@#(*|^)###"))),
    "PL": Country(4, "din condensed any", _PL), "CZ": Country(4, "din any fe", _CZ),
    "SK": Country(4, "condensed din fe", _kinds((20, "@@*/###@@"), (4, "@@*###@@"),
        (2, "EE #####", "yellow/blue"), (1, "@@*@@@@@"))),
    "H": Country(2, "din condensed", _kinds((14, "@@@(-|*|^)/###"), (6, "@@ @@(*|-)/###"),
        (2, "@@@(-|*)###", "black/green"),
                                            (1, "@@ ##-##", "white/blue"))),
    "SLO": Country(3, "condensed din", _SLO), "HR": Country(2, "condensed din", _HR),
    "RO": Country(4, "condensed din any", _kinds((10, "@@ ##/ @@@"), (10, "B ##/ @@@"), (8, "B ###/ @@@"),
        (3, "@@ 0#####", "red/white"),
                                                  (2, "B ######", "red/white"))),
    "BG": Country(2, "condensed din", _kinds((16, "@@ #### @@", "black/white", 4.7, "ABEKMHOPCTYX"),
        (8, "@ #### @@", "black/white", 4.7, "ABEKMHOPCTYX"),
                                             (3, "@@ @@/####", "black/white", 1.4, "ABEKMHOPCTYX"),
                                             (1, "C ####", "white/red"))),
    "GR": Country(2, "condensed din", _kinds((20, "@@@-/####", "black/white", 4.7, "ABEZHIKMNOPTYX"),
        (3, "@@@*/####", "black/white", 4.7, "ABEZHIKMNOPTYX"),
                                             (2, "@@@ /(##|###)", "black/white", 1.3, "ABEZHIKMNOPTYX"))),
    "M": Country(1.5, "fe din", _kinds((20, "@@@(-|.|*)###"), (1, "@@@@(@|@@)"))),
    "CY": Country(1.5, "fe highway", _kinds((14, "@@@ ###"), (6, "@@@ ###", "black/yellow"),
        (1, "Z@@@ ###", "white/red"))),
    "TR": Country(1.5, "condensed any", _kinds((8, "## @@/ ####"), (8, "## @@@/ ###"), (5, "## @@ ###"),
        (4, "## @ ####"), (4, "## @@@ ##"))),
    "UA": Country(1.5, "condensed din", _kinds((10, "@@ ####/ @@", "black/white", 4.7, "ABEIKMHOPCTX"))),
    "SRB": Country(1.5, "condensed din", _kinds((10, "@@*###-@@"), (8, "@@*####-@@"))),
    "BIH": Country(1, "fe din", _kinds((10, "[AEJKMOT]##-[AEJKMOT]-###"), (2, "###-[AEJKMOT]-###"))),
    "MNE": Country(1, "condensed din", _kinds((10, "(PG|NK|BR|BD|HN|KO|UL|BP)*/@@###"))),
    "AL": Country(1, "condensed din", _kinds((10, "@@ (*|)###@@")), 0.8, 0.7),
    "MD": Country(1, "condensed din", _kinds((10, "@@@ ###"), (2, "@ @@ ###"))),
    "IS": Country(1, "condensed any", _kinds((10, "@@(*|-)/@##", "blue/white"),
        (8, "@@(*|-)/###", "blue/white")), 0.4),
    "LI": Country(0.5, "din any", _kinds((10, "FL*#####", "white/black")), 0.0),
    "US": Country(3, "any highway", _US, 0.0),
    "BR": Country(3, "highway condensed any", _kinds((10, "@@@(-|.)####", "dark/light", 3.1),
        (3, "@@@-/####", "dark/light", 1.2),
                                                     (2, "@@@#@##", "black/white", 3.1)), 0.0),
    "?": Country(11, "any", _kinds((4, "%%%%%%%"), (4, "%%%%%%"), (3, "%%%%%%%%"), (2, "%%%%%"), (1, "%%%%"),
        (1, "%%%%%%%%%"), (1, "%%%"),
                                   (3, "%%%(-| |.|*)/%%%%"), (2, "%%(-| |.|*)/%%%(-| |)%%"),
                                   (2, "%%%(-| |.|*)/%%%"), (1, "%(-| |.|*)/%%%%%"),
                                   (2, "@@@@@(@|@@|)"), (2, "@@@(-| |*)/##", "dark/light", 3.0),
                                   (2, "%%%%(*| )/%%%", "light/dark"),
                                   (3, "%%%%%%", "dark/light", 2.6), (2, "%%%%%%%", "light/dark", 3.5)), 0.4, 0.15),
}
# fmt: on
COUNTRY_CODES: tuple[str, ...] = tuple(COUNTRIES)


def _pick(items: str | tuple | list, rng: np.random.Generator):
    return items[int(rng.integers(len(items)))]


def double_one(printed: str, rng: np.random.Generator) -> str:
    """Make two neighbours alike, most often 11: the hardest thing for a reader that goes by columns."""
    pairs = [i for i in range(len(printed) - 1) if printed[i : i + 2].isdigit() or printed[i : i + 2].isalpha()]
    if not pairs:
        return printed
    i = _pick(pairs, rng)
    twin = "1" if printed[i].isdigit() and rng.random() < 0.5 else printed[i]
    return printed[:i] + 2 * twin + printed[i + 2 :]


def expand(pattern: str, letters: str, rng: np.random.Generator) -> str:
    """Return one printed form of a pattern: characters, separators and emblem marks, in reading order."""
    out, i = [], 0
    while i < len(pattern):
        mark = pattern[i]
        if mark == "(":
            end = pattern.index(")", i)
            out.append(expand(_pick(pattern[i + 1 : end].split("|"), rng), letters, rng))
            i = end
        elif mark == "[":
            end = pattern.index("]", i)
            out.append(_pick(pattern[i + 1 : end], rng))
            i = end
        elif mark in "@#%":
            out.append(_pick({"@": letters, "#": "0123456789", "%": LETTERS + "0123456789"}[mark], rng))
            if mark == "@" and out[-1] in RARE and rng.random() < 0.5:
                out[-1] = _pick(letters, rng)
        else:
            out.append(mark)
        i += 1
    return "".join(out)
