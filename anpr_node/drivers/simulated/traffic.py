"""Who drives past and when: seeded, endless or counted, known exactly before anything is drawn.

Vehicles come in platoons, as past a traffic light at roadworks, so that the observed lane shows fronts and rears in
turn; no two vehicles ever overlap. Nothing here draws or reads a clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.random import Generator

from anpr_node.drivers.simulated.geometry import Points, View
from anpr_node.drivers.simulated.plates import size_mm
from anpr_node.drivers.simulated.syntaxes import Issue, draw_issue, issue_for
from anpr_node.units import NS_PER_S

REFERENCE_Y_M = 12.5
"""Where a plate is at the vehicle's reference time: the middle of the readable stretch."""

CLEARING_M = 26.0
PARKED_Y_M = 16.4
LANE_2_X_M = -3.1
KMH_PER_MPS = 3.6


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of vehicle; sizes in metres, `share` of the traffic."""

    name: str
    share: float
    width_m: float
    length_m: float
    height_m: float
    speed_kmh_max: float
    plate_z_m: tuple[float, float]
    """Middle of the plate in front and at the rear."""

    @property
    def is_tall(self) -> bool:
        """Whether it hides the next vehicle."""
        return self.height_m > 2


KINDS = (
    Kind("car", 0.80, 1.80, 4.4, 1.45, 130.0, (0.46, 0.68)),
    Kind("van", 0.12, 1.98, 5.4, 2.40, 120.0, (0.50, 0.62)),
    Kind("lorry", 0.08, 2.50, 9.5, 3.70, 90.0, (0.55, 0.72)),
)


@dataclass(frozen=True, slots=True)
class TrafficPlan:
    """What comes by. `count` limits the vehicles of the observed lane; None never ends."""

    count: int | None = None
    gap_s_mean: float = 1.0
    speed_kmh: tuple[float, float] = (30.0, 130.0)
    receding_share: float = 0.4
    dirty_share: float = 0.08
    neighbour_lane: bool = True
    parked: bool = False
    planted_share: float = 0.1


@dataclass(frozen=True, slots=True)
class Passage:
    """The truth about one vehicle. Times are monotonic nanoseconds at which its plate comes into view and leaves it."""

    number: int
    vrm: str
    country: str
    lines: int
    lane: str
    kind: str
    approaching: bool
    speed_kmh: float
    enters_ns: int
    leaves_ns: int
    planted: bool
    parked: bool


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A passage with everything needed to place and draw it."""

    passage: Passage
    issue: Issue
    kind: Kind
    reference_ns: int
    x_m: float
    plate_quad_m: Points = field(repr=False)
    """Plate corners relative to the middle of the face at road level."""
    look_seed: tuple[int, ...]
    dirty: bool
    reference_y_m: float = REFERENCE_Y_M

    def origin(self, monotonic_ns: int) -> Points:
        """World position of the middle of the visible face, at road level."""
        travelled_m = self.passage.speed_kmh / KMH_PER_MPS * (monotonic_ns - self.reference_ns) / NS_PER_S
        y_m = self.reference_y_m + (-travelled_m if self.passage.approaching else travelled_m)
        return np.array([self.x_m, y_m, 0.0])

    def plate_world(self, monotonic_ns: int) -> Points:
        """World corners of the plate, clockwise from the top left as it is read."""
        return self.plate_quad_m + self.origin(monotonic_ns)

    def is_near(self, monotonic_ns: int) -> bool:
        """Whether any of it can be in the picture."""
        y_m = self.origin(monotonic_ns)[1]
        return bool(2.0 - self.kind.length_m < y_m < CLEARING_M)


