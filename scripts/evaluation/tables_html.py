"""The report's tables: headline, goals, passages, breakdowns.

Every share stands with its count and its 95 % interval.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from html import escape

from evaluation import explanations
from evaluation.cutouts import data_uri
from evaluation.goals import Goal, goals
from evaluation.measures import Share, share_of
from evaluation.plots import share_bar
from evaluation.records import Drive, Passing
from evaluation.report import Report, SetLine
from evaluation.tables import Breakdown, Row, passage_groups

MISSED_SHOWN_MAX = 60
WORDS = {"split", "model"}
"""Columns of words, which begin at the left."""


def percent(value: float | None, digits: int = 1) -> str:
    """A share in per cent, a dash for none; never rounded up to a full hundred."""
    if value is None:
        return "–"
    shown = f"{100 * value:.{digits}f}"
    return f"{100 - 10**-digits:.{digits}f}" if value < 1 and float(shown) == 100 else shown


def share_cell(share: Share, *, bar: bool = False) -> str:
    """Per cent, interval, and count as a tooltip."""
    if share.rate is None:
        return "<td>–</td>"
    low, high = share.interval
    picture = share_bar(share) + " " if bar else ""
    return (
        f'<td title="{share.hits} of {share.total}">{picture}<span class="n">{percent(share.rate)}</span>'
        f"<small>{percent(low)} – {percent(high)}</small></td>"
    )


def table(head: Sequence[str], rows: Iterable[str]) -> str:
    """A table in a card; rows are made of finished cells."""
    cells = "".join(f'<th class="left">{name}</th>' if name in WORDS else f"<th>{name}</th>" for name in head)
    return f'<div class="card"><table><tr>{cells}</tr>{"".join(f"<tr>{row}</tr>" for row in rows)}</table></div>'


def cell(words: object, kind: str = "") -> str:
    """Plain words in a cell."""
    return f'<td class="{kind}">{escape(str(words))}</td>' if kind else f"<td>{escape(str(words))}</td>"


def headline_section(report: Report) -> str:
    """One row per set and model: what matters first."""
    head = ("set", "split", "model", "pictures", "plates", "read exactly, %", "O=0, I=1, %", "wrong characters, %",
            "found, %", "misread per picture", "spurious per picture", "country right, %", "calibration error, %",
            "CPU ms")  # fmt: skip
    notes = [f"{n.result.labelled.name}, {n.result.model}: {x}" for n in report.lines for x in n.result.notes]
    warning = f'<p class="bad">{escape("; ".join(notes))}</p>' if notes else ""
    return table(head, (_headline_row(line) for line in report.lines)) + warning + explanations.LEGEND


def _headline_row(line: SetLine) -> str:
    result, counts = line.result, line.result.counts
    pictures = max(1, counts.pictures)
    patches = result.labelled.patches
    complete = all(sample.complete for sample in result.labelled.samples)
    return "".join(
        (
            cell(result.labelled.name),
            cell(result.labelled.split, "left"),
            cell(result.model, "left"),
            cell(counts.pictures),
            cell(counts.plates),
            share_cell(Share(counts.exact, counts.plates), bar=True),
            share_cell(Share(counts.folded, counts.plates)),
            cell(percent(counts.error_sum / counts.plates if counts.plates else None)),
            "<td>–</td>" if patches else share_cell(Share(counts.found, counts.boxes)),
            cell(f"{counts.misread / pictures:.3f}"),
            cell("–" if patches or not complete else f"{counts.spurious / pictures:.3f}"),
            share_cell(line.row.country),
            cell(percent(line.calibration_error)),
            cell(f"{result.cpu_ms_median:.1f}"),
        )
    )


def goals_section(report: Report) -> str:
    """The goals that this run can judge."""
    found = goals(report)
    order = list(dict.fromkeys(goal.what for goal in found))
    rows = [_goal_row(goal) for goal in sorted(found, key=lambda goal: order.index(goal.what))]
    return table(("goal", "model", "wanted", "measured", "interval", "of", ""), rows) if rows else ""


def _goal_row(goal: Goal) -> str:
    per_picture = not isinstance(goal.value, Share) and "per picture" in goal.what
    wanted = f"{goal.bound:g}" if per_picture else f"{percent(goal.bound)} %"
    if isinstance(goal.value, Share):
        low, high = goal.value.interval
        measured = cell(f"{percent(goal.value.rate, 2)} %") + cell(f"{percent(low)} – {percent(high)}")
        measured += cell(goal.value.total)
    else:
        measured = cell(f"{goal.value:.3f}" if per_picture else f"{percent(goal.value, 2)} %") + "<td></td><td></td>"
    verdict = cell("reached", "good") if goal.met else cell("missed", "bad")
    sign = "≥" if goal.at_least else "≤"
    return cell(goal.what) + cell(goal.model, "left") + cell(f"{sign} {wanted}") + measured + verdict


def passages_section(report: Report) -> str:
    """Each source of passages, its groups, and every passage that was not read right."""
    if not report.drives:
        return ""
    head = ("source", "model", "passages", "read right, %", "wrong text", "not read", "reads of no passage", "frames")
    rows = [_drive_row(model, drive) for model, drive in report.drives]
    parts = [table(head, rows)]
    for model, drive in report.drives:
        groups = passage_groups(drive.passings)
        if len(groups) > 2:
            cells = (cell(name) + cell(share.total) + share_cell(share, bar=True) for name, share in groups)
            title = f"{escape(drive.source)}, {escape(model)}: by speed, lines and country"
            inner = table(("group", "passages", "read right, %"), cells)
            parts.append(f"<details><summary>{title}</summary>{inner}</details>")
    return "".join(parts) + _missed(report)


def _drive_row(model: str, drive: Drive) -> str:
    wrong = sum(p.read is not None and not p.right for p in drive.passings)
    unread = sum(p.read is None for p in drive.passings)
    return "".join(
        (
            cell(drive.source),
            cell(model, "left"),
            cell(len(drive.passings)),
            share_cell(share_of(p.right for p in drive.passings), bar=True),
            cell(wrong),
            cell(unread),
            cell(f"{len(drive.extra)} {' '.join(text for text, _ in drive.extra[:6])}"),
            cell(drive.frames),
        )
    )


def _missed(report: Report) -> str:
    missed = [(model, p) for model, drive in report.drives for p in drive.passings if not p.right]
    figures = "".join(_missed_figure(model, p) for model, p in missed[:MISSED_SHOWN_MAX])
    more = f"<p>… and {len(missed) - MISSED_SHOWN_MAX} more.</p>" if len(missed) > MISSED_SHOWN_MAX else ""
    return f'<h3>Passages not read right</h3><div class="shots">{figures}</div>{more}' if missed else ""


def _missed_figure(model: str, passing: Passing) -> str:
    image = f'<img src="{data_uri(passing.patch_jpeg)}" alt="">' if passing.patch_jpeg else ""
    speed = "" if passing.speed_kmh is None else f", {passing.speed_kmh:.0f} km/h"
    read = f"<b>{escape(passing.read)}</b> ({passing.confidence:.2f})" if passing.read else "not read"
    return (
        f"<figure>{image}<figcaption><b>{escape(passing.text)}</b> → {read}<br><small>{escape(model)}, "
        f"{escape(passing.source)}, {escape(passing.name)}{speed}</small></figcaption></figure>"
    )


def breakdowns_section(report: Report) -> str:
    """All breakdowns, folded by set; the first is open."""
    by_scope: dict[tuple[str, str], list[Breakdown]] = defaultdict(list)
    for breakdown in report.breakdowns:
        by_scope[breakdown.scope, breakdown.split].append(breakdown)
    parts = []
    for index, ((scope, split), breakdowns) in enumerate(by_scope.items()):
        inner = "".join(_breakdown(b, several=len(report.models) > 1) for b in breakdowns)
        opened = " open" if index == 0 else ""
        parts.append(f"<details{opened}><summary>{escape(scope)}, split {escape(split)}</summary>{inner}</details>")
    return "".join(parts)


def _breakdown(breakdown: Breakdown, *, several: bool) -> str:
    head = [breakdown.way, *(["model"] if several else []), "plates", "read exactly, %", "O=0, I=1, %",
            "wrong characters, %", "found, %", "misread", "country right, %"]  # fmt: skip
    return table(head, (_breakdown_row(row, several=several) for row in breakdown.rows))


def _breakdown_row(row: Row, *, several: bool) -> str:
    return "".join(
        (
            cell(row.bucket),
            cell(row.model, "left") if several else "",
            cell(row.exact.total),
            share_cell(row.exact, bar=True),
            share_cell(row.folded),
            cell(percent(row.error_rate)),
            share_cell(row.found),
            cell(row.misread),
            share_cell(row.country),
        )
    )
