"""Sums judged plates up: one row per set, country, kind, width, light or blur.

It counts; how the rows look is `page`'s and `sections`' business.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from evaluation import kinds
from evaluation.measures import Judgement, Share, share_of
from evaluation.pictures_run import SetResult
from evaluation.records import Drive, Judged, Passing, PlateFacts

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Row:
    """Plates with text of one group as one model reads them."""

    model: str
    bucket: str
    exact: Share
    folded: Share
    error_rate: float | None
    found: Share
    misread: int
    country: Share
    """Country right among plates whose country is labelled and for which the node named one."""
    country_given: Share


@dataclass(frozen=True, slots=True)
class Breakdown:
    """One table: a group of plates, split one way."""

    scope: str
    split: str
    way: str
    rows: tuple[Row, ...]


WAYS: tuple[tuple[str, Callable[[PlateFacts], str | None], tuple[str, ...]], ...] = (
    ("country", lambda f: f.country or UNKNOWN, ()),
    ("Belgian kind", lambda f: f.kind, ()),
    ("lines", lambda f: "one line" if f.lines == 1 else "two lines", ("one line", "two lines")),
    ("width", lambda f: kinds.WIDTH.bucket(f.width_px), kinds.WIDTH.names),
    ("light (mean grey)", lambda f: kinds.LIGHT.bucket(f.look.grey), kinds.LIGHT.names),
    ("blur (edge width in px)", lambda f: kinds.BLUR.bucket(f.look.edge_px), kinds.BLUR.names),
    ("contrast (grey levels)", lambda f: kinds.CONTRAST.bucket(f.look.contrast), kinds.CONTRAST.names),
)


def summary(model: str, bucket: str, plates: Iterable[Judged]) -> Row:
    """The row of these plates; those without a labelled text count for nothing but being found."""
    every = list(plates)
    texted = [p for p in every if p.facts.text]
    named = [p for p in texted if p.facts.country and p.answer]
    given = [p for p in named if p.answer and p.answer.country]
    return Row(
        model=model,
        bucket=bucket,
        exact=share_of(p.exact for p in texted),
        folded=share_of(p.folded for p in texted),
        error_rate=sum(p.error_rate for p in texted) / len(texted) if texted else None,
        found=share_of(p.found for p in every if p.found is not None and p.facts.box is not None),
        misread=sum(p.misread for p in texted),
        country=share_of(p.answer is not None and p.answer.country == p.facts.country for p in given),
        country_given=Share(len(given), len(named)),
    )


def breakdowns(scope: str, split: str, judged: dict[str, Sequence[Judged]]) -> list[Breakdown]:
    """All ways to split the plates of one scope, `judged` by model name; ways with a single bucket are left out."""
    tables = []
    for way, bucket_of, order in WAYS:
        groups: dict[str, dict[str, list[Judged]]] = defaultdict(lambda: defaultdict(list))
        for model, plates in judged.items():
            for plate in plates:
                bucket = bucket_of(plate.facts)
                if bucket is not None and plate.facts.text:
                    groups[bucket][model].append(plate)
        names = [n for n in order if n in groups] or sorted(groups, key=lambda n: -_most(groups[n]))
        rows = [summary(model, name, plates) for name in names for model, plates in groups[name].items()]
        if len(names) > 1 or way == "Belgian kind":
            tables.append(Breakdown(scope, split, way, tuple(rows)))
    return [table for table in tables if table.rows]


def _most(by_model: dict[str, list[Judged]]) -> int:
    return max(len(plates) for plates in by_model.values())


def all_breakdowns(results: Sequence[SetResult]) -> list[Breakdown]:
    """Each set by itself, and all cut-out plates of a split together; splits are never mixed."""
    tables: list[Breakdown] = []
    pooled: dict[str, dict[str, list[Judged]]] = defaultdict(lambda: defaultdict(list))
    by_set: dict[tuple[str, str], dict[str, Sequence[Judged]]] = defaultdict(dict)
    patch_sets: dict[str, set[str]] = defaultdict(set)
    for result in results:
        by_set[result.labelled.name, result.labelled.split][result.model] = result.judged
        if result.labelled.patches:
            pooled[result.labelled.split][result.model] += result.judged
            patch_sets[result.labelled.split].add(result.labelled.name)
    for split, judged in pooled.items():
        if len(patch_sets[split]) > 1:
            tables += breakdowns("all cut-out plates", split, dict(judged))
    for (name, split), plates in by_set.items():
        tables += breakdowns(name, split, plates)
    return tables


def judgements(results: Iterable[SetResult]) -> list[Judgement]:
    """Confidence and truth of every reading that lies on a labelled plate with text."""
    return [
        (plate.answer.confidence, plate.answer.text == plate.facts.text)
        for result in results
        for plate in result.judged
        if plate.answer is not None and plate.facts.text
    ]


def vote_judgements(drives: Iterable[Drive]) -> list[Judgement]:
    """The same after the vote: every read of a passage, and every read of none, which is wrong."""
    found = []
    for drive in drives:
        found += [(p.confidence, p.right) for p in drive.passings if p.read is not None]
        found += [(confidence, False) for _, confidence in drive.extra]
    return found


def passage_groups(passings: Sequence[Passing]) -> list[tuple[str, Share]]:
    """Passages by speed, lines and country, where these are known."""
    ways: tuple[Callable[[Passing], str | None], ...] = (
        lambda p: None if p.speed_kmh is None else kinds.SPEED.bucket(p.speed_kmh),
        lambda p: None if p.lines is None else ("one line", "two lines")[p.lines - 1],
        lambda p: p.country,
    )
    found = []
    for way in ways:
        names = sorted({name for p in passings if (name := way(p)) is not None}, key=_in_order)
        found += [(name, share_of(p.right for p in passings if way(p) == name)) for name in names]
    return found


def _in_order(name: str) -> tuple[int, str]:
    """Speeds by rising bound, everything else by name."""
    return (kinds.SPEED.names.index(name) if name in kinds.SPEED.names else 0), name