class Traffic:
    """All vehicles of one seed, generated as time goes on. The same seed and plan give the same vehicles."""

    def __init__(
        self,
        plan: TrafficPlan | None = None,
        seed: int = 1,
        planted: tuple[str, ...] = (),
        view: View | None = None,
    ) -> None:
        """Make a road; `planted` texts drive by among the others, in turn, as no car is in two places at once.

        `view` decides when a plate counts as in view.
        """
        self.plan = plan or TrafficPlan()
        self._planted = planted
        self.view = view or View()
        self._seed = seed
        self._passages: list[Passage] = []
        self._near: list[Vehicle] = []
        self._streams = [self._lane("1", 0.0)]
        if self.plan.parked:
            self._near.append(self._parked())
        elif self.plan.neighbour_lane:
            self._streams.append(self._lane("2", LANE_2_X_M))
        self._upcoming = [next(stream, None) for stream in self._streams]

    def passages(self, until_ns: int) -> tuple[Passage, ...]:
        """Every vehicle whose plate came into view before `until_ns`, in that order."""
        self._advance(until_ns)
        known = chain(self._passages, (vehicle.passage for vehicle in self._near))
        return tuple(sorted((p for p in known if p.enters_ns < until_ns), key=lambda p: (p.enters_ns, p.number)))

    def vehicles_at(self, monotonic_ns: int) -> list[Vehicle]:
        """Vehicles near the camera, the farthest first. Time may not go back further than they take to pass."""
        self._advance(monotonic_ns)
        present = [vehicle for vehicle in self._near if vehicle.passage.parked or vehicle.is_near(monotonic_ns)]
        return sorted(present, key=lambda vehicle: -float(vehicle.origin(monotonic_ns)[1]))

    def is_over(self, monotonic_ns: int) -> bool:
        """Whether a counted observed lane has let its last vehicle through."""
        self._advance(monotonic_ns)
        return self._upcoming[0] is None and all(
            vehicle.passage.leaves_ns < monotonic_ns for vehicle in self._near if vehicle.passage.lane == "1"
        )

    def _advance(self, monotonic_ns: int) -> None:
        """Bring up what may be near soon, retire what left long ago."""
        horizon_ns = monotonic_ns + 10 * NS_PER_S
        for index, stream in enumerate(self._streams):
            upcoming = self._upcoming[index]
            while upcoming is not None and upcoming.reference_ns < horizon_ns:
                self._near.append(upcoming)
                upcoming = next(stream, None)
            self._upcoming[index] = upcoming
        gone_ns = monotonic_ns - 10 * NS_PER_S
        gone = [vehicle for vehicle in self._near if vehicle.passage.leaves_ns < gone_ns]
        if gone:
            self._passages += [vehicle.passage for vehicle in gone]
            self._near = [vehicle for vehicle in self._near if vehicle.passage.leaves_ns >= gone_ns]

    def _lane(self, lane: str, x_m: float) -> Iterator[Vehicle]:
        rng = np.random.default_rng((self._seed, int(lane)))
        limit = self.plan.count if lane == "1" else None
        time_s, previous_clear_s, number = 0.5, 0.0, 0
        while limit is None or number < limit:
            approaching = bool(rng.random() >= self.plan.receding_share) if lane == "1" else bool(rng.random() < 0.3)
            kinds = [_draw_kind(rng) for _ in range(int(rng.integers(1, 4)))]
            speed_kmh = min(float(rng.uniform(*self._speeds(lane))), *(kind.speed_kmh_max for kind in kinds))
            mps = speed_kmh / KMH_PER_MPS
            pause_s = float(rng.exponential(self.plan.gap_s_mean * (1 if lane == "1" else 6)))
            time_s = max(time_s, previous_clear_s) + CLEARING_M / mps + pause_s
            for index, kind in enumerate(kinds[: None if limit is None else limit - number]):
                if index:
                    time_s += _headway_m(kinds[index - 1], kind, approaching, rng) / mps
                key = (self._seed, int(lane), number)
                number += 1
                yield self._vehicle(key, (lane, x_m), kind, (approaching, speed_kmh, round(time_s * NS_PER_S)))
            previous_clear_s = time_s + (CLEARING_M + kinds[-1].length_m) / mps

    def _speeds(self, lane: str) -> tuple[float, float]:
        low, high = self.plan.speed_kmh
        # Only 3 m of the neighbouring lane are in view: faster plates would be there for two frames only.
        return (low, high) if lane == "1" else (min(low, 70.0), min(high, 70.0))

    def _vehicle(
        self, key: tuple[int, int, int], lane: tuple[str, float], kind: Kind, motion: tuple[bool, float, int]
    ) -> Vehicle:
        rng = np.random.default_rng(key)
        approaching, speed_kmh, reference_ns = motion
        planted = bool(self._planted) and bool(rng.random() < self.plan.planted_share)
        issue = issue_for(self._planted[key[2] % len(self._planted)]) if planted else draw_issue(rng)
        x_m = lane[1] + float(rng.normal(0, 0.12))
        quad = _plate_quad(issue, kind, approaching, rng)
        enters_ns, leaves_ns = self._in_view(quad + np.array([x_m, 0.0, 0.0]), motion)
        passage = Passage(
            number=key[2] * 2 + key[1] - 1,
            vrm=issue.vrm,
            country=issue.country,
            lines=issue.lines,
            lane=lane[0],
            kind=kind.name,
            approaching=approaching,
            speed_kmh=round(speed_kmh, 1),
            enters_ns=enters_ns,
            leaves_ns=leaves_ns,
            planted=planted,
            parked=False,
        )
        dirty = bool(rng.random() < self.plan.dirty_share)
        return Vehicle(passage, issue, kind, reference_ns, x_m, quad, (*key, 7), dirty)

    def _parked(self) -> Vehicle:
        """A broken-down car with its rear plate in view all the time."""
        rng = np.random.default_rng((self._seed, 3))
        issue, kind = draw_issue(rng), KINDS[0]
        end_ns = 1 << 62
        passage = Passage(-1, issue.vrm, issue.country, issue.lines, "2", kind.name, False, 0.0, 0, end_ns, False, True)
        quad = _plate_quad(issue, kind, False, rng)
        return Vehicle(passage, issue, kind, 0, LANE_2_X_M, quad, (self._seed, 3, 7), False, PARKED_Y_M)

    def _in_view(self, quad: Points, motion: tuple[bool, float, int]) -> tuple[int, int]:
        """When the whole plate is in the picture; the reference time twice if it never is."""
        approaching, speed_kmh, reference_ns = motion
        ys = np.arange(7.0, 22.0, 0.05)
        pixels = self.view.project((quad[None] + np.stack([ys * 0, ys, ys * 0], 1)[:, None]).reshape(-1, 3))
        width, height = self.view.size
        fits = ((pixels >= 2) & (pixels < np.array([width, height]) - 2)).all(axis=1).reshape(-1, 4).all(axis=1)
        if not fits.any():
            return reference_ns, reference_ns
        seconds = (ys[fits] - REFERENCE_Y_M) / (speed_kmh / KMH_PER_MPS) * (-1 if approaching else 1)
        return reference_ns + round(seconds.min() * NS_PER_S), reference_ns + round(seconds.max() * NS_PER_S)


