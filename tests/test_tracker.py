"""Boxes into tracks: one per vehicle, at motorway speed, several at once, parked and hidden."""

from __future__ import annotations

from itertools import pairwise

from makers import NS_PER_S, box

from anpr_node.config import TrackingSection
from anpr_node.tracking.tracker import Tracker

FRAME_NS = NS_PER_S // 30


def make() -> Tracker:
    return Tracker(TrackingSection())


def test_a_fast_plate_stays_one_track() -> None:
    """130 km/h at 30 frames a second: 110 px a frame where the plate is 170 px wide."""
    tracker = make()
    ids = {tracker.update([box(600, 100 + 110 * n, 170 + 5 * n)], n * FRAME_NS)[0].track_id for n in range(8)}
    assert len(ids) == 1
    assert tracker.tracks[0].direction == "approaching"


def test_two_lanes_stay_apart_in_whatever_order_they_are_found() -> None:
    tracker = make()
    for n in range(6):
        left, right = box(300, 200 + 40 * n), box(900, 700 - 40 * n)
        tracker.update([left, right] if n % 2 else [right, left], n * FRAME_NS)
    assert len(tracker.tracks) == 2
    assert sorted(t.direction for t in tracker.tracks) == ["approaching", "receding"]


def test_a_missed_frame_does_not_break_the_track() -> None:
    tracker = make()
    for n in (0, 1, 2, 5, 6):
        tracker.update([box(600, 100 + 80 * n)], n * FRAME_NS)
    assert len(tracker.tracks) == 1


def test_the_next_vehicle_is_a_new_track() -> None:
    tracker = make()
    for n in range(5):
        tracker.update([box(600, 600 + 80 * n, 200)], n * FRAME_NS)
    assert not tracker.drop_lost(5 * FRAME_NS)
    tracker.update([box(600, 80, 140)], 6 * FRAME_NS)
    assert len(tracker.tracks) == 2
    lost = tracker.drop_lost(6 * FRAME_NS + NS_PER_S)
    assert len(lost) == 2
    assert not tracker.tracks


def test_a_parked_plate_survives_being_hidden() -> None:
    tracker = make()
    for n in range(150):
        tracker.update([box(600 + n % 2, 500)], n * FRAME_NS)
        assert not tracker.drop_lost(n * FRAME_NS)
    assert tracker.tracks[0].stands
    assert not tracker.drop_lost(150 * FRAME_NS + 60 * NS_PER_S)
    again = tracker.update([box(601, 500)], 150 * FRAME_NS + 60 * NS_PER_S)
    assert again[0].sightings == 151


def test_a_box_of_quite_another_size_is_another_plate() -> None:
    tracker = make()
    tracker.update([box(600, 500, 180)], 0)
    tracker.update([box(640, 500, 90)], FRAME_NS)
    assert len(tracker.tracks) == 2


def test_track_numbers_are_never_used_twice() -> None:
    tracker = make()
    ids = []
    for n in range(3):
        ids.append(tracker.update([box(600, 500)], n * 10 * NS_PER_S)[0].track_id)
        tracker.drop_lost((n + 1) * 10 * NS_PER_S - 1)
    assert all(a < b for a, b in pairwise(ids))
