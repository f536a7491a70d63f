"""The pure parts of scripts/evaluate: statistics, alignment, kinds, judging. No models, no data folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "scripts"))

from evaluation import degrade, goals, judge, kinds, measures, nonplates, passages
from evaluation.alignment import NOTHING, align, confusion, edge_errors
from evaluation.measures import Share
from evaluation.records import Answer, LabelledSet, PlateFacts, Sample, Truth
from evaluation.tables_html import percent


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (0, 0, 0.0, 1.0), (1, 1, 0.2065, 1.0)],
)
def test_wilson_interval(hits: int, total: int, low: float, high: float) -> None:
    assert measures.wilson(hits, total) == pytest.approx((low, high), abs=1e-4)


def test_share_of_nothing_has_no_rate() -> None:
    assert Share(0, 0).rate is None


def test_percent_never_rounds_up_to_all() -> None:
    assert [percent(v) for v in (1.0, 0.9999, 0.5, None)] == ["100.0", "99.9", "50.0", "–"]


def test_calibration_error_of_hand_made_readings() -> None:
    readings = [(0.95, True)] * 9 + [(0.95, False)] + [(0.55, True)] * 5 + [(0.55, False)] * 5
    bins = measures.reliability(readings)
    assert [(b.low, b.right.hits, b.right.total) for b in bins] == [(0.5, 5, 10), (0.9, 9, 10)]
    assert measures.calibration_error(bins) == pytest.approx(0.05)
    assert measures.calibration_error(()) is None


def test_confidence_of_one_is_in_the_last_bin() -> None:
    assert measures.reliability([(1.0, True), (0.0, False)])[-1].low == 0.9


def test_thresholds_and_the_lowest_sure_one() -> None:
    readings = [(0.99, True)] * 3 + [(0.9, True), (0.9, False), (0.2, True)]
    table = measures.threshold_table(readings, (0.5, 0.95))
    assert [(t.accepted.hits, t.wrong.hits) for t in table] == [(5, 1), (3, 0)]
    sure = measures.lowest_sure(readings)
    assert sure is not None
    assert sure.confidence == 0.99
    assert measures.lowest_sure([(0.9, False)]) is None


def test_curve_falls_below_between_two_levels() -> None:
    assert measures.falls_below((0, 1, 2), (1.0, 0.98, 0.88), 0.95) == pytest.approx(1.3)
    assert measures.falls_below((100, 50, 10), (0.8, 0.8, 0.72), 0.95) == pytest.approx(30)
    assert measures.falls_below((0, 1), (1.0, 0.96), 0.95) is None
    assert measures.falls_below((0, 1), (0.0, 0.0), 0.95) is None


def test_alignment_and_confusion() -> None:
    assert align("1ABC", "1A8C") == (("1", "1"), ("A", "A"), ("B", "8"), ("C", "C"))
    assert align("AB", "B") == (("A", NOTHING), ("B", "B"))
    assert align("B", "BI") == (("B", "B"), (NOTHING, "I"))
    counts = confusion([("B8", "88"), ("B8", "B8")])
    assert counts == {("B", "8"): 1, ("B", "B"): 1, ("8", "8"): 2}
    assert edge_errors([("ABC", "XBC"), ("ABC", "AB"), ("ABC", "AXC")]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1ABC123", "car"),
        ("2HRR551", "car"),
        ("1123ABC", "car"),
        ("8AAE548", "international body"),
        ("9AMG063", "personalised"),
        ("9110BEN", "personalised"),
        ("ROBIN", "personalised"),
        ("MABC123", "motorcycle"),
        ("1MCB433", "motorcycle"),
        ("QABC123", "trailer"),
        ("1TXA897", "taxi or hire car"),
        ("TLAA123", "taxi or hire car"),
        ("OAAA123", "old-timer"),
        ("1ZAS188", "dealer, test, professional, temporary"),
        ("SABA123", "moped or light quad"),
        ("CDAE614", "diplomatic"),
        ("EUR0769", "EU institution"),
        ("LJT830", "car, 1973 to 2010"),
        ("834AIJ", "car, 1973 to 2010"),
        ("1L900", "car, before 1973"),
        ("90Y83", "car, before 1973"),
        ("P273", "court, government, parliament"),
        ("14", "court, government, parliament"),
        ("1022610", "transit"),
        ("ABCDEFGHIJ", "other"),
    ],
)
def test_belgian_kind_by_syntax(text: str, kind: str) -> None:
    assert kinds.belgian_kind(text) == kind


def test_a_bound_belongs_to_the_step_above_it() -> None:
    assert [kinds.WIDTH.bucket(v) for v in (59.9, 60, 299, 300)] == [
        "under 60 px", "60 to 80 px", "200 to 300 px", "300 px and more"]  # fmt: skip
    for scale in (kinds.WIDTH, kinds.LIGHT, kinds.BLUR, kinds.CONTRAST, kinds.SPEED):
        assert len(scale.names) == len(scale.bounds) + 1


def test_a_blurred_patch_has_wider_edges() -> None:
    bars = np.repeat((np.arange(200) // 12 % 2 * 200).astype(np.uint8)[None], 50, axis=0)
    blurred = degrade.blur(bars, 1.5, np.random.default_rng(0))
    assert kinds.look_of(bars).edge_px < kinds.look_of(blurred).edge_px


def facts(text: str, box: tuple[float, float, float, float] | None) -> PlateFacts:
    look = kinds.Look(128, 100, 2)
    return PlateFacts("set", "dev", Path("a.jpg"), text, "B", box, None, 1, 100, look)


def picture(*plates: PlateFacts, complete: bool = True) -> Sample:
    rows = [{"text": p.text, "box": p.box and [*p.box[:2], p.box[2] - p.box[0], p.box[3] - p.box[1]]} for p in plates]
    row = {"image": "a.jpg", "plates": rows, "complete": complete}
    return Sample(Path("a.jpg"), tuple(Truth(p.text, p.country, p.box) for p in plates), complete, row)


def test_judging_a_picture() -> None:
    left, right = facts("1ABC120", (0, 0, 100, 20)), facts("2DEF456", (200, 0, 300, 20))
    answers = [
        Answer("1ABC12O", 0.9, "B", (2, 1, 98, 21)),
        Answer("2DEF465", 0.8, "B", (200, 0, 300, 20)),
        Answer("TAXI", 0.3, None, (500, 500, 550, 520)),
    ]
    judged, spurious = judge.judge_picture(picture(left, right), (left, right), answers)
    assert [(p.exact, p.folded, p.found, p.misread) for p in judged] == [
        (False, True, True, 0),
        (False, False, True, 1),
    ]
    assert judged[1].error_rate == pytest.approx(2 / 7)
    assert [extra.answer.text for extra in spurious] == ["TAXI"]
    assert judge.judge_picture(picture(left, complete=False), (left,), answers[2:])[1] == []


def test_unread_plate_counts_as_all_wrong() -> None:
    plate = facts("1ABC120", (0, 0, 100, 20))
    (judged,), _ = judge.judge_picture(picture(plate), (plate,), [])
    assert (judged.answer, judged.error_rate, judged.found) == (None, 1.0, False)


def test_the_same_counts_as_the_datas_own_scorer() -> None:
    scorer = judge.load_scorer(Path(os.environ.get("ANPR_DATA", ROOT.parent / "shared" / "data")))
    if scorer is None:
        pytest.skip("no evaluate.py beside a data folder")
    left, right = facts("1ABC120", (0, 0, 100, 20)), facts("2DEF456", (200, 0, 300, 20))
    answers = [Answer("1ABC12O", 0.9, "B", (2, 1, 98, 21)), Answer("X", 0.3, None, (500, 500, 550, 520))]
    sample = picture(left, right)
    rows = [{"text": a.text, "confidence": a.confidence, "box": a.box} for a in answers]
    theirs = judge.scorer_counts(
        scorer, LabelledSet("set", "dev", False, (sample,)), {"a.jpg": {"image": "a.jpg", "plates": rows}}
    )
    judged, spurious = judge.judge_picture(sample, (left, right), answers)
    assert judge.own_counts(1, judged, len(spurious)) == theirs


def test_passages_are_matched_equal_texts_first() -> None:
    assert passages.match(["1ABC123", "1ABC124"], ["1ABC124", "ZZZ"]) == ([None, 0], [1])
    assert passages.match(["1ABC123"], ["1A8C123", "1ABC123"]) == ([1], [0])


@pytest.mark.parametrize("damage", degrade.DAMAGES, ids=lambda d: d.name)
def test_damage_is_repeatable_and_its_first_level_does_nothing(damage: degrade.Damage) -> None:
    patch = np.random.default_rng(1).integers(0, 256, (44, 200), np.uint8)
    same = damage.apply(patch, damage.levels[0], np.random.default_rng(0))
    assert same.shape == patch.shape
    assert np.array_equal(same, patch)
    worst = [damage.apply(patch, damage.levels[-1], np.random.default_rng(5)) for _ in range(2)]
    assert np.array_equal(*worst)
    assert worst[0].dtype == np.uint8
    assert worst[0].shape != patch.shape or not np.array_equal(worst[0], patch)


def test_painting_over_leaves_no_text_and_the_rest_alone() -> None:
    plane = np.full((100, 200), 90, np.uint8)
    plane[40:60, 50:150:4] = 255
    painted = nonplates.paint_over(plane, [(50, 40, 150, 60)])
    assert np.ptp(painted) == 0
    assert plane.max() == 255


def test_goals_are_not_rounded_into_reach() -> None:
    assert not goals.Goal("m", "exact", Share(979, 1000), 0.98).met
    assert goals.Goal("m", "spurious", 0.05, 0.05, at_least=False).met
    assert not goals.Goal("m", "exact", Share(0, 0), 0.98).met
