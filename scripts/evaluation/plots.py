"""Draws the report's figures as SVG text: curves, reliability, confusion, bars with intervals.

Colours are the page's own variables, so that figures follow its light and dark; nothing is loaded from anywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise

from evaluation.alignment import NOTHING, Pair
from evaluation.measures import Bin, Share
from evaluation.robustness import Curve

WIDTH, HEIGHT = 360, 230
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 26, 40
CELL_PX = 17
BAR_PX = 90


def share_bar(share: Share) -> str:
    """The share as a bar from 0 to 100 %, its interval as a line."""
    if share.rate is None:
        return ""
    low, high = share.interval
    x, x1, x2 = (round(v * BAR_PX, 1) for v in (share.rate, low, high))
    return (
        f'<svg class="bar" width="{BAR_PX}" height="12" aria-hidden="true"><rect class="rail" width="{BAR_PX}" '
        f'height="12" rx="2"/><rect class="fill" width="{x}" height="12" rx="2"/><path class="whisker" '
        f'd="M{x1} 6H{x2}M{x1} 3V9M{x2} 3V9"/></svg>'
    )


def _text(x: float, y: float, words: str, anchor: str = "middle", kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(words)}</text>'


def _svg(width: int, height: int, title: str, parts: Iterable[str]) -> str:
    return (
        f'<svg class="plot" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def _x(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _y(share: float) -> float:
    return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)


def _frame(title: str, x_label: str) -> list[str]:
    """Title, horizontal lines at every quarter, labels."""
    parts = [_text(LEFT, 15, title, "start", "title"), _text(_x(0.5), HEIGHT - 6, x_label, kind="quiet")]
    for quarter in range(5):
        y = _y(quarter / 4)
        parts.append(f'<path class="grid" d="M{_x(0):.1f} {y:.1f}H{_x(1):.1f}"/>')
        parts.append(_text(LEFT - 6, y + 4, f"{quarter * 25}", "end", "quiet"))
    return parts


def _line(points: Sequence[tuple[float, float]], kind: str) -> str:
    return f'<path class="{kind}" d="M{" L".join(f"{x:.1f} {y:.1f}" for x, y in points)}"/>'


def number(value: float) -> str:
    """Without needless zeros."""
    return f"{value:g}"


def robustness_chart(curves: Sequence[Curve]) -> str:
    """Share read exactly over the levels of one damage, one line a model; dashed: sure and yet wrong."""
    first = curves[0]
    last = len(first.levels) - 1
    parts = _frame(first.damage, first.unit)
    for index, level in enumerate(first.levels):
        label = "whole" if index == 0 and first.damage == "width" else number(level)
        parts.append(_text(_x(index / last), HEIGHT - BOTTOM + 16, label, kind="quiet"))
    for rank, curve in enumerate(curves):
        series = f"s{rank % 4}"
        points = [(_x(i / last), _y(share.rate or 0)) for i, share in enumerate(curve.exact)]
        band = [(_x(i / last), _y(share.interval[1])) for i, share in enumerate(curve.exact)]
        band += [(_x(i / last), _y(share.interval[0])) for i, share in reversed(list(enumerate(curve.exact)))]
        wrong = [(_x(i / last), _y(share.rate or 0)) for i, share in enumerate(curve.sure_but_wrong)]
        parts += [_line(band, f"band {series}"), _line(points, f"line {series}"), _line(wrong, f"line dashed {series}")]
        if curve.limit is not None:
            x = _x(_place(curve.levels, curve.limit) / last)
            parts.append(f'<path class="limit {series}" d="M{x:.1f} {_y(0):.1f}V{_y(1):.1f}"/>')
    return _svg(WIDTH, HEIGHT, f"Share read exactly against {first.damage}", parts)


def _place(levels: Sequence[float], value: float) -> float:
    """Where a value lies among the levels, which are drawn evenly spaced."""
    for index, (a, b) in enumerate(pairwise(levels)):
        if min(a, b) <= value <= max(a, b):
            return index + (value - a) / (b - a)
    return 0.0


def reliability_chart(title: str, series: Mapping[str, Sequence[Bin]]) -> str:
    """Share right over confidence, one line a model; on the diagonal a confidence means what it says."""
    parts = _frame(title, "confidence, %")
    parts.append(f'<path class="grid" d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}"/>')
    parts += [_text(_x(q / 4), HEIGHT - BOTTOM + 16, f"{q * 25}", kind="quiet") for q in range(5)]
    for rank, bins in enumerate(series.values()):
        kind = f"s{rank % 4}"
        parts.append(_line([(_x(b.confidence), _y(b.right.rate or 0)) for b in bins], f"line {kind}"))
        for b in bins:
            low, high = b.right.interval
            x, y = _x(b.confidence), _y(b.right.rate or 0)
            tip = f"{b.right.hits} of {b.right.total} right at confidence {b.confidence:.3f}"
            parts.append(f'<path class="line {kind}" d="M{x:.1f} {_y(low):.1f}V{_y(high):.1f}"/>')
            parts.append(f'<circle class="dot {kind}" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{tip}</title></circle>')
    return _svg(WIDTH, HEIGHT, f"{title}: share right against confidence", parts)


def confusion_chart(counts: Counter[Pair]) -> str:
    """Wanted characters down, read ones across; the darker a cell the more often it happened."""
    signs = [*sorted({sign for pair in counts for sign in pair} - {NOTHING}), NOTHING]
    place = {sign: index for index, sign in enumerate(signs)}
    size = (len(signs) + 2) * CELL_PX
    most = max((n for (want, got), n in counts.items() if want != got), default=1)
    parts = []
    for sign, index in place.items():
        at = (index + 1.5) * CELL_PX
        parts += [_text(at, CELL_PX - 4, sign, kind="quiet"), _text(CELL_PX / 2, at + 4, sign, kind="quiet")]
        line = (index + 1) * CELL_PX
        parts.append(f'<path class="grid" d="M{CELL_PX} {line}H{size - CELL_PX}M{line} {CELL_PX}V{size - CELL_PX}"/>')
    for (want, got), count in sorted(counts.items()):
        x, y = (place[got] + 1) * CELL_PX, (place[want] + 1) * CELL_PX
        kind, strength = ("same", 0.35) if want == got else ("other", 0.35 + 0.65 * count / most)
        tip = f"{_said(want)} read as {_said(got)}: {count}"
        parts.append(
            f'<rect class="{kind}" x="{x}" y="{y}" width="{CELL_PX}" height="{CELL_PX}" '
            f'fill-opacity="{strength:.2f}"><title>{tip}</title></rect>'
        )
        if want != got:
            parts.append(_text(x + CELL_PX / 2, y + CELL_PX / 2 + 4, str(count), kind="count"))
    return _svg(size, size, "Which characters were read as which", parts)


def _said(sign: str) -> str:
    return "nothing" if sign == NOTHING else sign
