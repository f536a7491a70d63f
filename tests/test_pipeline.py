"""The loop's body on scripted sightings: one read per passage, published early, corrected at most once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from makers import box, frame, plate

from anpr_node.config import Settings, parse
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.pipeline import Pipeline, Ripe
from anpr_node.records import PARKED, Frame, Plane, PlateBox, PlateText
from anpr_node.vision.reader import PlateView

Sighting = tuple[PlateBox, PlateText | None]


class ScriptedReader:
    """Detector and reader in one: frame number n shows what the script says; None where the second look fails."""

    model_id = "scripted"

    def __init__(self, script: dict[int, Sequence[Sighting]]) -> None:
        self.script = script
        self.detector = self
        self.looks = 0
        self._now: Sequence[Sighting] = ()

    def first_look(self, frame: Frame) -> list[PlateBox]:
        self._now = self.script.get(frame.sequence, ())
        return [seen for seen, _ in self._now]

    def look(self, pixels: Plane, wanted: PlateBox) -> PlateView | None:
        self.looks += 1
        text = next(text for seen, text in self._now if seen == wanted)
        return None if text is None else PlateView(wanted, np.zeros((40, 180), np.uint8), text)


def play(script: dict[int, Sequence[Sighting]], frames: int, settings: Settings | None = None) -> list[Ripe]:
    pipeline = Pipeline(ScriptedReader(script), SimulatedClock(0), settings or Settings())  # type: ignore[arg-type]
    ripe = [item for n in range(frames) for item in pipeline.process(frame(n))]
    return ripe + pipeline.finish()


def passing(texts: Sequence[PlateText | None], start: int = 0, x: float = 600) -> dict[int, Sequence[Sighting]]:
    return {start + n: [(box(x, 100 + 60 * n, 150 + 4 * n), text)] for n, text in enumerate(texts)}


def test_one_passage_is_one_read_published_before_the_vehicle_is_gone() -> None:
    script = passing([plate("1ABC123")] * 8)
    reads = play(script, 30)
    assert [r.read.vrm for r in reads] == ["1ABC123"]
    assert reads[0].read.last_seen_ns < frame(7).captured_ns
    assert reads[0].read.votes == 3


def test_a_misread_first_frame_does_not_become_the_read() -> None:
    texts = [plate("1A8C123", 0.5, ("1ABC123", 0.4)), *[plate("1ABC123", 0.97)] * 5]
    reads = play(passing(texts), 30)
    assert [r.read.vrm for r in reads] == ["1ABC123"]
    assert "1A8C123" in [c.text for c in reads[0].read.candidates]


def test_two_at_once_are_two_reads() -> None:
    left, right = passing([plate("1ABC123")] * 6, x=200), passing([plate("2DEF456")] * 6, x=1000)
    reads = play({n: [*left[n], *right[n]] for n in left}, 30)
    assert sorted(r.read.vrm for r in reads) == ["1ABC123", "2DEF456"]


def test_later_frames_may_correct_a_read_once() -> None:
    wrong, right = plate("1A8C123", 0.98), plate("1ABC123", 0.999)
    script = {n: [(box(600, 100 + 60 * n, 100 * 1.2**n), wrong if n < 3 else right)] for n in range(9)}
    reads = [r.read for r in play(script, 30)]
    assert [r.vrm for r in reads] == ["1A8C123", "1ABC123"]
    assert reads[1].corrects == reads[0].read_id
    assert "corrected_from:1A8C123" in reads[1].flags


def test_a_track_that_breaks_off_is_not_reported_twice() -> None:
    script = passing([plate("1ABC123")] * 4) | {
        40 + n: [(box(600, 400 + 60 * n, 170), plate("1ABC123"))] for n in range(4)
    }
    assert len(play(script, 80)) == 1


def test_the_same_vehicle_coming_back_later_is_a_new_read() -> None:
    script = passing([plate("1ABC123")] * 5) | passing([plate("1ABC123")] * 5, start=600)
    assert len(play(script, 640)) == 2


def test_a_parked_vehicle_is_one_read_and_costs_few_looks() -> None:
    reader = ScriptedReader({n: [(box(600 + n % 2, 500), plate("1ABC123"))] for n in range(900)})
    pipeline = Pipeline(reader, SimulatedClock(0), Settings())  # type: ignore[arg-type]
    reads = [item for n in range(900) for item in pipeline.process(frame(n))] + pipeline.finish()
    assert len(reads) == 1
    assert PARKED in reads[0].read.flags
    assert reader.looks <= Settings().reading.readings_max


def test_a_sign_that_reads_as_nothing_is_never_published() -> None:
    assert play({n: [(box(600, 500), plate("", 0.0))] for n in range(60)}, 90) == []


def test_what_the_second_look_rejects_is_never_published() -> None:
    assert play(passing([None] * 8), 30) == []


def test_a_doubtful_text_is_not_published_even_at_the_end() -> None:
    assert play(passing([plate("GR1LLE", 0.3)]), 30) == []


def test_a_badge_read_once_is_not_published() -> None:
    assert play(passing([plate("ARDENNA", 0.9)]), 30) == []


def test_a_plate_seen_once_is_published_when_it_is_gone() -> None:
    reads = play(passing([plate("1ABC123", 0.9)]), 30)
    assert [r.read.vrm for r in reads] == ["1ABC123"]


def test_a_plate_cut_off_by_the_edge_is_not_read() -> None:
    script = {n: [(box(1300, 400), plate("1ABC"))] for n in range(5)}
    assert play(script, 30) == []


def test_the_looks_of_one_frame_are_limited() -> None:
    many = {0: [(box(20, 60 + 100 * n), plate(f"1ABC12{n}")) for n in range(8)]}
    reader = ScriptedReader(many)
    Pipeline(reader, SimulatedClock(0), parse({"reading": {"looks_per_frame_max": 2}}, "t")).process(frame(0))  # type: ignore[arg-type]
    assert reader.looks == 2


def test_evidence_is_of_the_frame_whose_text_won() -> None:
    """The frame behind the read carries the winning text, even when another text had the larger plate."""
    script = passing([plate("1ABC123"), plate("1ABC123"), plate("9ZZZ999", 0.4)])
    pipeline = Pipeline(ScriptedReader(script), SimulatedClock(0), Settings())  # type: ignore[arg-type]
    frames = [frame(n) for n in range(3)]
    for n, one in enumerate(frames):
        one.pixels[:] = n + 1
    reads = [item for one in frames for item in pipeline.process(one)] + pipeline.finish()
    assert reads[0].evidence.overview[0, 0] in (1, 2)
    frames[0].pixels[:] = frames[1].pixels[:] = 200
    assert reads[0].evidence.overview[0, 0] in (1, 2), "the evidence is a copy: the camera may reuse its buffer"


def test_a_badge_beside_a_plate_leads_to_no_second_read() -> None:
    """Two rough boxes whose second looks find the same plate: one passage, whichever was seen first."""

    class Snapping(ScriptedReader):
        def look(self, pixels: Plane, wanted: PlateBox) -> PlateView | None:
            self.looks += 1
            plate_box = self._now[0][0]
            return PlateView(plate_box, np.zeros((40, 180), np.uint8), plate("1ABC123"))

    script = {
        n: [(box(600, 100 + 60 * n), None), (box(600 + (90 if n > 1 else 110), 140 + 50 * n, 100), None)]
        for n in range(9)
    }
    pipeline = Pipeline(Snapping(script), SimulatedClock(0), Settings())  # type: ignore[arg-type]
    reads = [item.read.vrm for n in range(30) for item in pipeline.process(frame(n))]
    assert reads == ["1ABC123"]


def test_a_splinter_of_a_plate_just_read_is_not_reported() -> None:
    script = passing([plate("1ABC123")] * 5) | {7 + n: [(box(640, 700, 120), plate("ABC123", 0.9))] for n in range(1)}
    assert [r.read.vrm for r in play(script, 40)] == ["1ABC123"]


def test_two_vehicles_of_one_fleet_in_a_row_are_two_reads() -> None:
    """Neighbouring numbers close together: both sure, so neither is taken for a splinter of the other."""
    script = passing([plate("1ABC123")] * 6) | passing([plate("1ABC124")] * 6, start=14)
    assert [r.read.vrm for r in play(script, 60)] == ["1ABC123", "1ABC124"]


def growing(
    text: PlateText, frames: int, start_px: float, end_px: float, readable_px: float
) -> dict[int, list[Sighting]]:
    """A plate that comes nearer ever so slowly and is no plate at second sight while it is too small."""
    widths = [start_px * (end_px / start_px) ** (n / (frames - 1)) for n in range(frames)]
    return {
        n: [(box(600 - w / 2, 300 + n, w, w / 4.5), text if w >= readable_px else None)] for n, w in enumerate(widths)
    }


def test_a_slow_vehicle_is_looked_at_until_it_is_readable() -> None:
    """60 to 209 px in 5 s, and nothing to be read below 100 px: eight looks in a row would all be spent too early."""
    reads = play(growing(plate("1ABC123"), 150, 60, 209, 100), 200)
    assert [(r.read.vrm, r.read.votes) for r in reads] == [("1ABC123", 3)]


def test_a_plate_that_waits_too_small_to_read_keeps_looks_for_when_it_is_larger() -> None:
    script = {n: [(box(600, 300, 90, 20), None)] for n in range(300)}
    script |= {300 + n: [(box(600, 300 + n, 90 * 1.02**n, 20 * 1.02**n), plate("1ABC123"))] for n in range(30)}
    assert [r.read.vrm for r in play(script, 360)] == ["1ABC123"]


def test_what_was_looked_at_and_never_read_is_counted() -> None:
    pipeline = Pipeline(ScriptedReader(passing([None] * 8)), SimulatedClock(0), Settings())  # type: ignore[arg-type]
    assert [item for n in range(30) for item in pipeline.process(frame(n))] == []
    assert pipeline.counters.unread == 1


def test_what_looked_like_a_plate_for_a_frame_or_two_is_no_vehicle() -> None:
    pipeline = Pipeline(ScriptedReader(passing([None] * 2)), SimulatedClock(0), Settings())  # type: ignore[arg-type]
    assert [item for n in range(30) for item in pipeline.process(frame(n))] == []
    assert pipeline.counters.looks
    assert pipeline.counters.unread == 0


def standing(text: PlateText, frames: range) -> dict[int, list[Sighting]]:
    return {n: [(box(600 + n % 2, 500), text)] for n in frames}


def test_the_next_vehicle_where_one_stood_is_a_read_of_its_own() -> None:
    script = standing(plate("1ABC123"), range(120)) | standing(plate("2DEF456"), range(300, 420))
    reads = [r.read for r in play(script, 430)]
    assert [r.vrm for r in reads] == ["1ABC123", "2DEF456"]
    assert reads[1].first_seen_ns == frame(300).captured_ns
    assert reads[1].corrects is None


def test_a_vehicle_that_stood_hidden_for_minutes_is_the_same_passage() -> None:
    script = standing(plate("1ABC123"), range(120)) | standing(plate("1ABC123"), range(3000, 3060))
    assert len(play(script, 3100)) == 1


def test_a_standing_plate_that_nobody_is_sure_of_is_published_when_it_is_out_of_sight() -> None:
    script = standing(plate("1ABC123", 0.7), range(120))
    pipeline = Pipeline(ScriptedReader(script), SimulatedClock(0), Settings())  # type: ignore[arg-type]
    assert [r.read.vrm for n in range(200) for r in pipeline.process(frame(n))] == ["1ABC123"]


def test_a_vehicle_seen_in_pieces_for_half_a_minute_is_one_read() -> None:
    """Visible for a second, hidden for a second: each piece is a track of its own."""
    script = {n: [(box(600 + n % 2, 500), plate("1ABC123"))] for n in range(900) if n // 30 % 2 == 0}
    assert len(play(script, 930)) == 1


def test_the_correction_of_a_repeat_names_the_read_it_corrects() -> None:
    wrong, right = plate("1A8C123", 0.98), plate("1ABC123", 0.999)
    script = passing([wrong] * 4) | {
        40 + n: [(box(600, 100 + 60 * n, 100 * 1.2**n), wrong if n < 3 else right)] for n in range(9)
    }
    reads = [r.read for r in play(script, 80)]
    assert [r.vrm for r in reads] == ["1A8C123", "1ABC123"]
    assert reads[1].corrects == reads[0].read_id


def test_neighbouring_numbers_side_by_side_are_two_reads_even_where_one_is_unsure() -> None:
    left = passing([plate("1ABC123")] * 6, x=200)
    right = passing([plate("1ABC124", 0.9)] * 2, x=1000)
    reads = play({n: [*left[n], *right.get(n, ())] for n in left}, 40)
    assert sorted(r.read.vrm for r in reads) == ["1ABC123", "1ABC124"]


class SharpReader(ScriptedReader):
    """Its second look finds sharp corners well inside the rough box, as the real one does."""

    def look(self, pixels: Plane, wanted: PlateBox) -> PlateView | None:
        view = super().look(pixels, wanted)
        x1, y1, x2, y2 = wanted.bounds
        sharp = box(x1, y1 + 6, (x2 - x1) * 1.12, y2 - y1)
        return None if view is None else PlateView(sharp, view.patch, view.plate)


def test_the_way_is_judged_by_rough_boxes_alone() -> None:
    script = {n: [(box(600, 700 - 8 * n, 200 - n), plate("1ABC123"))] for n in range(9)}
    pipeline = Pipeline(SharpReader(script), SimulatedClock(0), Settings())  # type: ignore[arg-type]
    reads = [item.read for n in range(30) for item in pipeline.process(frame(n))]
    assert [(r.direction, r.flags) for r in reads] == [("receding", ())]


def test_a_plate_that_comes_in_from_the_side_does_not_grow() -> None:
    """Its first box is what the edge leaves of it."""
    script = {n: [(box(4, 500 - 4 * n, 70 + 12 * n), None)] for n in range(7)}
    script |= {7 + n: [(box(30 + 8 * n, 472 - 4 * n, 154), plate("1ABC123"))] for n in range(6)}
    assert [r.read.direction for r in play(script, 40)] == ["receding"]


def test_a_crawling_vehicle_does_not_stand() -> None:
    """One plate width a second, published after a tenth of a second."""
    reads = play({n: [(box(600, 300 + 6 * n), plate("1ABC123"))] for n in range(40)}, 80)
    assert [(r.read.direction, r.read.flags) for r in reads] == [("approaching", ())]
