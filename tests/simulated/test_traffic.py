"""The traffic is known before it is drawn: seeded, planted, counted, never two vehicles in one place."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from roadside import VIEW

from anpr_node.drivers.simulated.syntaxes import draw_issue, issue_for, normalised
from anpr_node.drivers.simulated.traffic import Passage, Traffic, TrafficPlan
from anpr_node.vrm import normalise

MINUTES_NS = 60_000_000_000


def passages(seed: int = 1, planted: tuple[str, ...] = ()) -> tuple[Passage, ...]:
    traffic = Traffic(TrafficPlan(count=60, planted_share=0.2), seed=seed, planted=planted, view=VIEW)
    return traffic.passages(10 * MINUTES_NS)


def test_the_same_seed_gives_the_same_vehicles() -> None:
    assert passages(3) == passages(3)
    assert passages(3) != passages(4)


def test_asking_often_or_once_gives_the_same_passages() -> None:
    stepped = Traffic(TrafficPlan(count=60, planted_share=0.2), seed=1, view=VIEW)
    for second in range(0, 600, 3):
        stepped.vehicles_at(second * 1_000_000_000)
    assert stepped.passages(10 * MINUTES_NS) == passages(1)


def test_planted_plates_come_by_and_are_marked() -> None:
    planted = ("1ABC123", "WOBDE77")
    marked = {passage.vrm for passage in passages(planted=planted) if passage.planted}
    assert marked == set(planted)


def test_both_directions_and_the_whole_speed_range_occur() -> None:
    seen = [passage for passage in passages() if passage.lane == "1"]
    assert len(seen) == 60
    assert {passage.approaching for passage in seen} == {True, False}
    assert min(passage.speed_kmh for passage in seen) < 50
    assert max(passage.speed_kmh for passage in seen) > 100


def test_vehicles_of_a_lane_follow_each_other() -> None:
    traffic = Traffic(seed=2, view=VIEW)
    for tenth in range(600):
        now_ns = tenth * 100_000_000
        places = sorted(
            (float(vehicle.origin(now_ns)[1]), vehicle.kind.length_m)
            for vehicle in traffic.vehicles_at(now_ns)
            if vehicle.passage.lane == "1"
        )
        assert all(y + length < next_y for (y, length), (next_y, _) in pairwise(places))


def test_a_counted_road_is_over_after_the_last_vehicle() -> None:
    traffic = Traffic(TrafficPlan(count=3), seed=1, view=VIEW)
    last_ns = max(passage.leaves_ns for passage in traffic.passages(MINUTES_NS) if passage.lane == "1")
    assert not Traffic(TrafficPlan(count=3), seed=1, view=VIEW).is_over(last_ns)
    assert traffic.is_over(last_ns + 1)


def test_a_parked_vehicle_is_there_all_the_time() -> None:
    traffic = Traffic(TrafficPlan(parked=True), seed=1, view=VIEW)
    for second in (0, 30, 60):
        now_ns = second * 1_000_000_000
        (parked,) = [vehicle for vehicle in traffic.vehicles_at(now_ns) if vehicle.passage.parked]
        assert VIEW.contains(VIEW.project(parked.plate_world(now_ns)))


@pytest.mark.parametrize(
    ("vrm", "country", "rows"),
    [
        ("1ABC123", "B", ("1*ABC-123",)),
        ("AB123CD", "F", ("AB-123-CD",)),
        ("WOBDE77", "D", ("WOB*DE 77",)),
        ("12XYZ3", "NL", ("12-XYZ-3",)),
        ("KARIN", "B", ("KARIN",)),
    ],
)
def test_planted_texts_are_printed_as_they_are_issued(vrm: str, country: str, rows: tuple[str, ...]) -> None:
    issue = issue_for(vrm)
    assert (issue.country, issue.rows) == (country, rows)


def test_issued_texts_are_what_their_rows_say() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        issue = draw_issue(rng)
        assert issue.vrm == normalised("".join(issue.rows)) == normalise(issue.vrm)
        assert 4 <= len(issue.vrm) <= 8
