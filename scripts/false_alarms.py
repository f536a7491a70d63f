"""How many innocent vehicles a list stops: the arithmetic of false alarms with the recogniser's own confusions.

It reads labelled cut-out plates, whole and spoilt in many ways, keeps what a node would publish, and counts which
characters were taken for which. From there it computes false hits a day for lists of several sizes.
"""

from __future__ import annotations

import argparse
import random
import string
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from evaluation.alignment import NOTHING, confusion
from evaluation.degrade import DAMAGES
from evaluation.robustness import Target, targets
from evaluation.samples import ROOT, all_sets

from anpr_node.hotlist.matching import CANDIDATE_SCORE_MIN, Sighting, misreadings
from anpr_node.records import Candidate, PlateText
from anpr_node.vision.recognizer import Recognizer

READS_PER_DAY = 30_000
ISSUED = 26**3 * 1000
"""Plates of the current Belgian series with one first digit: 1-ABC-123."""
LISTS = (1_000, 10_000, 100_000, 1_000_000, 5_000_000)
MISREAD = 0.03
"""Share of reads that are wrong in service, as reported across the United Kingdom's cameras."""
PUBLISHED_FROM = 0.5
"""The vote's bound for a text read more than once; a single reading stands for a passage here."""
GATES = (PUBLISHED_FROM, 0.85, 0.97)
DRAWN = 20_000
LETTERS, DIGITS = string.ascii_uppercase, string.digits


@dataclass(frozen=True, slots=True)
class Reading:
    """A labelled plate with what the recogniser made of it."""

    wanted: str
    answer: PlateText
    damage: str


def main() -> None:
    parser = argparse.ArgumentParser(
        "scripts/false-alarms", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="labelled plates")
    parser.add_argument("--split", default="dev", help="the only split that is read (default dev)")
    options = parser.parse_args()
    plates = targets(all_sets(options.data, options.split))
    show(plates, list(read(plates)))


def read(plates: Sequence[Target]) -> Iterator[Reading]:
    """Every plate at every level of every damage."""
    recognizer = Recognizer(ROOT / "models" / "plate_recognizer", 1)
    for damage in DAMAGES:
        for level in damage.levels:
            for number, (patch, text) in enumerate(plates):
                spoilt = damage.apply(patch, level, np.random.default_rng((1, number)))
                yield Reading(text, recognizer.read(spoilt), damage.name)


def show(plates: Sequence[Target], readings: Sequence[Reading]) -> None:
    """The figures, as Markdown."""
    published = [r for r in readings if r.answer.score >= PUBLISHED_FROM]
    wrong = [r for r in published if r.answer.text != r.wanted]
    same_length = [r for r in wrong if len(r.answer.text) == len(r.wanted)]
    single = [r for r in same_length if sum(a != b for a, b in zip(r.wanted, r.answer.text, strict=True)) == 1]
    swaps = exchanged_characters(published)
    print(f"{len(plates)} plates, {len(readings)} readings, {len(published)} published")
    for gate in GATES:
        print(f"  from a confidence of {gate}: {share_wrong(readings, gate):.2%} wrong")
    print(
        f"{len(wrong)} wrong: {len(single)} with one character exchanged, {len(same_length) - len(single)} with more,"
    )
    print(f"{len(wrong) - len(same_length)} with characters lost or added")
    print("most often exchanged:", ", ".join(f"{a}>{b} {n}" for (a, b), n in swaps.most_common(20)))
    stays = share_in_series(swaps) * len(single) / len(wrong)
    neighbours = neighbours_in_series(published)
    found = sum(r.wanted in misreadings(sighting(r.answer)) for r in wrong) / len(wrong)
    print(f"a wrong text is a plate of the same series: {stays:.1%}")
    print(f"near matching would find {found:.0%} of the plates that were read wrong\n")
    gained = share_wrong(readings, GATES[-1]) / share_wrong(readings, GATES[0])
    print(f"| entries | all wrong texts in the series | our confusions | and from {GATES[-1]} only | near |")
    print("|---|---|---|---|---|")
    for entries in LISTS:
        cells = (MISREAD, MISREAD * stays, MISREAD * stays * gained, MISREAD * stays + neighbours)
        false = (f"{READS_PER_DAY * share * entries / ISSUED:,.2f}" for share in cells)
        print(f"| {entries:,} | " + " | ".join(false) + " |")


def share_wrong(readings: Sequence[Reading], gate: float) -> float:
    """Of the readings that are so sure."""
    kept = [r.answer.text == r.wanted for r in readings if r.answer.score >= gate]
    return 1 - sum(kept) / len(kept)


def exchanged_characters(readings: Sequence[Reading]) -> Counter[tuple[str, str]]:
    """The confusion matrix without what was read right, lost or added."""
    pairs = confusion((r.wanted, r.answer.text) for r in readings)
    return Counter({(a, b): n for (a, b), n in pairs.items() if a != b and NOTHING not in (a, b)})


def sighting(answer: PlateText) -> Sighting:
    """A reading as it is matched."""
    return Sighting(answer.text, answer.country, answer.score, answer.candidates, 0)


def share_in_series(swaps: Counter[tuple[str, str]]) -> float:
    """How often one exchanged character gives another plate of the series: letter for letter, digit for digit."""
    rng, kept = random.Random(1), 0
    weights = Counter[str]()
    for (wanted, _), number in swaps.items():
        weights[wanted] += number
    for _ in range(DRAWN):
        plate = draw(rng)
        at = rng.choices(range(len(plate)), [weights[char] + 0.01 for char in plate])[0]
        others = {b: n for (a, b), n in swaps.items() if a == plate[at]}
        if others:
            other = rng.choices([*others], [*others.values()])[0]
            kept += in_series(plate[:at] + other + plate[at + 1 :])
    return kept / DRAWN


def neighbours_in_series(published: Sequence[Reading]) -> float:
    """How many other plates of the series near matching also asks for, on average: by exchange, and by candidates."""
    rng = random.Random(2)
    exchanged = sum(sum(map(in_series, misreadings(sighting(plain(draw(rng)))))) for _ in range(DRAWN)) / DRAWN
    seconds = [(r.answer.text, c) for r in published for c in r.answer.candidates[1:]]
    alike = sum(same_shape(c.text, text) for text, c in seconds if c.score >= CANDIDATE_SCORE_MIN) / len(published)
    print(f"near matching asks for other plates of the series: {exchanged:.2f} by exchange, {alike:.2f} by candidates")
    return exchanged + alike


def plain(text: str) -> PlateText:
    """A sure answer."""
    return PlateText(text, (), (Candidate(text, 1.0),), "B", 1.0)


def draw(rng: random.Random) -> str:
    """A plate of the series."""
    return "1" + "".join(rng.choices(LETTERS, k=3)) + "".join(rng.choices(DIGITS, k=3))


def in_series(text: str) -> bool:
    """Whether a text is a plate of the series."""
    return len(text) == 7 and text[0] == "1" and text[1:4].isalpha() and text[4:].isdigit()


def same_shape(text: str, other: str) -> bool:
    """Letters where the other has letters, digits where it has digits."""
    return len(text) == len(other) and all(a.isdigit() == b.isdigit() for a, b in zip(text, other, strict=True))


if __name__ == "__main__":
    main()
