"""What may reach the card: under the German terms nothing of who is on no list, in no file and in no log."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import numpy as np
import pytest
from gpiozero.pins.mock import MockFactory
from makers import box, evidence, put_list, read
from sqlite_utils import Database

from anpr_node import minimise
from anpr_node.alert.signals import Signals
from anpr_node.config import PolicySection, parse
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.gpio import Outputs, Pins
from anpr_node.hotlist.matching import open_matcher
from anpr_node.policy import presets
from anpr_node.recorder import Recorder
from anpr_node.records import Candidate

DE = presets()["DE"]


def recorder(store: Database, tmp_path: Path, preset: str) -> Recorder:
    settings = parse({"store": {"folder": str(tmp_path / "state")}}, "test")
    put_list(store, settings, "vrm,category\n1ABC123,seize\n")
    clock = SimulatedClock()
    signals = Signals(Outputs(Pins(17, 27, 22), MockFactory(), clock), 2.0, 5.0)
    return Recorder(store, signals, clock, open_matcher(store, settings), PolicySection(preset=preset))  # type: ignore[arg-type]


def stored(store: Database) -> list[tuple[str, str, str | None]]:
    return store.execute("SELECT read_id, vrm, corrects FROM read ORDER BY rowid").fetchall()  # type: ignore[no-any-return]


def test_a_non_hit_reaches_no_file_and_no_log(
    store: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    german = recorder(store, tmp_path, "DE")
    for n in range(50):
        made = read(f"7QZX{n:03}", f"r{n}", candidates=(Candidate(f"7QZX{n:03}", 0.9), Candidate("7QZY999", 0.1)))
        assert german.record(made, evidence()).hits == ()
    german.record(read("1ABC123", "hit"), evidence())
    german.record(read("7QZX777", "wrong", corrects="hit", flags=("corrected_from:1ABC123",)), evidence())
    german.record(read("7QZX778", "r60", corrects="r5", flags=("corrected_from:7QZX005",)), evidence())
    german.record(read("1ABC123", "hit2", corrects="r6", flags=("corrected_from:7QZX006",)), evidence())
    assert stored(store) == [("hit", "1ABC123", None), ("wrong", "", "hit"), ("hit2", "1ABC123", None)]
    assert store.execute("SELECT read_id FROM evidence GROUP BY read_id").fetchall() == [("hit",), ("hit2",)]
    for file in (path for path in (tmp_path / "state").rglob("*") if path.is_file()):
        assert not re.findall(rb"7QZ[XY]\d\d\d", file.read_bytes()), file  # three letters alone are in any noise
    assert "7QZ" not in caplog.text


def test_elsewhere_everything_is_stored(store: Database, tmp_path: Path) -> None:
    recorder(store, tmp_path, "BE").record(read("7QZX001"), evidence())
    assert stored(store) == [("r1", "7QZX001", None)]
    assert b"7QZX001" in (tmp_path / "state" / "anpr-node.sqlite-wal").read_bytes()


def test_a_masked_overview_keeps_the_plate_and_blackens_the_rest() -> None:
    overview = np.full((1088, 1456), 200, np.uint8)
    plate = box(x=600, y=700, width=180, height=40)
    kept = minimise.masked(overview, plate)
    assert kept[700:740, 600:780].min() == 200
    assert kept[:590].max() == 0, "a windscreen is well above the plate"
    assert kept[:, :320].max() == kept[:, 1060:].max() == 0
    assert overview.min() == 200, "the frame itself is left alone"
    corner = minimise.masked(overview, box(x=-50, y=1070, width=180, height=40))
    assert corner[1080:, :100].min() == 200


def test_masking_follows_the_terms() -> None:
    pictures = evidence()
    assert minimise.storable_evidence(pictures, box(), presets()["BE"]) is pictures
    masked = minimise.storable_evidence(pictures, box(x=60, y=150, width=60), presets()["NL"])
    assert masked.overview[:80].max() == 0
    assert (masked.patch == pictures.patch).all()
