"""The report's figures and pictures: confidence, robustness, empty pictures, confusion, failures.

It shows and explains; every number comes from `report`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from html import escape

from evaluation import cutouts, explanations
from evaluation.alignment import NOTHING, align
from evaluation.nonplates import LEVELS, Emptiness, FalseRead
from evaluation.plots import confusion_chart, number, reliability_chart, robustness_chart
from evaluation.records import Answer
from evaluation.report import Calibration, Confusion, Failure, Report
from evaluation.robustness import Curve
from evaluation.tables_html import cell, percent, share_cell, table

FALSE_SHOWN_MAX = 40
CONFUSED_SHOWN_MAX = 12


def key(names: Sequence[str]) -> str:
    """Which colour is which model; nothing to say with one."""
    if len(names) < 2:
        return ""
    return (
        '<p class="key">' + "".join(f'<i class="s{n % 4}"></i>{escape(name)}' for n, name in enumerate(names)) + "</p>"
    )


def confidence_section(report: Report) -> str:
    """Reliability plots, and what a threshold accepts and lets through."""
    if not report.calibrations:
        return ""
    scopes: dict[str, list[Calibration]] = defaultdict(list)
    for found in report.calibrations:
        scopes[found.scope].append(found)
    charts = "".join(
        f'<div class="card">{reliability_chart(scope, {c.model: c.bins for c in group})}{_errors(group)}</div>'
        for scope, group in scopes.items()
    )
    tables = "".join(_threshold_table(c) for c in report.calibrations)
    return explanations.CONFIDENCE + f'{key([m.name for m in report.models])}<div class="grid">{charts}</div>{tables}'


def _errors(group: Sequence[Calibration]) -> str:
    return "".join(
        f"<p><small>{escape(c.model)}: calibration error {percent(c.error, 2)} % over {c.readings} readings; "
        f"{_sure_from(c)}</small></p>"
        for c in group
    )


def _sure_from(found: Calibration) -> str:
    if found.sure_from is None:
        return "no threshold keeps wrong readings at or under 0.1 %"
    sure = found.sure_from
    return (
        f"at most 0.1 % wrong from confidence {sure.confidence:.4f}, which accepts {percent(sure.accepted.rate)} % "
        f"(interval of wrong ones up to {percent(sure.wrong.interval[1])} %)"
    )


def _threshold_table(found: Calibration) -> str:
    rows = [
        cell(f"{t.confidence:g}") + share_cell(t.accepted, bar=True) + share_cell(t.wrong) + cell(t.wrong.hits)
        for t in found.thresholds
    ]
    inner = table(("confidence at least", "accepted, %", "wrong among them, %", "wrong"), rows)
    return f"<details><summary>Thresholds: {escape(found.scope)}, {escape(found.model)}</summary>{inner}</details>"


def robustness_section(report: Report) -> str:
    """A chart per damage, and the point where reading gives out."""
    if not report.curves:
        return ""
    by_damage: dict[str, list[Curve]] = defaultdict(list)
    for curve in report.curves:
        by_damage[curve.damage].append(curve)
    charts = "".join(f'<div class="card">{robustness_chart(group)}</div>' for group in by_damage.values())
    rows = [
        cell(c.damage) + cell(c.model, "left") + share_cell(c.exact[0]) + cell(_limit(c))
        + share_cell(max(c.sure_but_wrong, key=lambda s: s.rate or 0))
        for group in by_damage.values()
        for c in group
    ]  # fmt: skip
    head = ("damage", "model", "read exactly at first, %", "falls under 95 % of that at", "most ever sure and wrong, %")
    return (
        explanations.ROBUSTNESS.format(plates=report.patches)
        + f'{key([m.name for m in report.models])}<div class="grid">{charts}</div>{table(head, rows)}'
    )


def _limit(curve: Curve) -> str:
    return "not within these levels" if curve.limit is None else f"{number(round(curve.limit, 2))} {curve.unit}"


def emptiness_section(report: Report) -> str:
    """False reads on pictures without plates."""
    if not report.emptiness:
        return ""
    labels = [f"confidence ≥ {level:g}, %" if level else "any reading, %" for level in LEVELS]
    rows = [_emptiness_row(found) for found in report.emptiness]
    reads = [read for found in report.emptiness for read in found.reads if found.split != "drawn"]
    senseless = [read for found in report.emptiness for read in found.reads if found.split == "drawn"]
    return (
        explanations.EMPTINESS
        + table(("source", "split", "model", "pictures", *labels, "highest confidence"), rows)
        + _false_reads("Readings on painted pictures", reads)
        + _false_reads("Readings on senseless input", senseless)
    )


def _emptiness_row(found: Emptiness) -> str:
    shares = "".join(share_cell(share) for share in found.at_least)
    head = cell(found.source) + cell(found.split, "left") + cell(found.model, "left") + cell(found.pictures)
    return head + shares + cell(f"{found.highest:.3f}")


def _false_reads(title: str, reads: Sequence[FalseRead]) -> str:
    if not reads:
        return ""
    shown = sorted(reads, key=lambda r: -r.answer.confidence)[:FALSE_SHOWN_MAX]
    figures = "".join(
        f'<figure><img src="{cutouts.plane_uri(r.pixels)}" alt=""><figcaption><b>{escape(r.answer.text)}</b> '
        f"({r.answer.confidence:.2f})<br><small>{escape(r.model)}, {escape(r.name)}</small></figcaption></figure>"
        for r in shown
    )
    more = f", the surest {len(shown)} shown" if len(reads) > len(shown) else ""
    return f'<details><summary>{title}: {len(reads)}{more}</summary><div class="shots">{figures}</div></details>'


def confusion_section(report: Report) -> str:
    """One matrix a model, with the commonest mistakes in words."""
    return "".join(_confusion(found) for found in report.confusions if found.counts)


def _confusion(found: Confusion) -> str:
    wrong = [(pair, n) for pair, n in found.counts.most_common() if pair[0] != pair[1]]
    words = ", ".join(f"{_said(want)}→{_said(got)} {n}×" for (want, got), n in wrong[:CONFUSED_SHOWN_MAX]) or "none"
    first, inside, last = found.edges
    return (
        f"<h3>{escape(found.model)}: {escape(found.scope)}</h3><p>{explanations.CONFUSION.format(nothing=NOTHING)} "
        f"Commonest: {escape(words)}. Wrong at the beginning {first}, inside {inside}, at the end {last}.</p>"
        f'<div class="card">{confusion_chart(found.counts)}</div>'
    )


def _said(sign: str) -> str:
    return "nothing" if sign == NOTHING else sign


def failures_section(report: Report) -> str:
    """Every plate not read exactly, with its picture; then what was read where no plate is."""
    by_set: dict[tuple[str, str], list[Failure]] = defaultdict(list)
    for failure in report.failures:
        by_set[failure.set_name, failure.split].append(failure)
    if not by_set:
        return "<p>None.</p>"
    parts = [explanations.FAILURES]
    for (name, split), group in by_set.items():
        figures = "".join(_failure(failure) for failure in group)
        parts.append(f'<h3>{escape(name)}, split {escape(split)}: {len(group)}</h3><div class="shots">{figures}</div>')
    return "".join(parts)


def _failure(failure: Failure) -> str:
    wanted = failure.wanted or ""
    lines = "<br>".join(
        _answer(wanted, model, answer, several=len(failure.answers) > 1 or not wanted)
        for model, answer in failure.answers
    )
    title = f"<b>{escape(wanted)}</b> {escape(failure.country or '')}" if wanted else "no plate labelled here"
    return (
        f'<figure><img loading="lazy" src="{failure.image_uri}" alt=""><figcaption>{title}<br>{lines}<br>'
        f"<small>{escape(failure.picture)}</small></figcaption></figure>"
    )


def _answer(wanted: str, model: str, answer: Answer | None, *, several: bool) -> str:
    who = f"<small>{escape(model)}</small> " if several else ""
    if answer is None:
        return f"{who}not read"
    return f"{who}→ <b>{_marked(wanted, answer.text)}</b> {answer.confidence:.2f} {escape(answer.country or '')}"


def _marked(wanted: str, read: str) -> str:
    """The text as read, with every place underlined that differs from the wanted one."""
    if not wanted:
        return escape(read)
    return "".join(escape(g) if w == g else f"<mark>{escape(g)}</mark>" for w, g in align(wanted, read))
