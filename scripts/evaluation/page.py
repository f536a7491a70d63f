"""The report as one HTML file that holds everything it shows: style, figures, pictures; nothing is loaded.

It only lays out what `report` holds.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from evaluation import explanations, sections, tables_html
from evaluation.report import ModelNote, Report

STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
SERIES = "".join(
    f".line.s{n},.limit.s{n}{{stroke:var(--s{n})}}.band.s{n},.dot.s{n}{{fill:var(--s{n})}}i.s{n}{{background:var(--s{n})}}"
    for n in range(4)
)
PARTS = (
    ("goals", "Goals", tables_html.goals_section),
    ("passages", "Passages: clips and the simulated road", tables_html.passages_section),
    ("confidence", "What the confidence is worth", sections.confidence_section),
    ("robustness", "How bad a plate may look", sections.robustness_section),
    ("nothing", "Where there is nothing to read", sections.emptiness_section),
    ("confusion", "Characters taken for others", sections.confusion_section),
    ("failures", "Every failure", sections.failures_section),
    ("breakdowns", "By country, kind, width, light and blur", tables_html.breakdowns_section),
)


def page(report: Report) -> str:
    """The whole file."""
    made = [(name, title, make(report)) for name, title, make in PARTS]
    shown = [(name, title, content) for name, title, content in made if content]
    links = "".join(f'<a href="#{name}">{escape(title)}</a>' for name, title, _ in shown)
    body = "".join(f'<h2 id="{name}">{escape(title)}</h2>{content}' for name, title, content in shown)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width,initial-scale=1"><title>How well the node reads</title>'
        f"<style>{STYLE}{SERIES}</style></head><body><h1>How well the node reads</h1>{_origin(report)}"
        f"{tables_html.headline_section(report)}<nav>{links}</nav>{body}</body></html>\n"
    )


def _origin(report: Report) -> str:
    scorer = f"counted by the data's own {escape(report.scorer)}" if report.scorer else "counted by the report itself"
    models = "; ".join(_model(note) for note in report.models)
    return (
        f'<p class="quiet">{escape(report.made_utc)} · {report.took_s:.0f} s · split {escape(report.split)} · {scorer}'
        f" · models: {models}. {explanations.PRIVACY}</p>"
    )


def _model(note: ModelNote) -> str:
    borrowed = f", {escape(note.borrowed)} of the repository" if note.borrowed else ""
    return f"<b>{escape(note.name)}</b> ({escape(note.model_id)}{borrowed})"
