"""Builds the records that tests need; no test of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from sqlite_utils import Database

from anpr_node.audit import By
from anpr_node.config import Settings
from anpr_node.hotlist.imports import Importer
from anpr_node.hotlist.lists import Taken, open_lists
from anpr_node.records import Candidate, ClockState, Evidence, Frame, PlateBox, PlateRead, PlateText

NS_PER_S = 1_000_000_000


def box(x: float = 600, y: float = 500, width: float = 180, height: float = 40, score: float = 0.9) -> PlateBox:
    """An upright plate with its top left corner at x, y."""
    return PlateBox(((x, y), (x + width, y), (x + width, y + height), (x, y + height)), score)


def plate(text: str, score: float = 0.95, *others: tuple[str, float], country: str | None = "B") -> PlateText:
    """A recogniser's answer with its candidates."""
    candidates = (Candidate(text, score), *(Candidate(t, s) for t, s in others))
    return PlateText(text, (score,) * len(text), candidates if text else (), country, 0.9)


def frame(sequence: int = 0, seconds: float | None = None, rows: int = 1088, columns: int = 1456) -> Frame:
    """A black frame at 30 frames a second, or at the second given."""
    moment_ns = int((sequence / 30 if seconds is None else seconds) * NS_PER_S)
    pixels = np.zeros((rows, columns), np.uint8)
    return Frame(sequence, moment_ns, 300, 1.0, True, pixels, pixels[::5, ::5])


def read(vrm: str = "1ABC123", read_id: str = "r1", at_s: float = 1000.0, **changes: object) -> PlateRead:
    """A finished read."""
    fields: dict[str, object] = {
        "read_id": read_id,
        "node_id": "node-1",
        "vrm": vrm,
        "country": "B",
        "confidence": 0.99,
        "candidates": (Candidate(vrm, 0.99),),
        "votes": 3,
        "first_seen_ns": int(at_s * NS_PER_S),
        "last_seen_ns": int((at_s + 0.2) * NS_PER_S),
        "clock": ClockState("gps", 0.0, 0.0),
        "lane": "1",
        "direction": "approaching",
        "box": box(),
        "plate_width_px": 180,
        "exposure_us": 300,
        "model_id": "d+r",
        "software_version": "0",
    }
    return PlateRead(**{**fields, **changes})  # type: ignore[arg-type]


def evidence() -> Evidence:
    """A patch and an overview that are no plain surfaces."""
    rng = np.random.default_rng(1)
    return Evidence(rng.integers(0, 255, (40, 180), np.uint8), rng.integers(0, 255, (200, 300), np.uint8))


def put_list(store: Database, settings: Settings, text: str, name: str = "l", **options: Any) -> Taken:
    """Put rows of our CSV in force by hand."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.csv"
        path.write_text(text, encoding="utf-8")
        return importer(store, settings).by_hand(path, name, options.pop("operation", "replace"), **options)


def importer(store: Database, settings: Settings, at_ns: int = 7, reason: str = "a test") -> Importer:
    """Who imports lists in tests."""
    return Importer(open_lists(store, settings), settings, By("tester", reason, at_ns))
