"""Puts the boxes of one frame after another together into tracks, one per plate.

A track follows its plate at constant velocity and dies when the plate was not seen for a while; a standing one is
remembered for longer, so that a parked car that gets hidden for a moment stays the same car. Texts play no part here.
"""

from __future__ import annotations

from collections.abc import Sequence

from anpr_node.config import TrackingSection
from anpr_node.records import PlateBox
from anpr_node.units import NS_PER_S

GATE_WIDTHS_NEW = 1.6
"""How far, in plate widths, a plate may jump after its first sighting: 130 km/h at 30 fps is 1.2 m, two plates."""
GATE_WIDTHS = 0.8
"""The same once the velocity is known: only acceleration and the detector's jitter are left."""
SCALE_CHANGE_MAX = 1.5
STANDING_WIDTHS = 0.5
STANDING_JITTER_WIDTHS = 0.03
STANDING_WIDTHS_PER_S = 0.3
"""A plate stands whose whole path stays within half its width, and that is no faster than this: about 2 km/h."""
WIDTH_JITTER = 0.2
"""A rough box is up to this much wider or narrower than the one before, the plate being the same size."""
DIRECTION_LEAN_MIN = 0.05
"""The jitter of a rough box's centre stays below this, in plate widths; two frames at 30 km/h are above it."""


class Track:
    """One plate's path through the picture."""

    def __init__(self, track_id: int, box: PlateBox, seen_ns: int) -> None:
        self.track_id = track_id
        self.first_box = box
        self.rough = box
        """The last box of the first look: what moves is judged by these alone, sharp corners lie elsewhere."""
        self.box = box
        """The same sighting's best corners: sharp ones after a second look."""
        self.first_seen_ns = self._set_out_ns = seen_ns
        self.last_seen_ns = seen_ns
        self.sightings = 1
        self._velocity = (0.0, 0.0)  # px per second

    def predict(self, at_ns: int) -> tuple[float, float]:
        """Where the plate's centre should be at a moment."""
        x, y = centre(self.rough)
        if self.stands:  # its velocity is the detector's jitter, and must not carry it away while it is hidden
            return x, y
        elapsed_s = (at_ns - self.last_seen_ns) / NS_PER_S
        return x + self._velocity[0] * elapsed_s, y + self._velocity[1] * elapsed_s

    def distance(self, box: PlateBox, at_ns: int) -> float:
        """Distance from the prediction as a share of the gate: up to 1 may be the same plate."""
        ratio = box.width_px / max(self.rough.width_px, 1.0)
        if not 1 / SCALE_CHANGE_MAX < ratio < SCALE_CHANGE_MAX:
            return float("inf")
        x, y = centre(box)
        expected_x, expected_y = self.predict(at_ns)
        gate = (GATE_WIDTHS_NEW if self.sightings == 1 else GATE_WIDTHS) * self.rough.width_px
        return float(((x - expected_x) ** 2 + (y - expected_y) ** 2) ** 0.5) / gate

    def add(self, box: PlateBox, seen_ns: int) -> None:
        """Take the box as the plate's new place."""
        elapsed_s = max(seen_ns - self.last_seen_ns, 1) / NS_PER_S
        (old_x, old_y), (x, y) = centre(self.rough), centre(box)
        measured = ((x - old_x) / elapsed_s, (y - old_y) / elapsed_s)
        self._velocity = measured if self.sightings == 1 else _mean(self._velocity, measured)
        self.box = self.rough = box
        self.last_seen_ns, self.sightings = seen_ns, self.sightings + 1

    def refine(self, box: PlateBox) -> None:
        """Take sharper corners of the same sighting."""
        self.box = box

    def set_out_here(self) -> None:
        """Judge its way from this sighting on: the first one was no whole plate."""
        self.first_box, self._set_out_ns = self.rough, self.last_seen_ns

    @property
    def stands(self) -> bool:
        """Whether the plate is still where it was first seen, at the same size; one sighting alone says nothing."""
        x, y, growth = self._change()
        lasted_s = (self.last_seen_ns - self._set_out_ns) / NS_PER_S
        reach = min(STANDING_WIDTHS, STANDING_JITTER_WIDTHS + STANDING_WIDTHS_PER_S * lasted_s)
        return lasted_s > 0 and (x**2 + y**2) ** 0.5 < reach and abs(growth) < WIDTH_JITTER

    @property
    def direction(self) -> str:
        """Approaching or receding: by its way up or down, a camera looking down, and by growth beyond the jitter."""
        _, down, growth = self._change()
        lean = down + max(growth - WIDTH_JITTER, 0.0) + min(growth + WIDTH_JITTER, 0.0)
        if abs(lean) < DIRECTION_LEAN_MIN:
            return "unknown"
        return "approaching" if lean > 0 else "receding"

    def _change(self) -> tuple[float, float, float]:
        """How far right and down the plate has come since it was first seen, and how it grew, in plate widths."""
        (x1, y1), (x2, y2) = centre(self.first_box), centre(self.rough)
        width_px = max(self.rough.width_px, 1.0)
        growth = width_px / max(self.first_box.width_px, 1.0) - 1
        return (x2 - x1) / width_px, (y2 - y1) / width_px, growth


class Tracker:
    """All plates in view. Call `update` once per frame, in the order of time."""

    def __init__(self, settings: TrackingSection) -> None:
        self._settings = settings
        self._next_id = 1
        self.tracks: list[Track] = []

    def update(self, boxes: Sequence[PlateBox], now_ns: int) -> list[Track]:
        """Tracks seen in this frame: known ones continued, nearest pairs first, and a new one for every box left."""
        pairs = sorted(
            ((track.distance(box, now_ns), t, b) for t, track in enumerate(self.tracks) for b, box in enumerate(boxes)),
        )
        seen: dict[int, int] = {}
        taken: set[int] = set()
        for distance, t, b in pairs:
            if distance <= 1.0 and t not in seen and b not in taken:
                seen[t] = b
                taken.add(b)
        for t, b in seen.items():
            self.tracks[t].add(boxes[b], now_ns)
        fresh = [self._start(box, now_ns) for b, box in enumerate(boxes) if b not in taken]
        current = [self.tracks[t] for t in seen] + fresh
        self.tracks.extend(fresh)
        return current

    def out_of_sight(self, now_ns: int) -> list[Track]:
        """The tracks whose passage is over: not seen for a while, though a standing one may come back."""
        return [t for t in self.tracks if now_ns - t.last_seen_ns > self._settings.lost_after_s * NS_PER_S]

    def drop_lost(self, now_ns: int) -> list[Track]:
        """Remove and return the tracks that were not seen for too long."""
        lost = [track for track in self.tracks if now_ns - track.last_seen_ns > self._patience_ns(track)]
        self.tracks = [track for track in self.tracks if track not in lost]
        return lost

    def forget(self, track: Track) -> None:
        """Drop a track that turned out to be another one's plate."""
        self.tracks.remove(track)

    def _patience_ns(self, track: Track) -> float:
        lasted_s = (track.last_seen_ns - track.first_seen_ns) / NS_PER_S
        if track.stands and lasted_s > self._settings.standing_after_s:
            return self._settings.standing_lost_after_s * NS_PER_S
        return self._settings.lost_after_s * NS_PER_S

    def _start(self, box: PlateBox, now_ns: int) -> Track:
        self._next_id += 1
        return Track(self._next_id - 1, box, now_ns)


def centre(box: PlateBox) -> tuple[float, float]:
    """Mean of the four corners."""
    return sum(x for x, _ in box.corners) / 4, sum(y for _, y in box.corners) / 4


def _mean(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2