def _draw_kind(rng: Generator) -> Kind:
    return KINDS[int(rng.choice(len(KINDS), p=[kind.share for kind in KINDS]))]


def _headway_m(leader: Kind, follower: Kind, approaching: bool, rng: Generator) -> float:
    """Distance from face to face, with room enough that the follower's plate is not hidden all the way."""
    gap_m = float(rng.uniform(9.0, 25.0)) + (16.0 if leader.is_tall or follower.is_tall else 0.0)
    return gap_m + (leader.length_m if approaching else follower.length_m)


def _plate_quad(issue: Issue, kind: Kind, approaching: bool, rng: Generator) -> Points:
    """Corners on the face: a little crooked, leaning, and a hand's breadth above or below the usual height."""
    half_width_m, half_height_m = (side / 2_000 for side in size_mm(issue))
    roll, lean = np.radians(rng.normal(0, 0.8)), np.radians(rng.normal(3, 3))
    corners = np.array([[-1, 1], [1, 1], [1, -1], [-1, -1]]) * [half_width_m, half_height_m]
    x = corners[:, 0] * np.cos(roll) - corners[:, 1] * np.sin(roll)
    z = corners[:, 0] * np.sin(roll) + corners[:, 1] * np.cos(roll)
    height_m = kind.plate_z_m[0 if approaching else 1] + float(rng.uniform(-0.05, 0.08))
    aside_m = float(rng.choice([0.0, 0.0, 0.0, -0.3])) if kind.name != "car" else 0.0
    return np.column_stack([x + aside_m, z * np.sin(lean), z + height_m])
