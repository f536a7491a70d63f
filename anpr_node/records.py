"""The core types, in the order a vehicle passes through them; frozen, units in names.

Nothing here opens a file, reads a clock or touches hardware.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:  # loading it takes longer than all that `anpr-node safe` has to do
    import numpy as np
    from numpy.typing import NDArray

Plane: TypeAlias = "NDArray[np.uint8]"
"""A grey picture, rows × columns, uint8."""

Corners = tuple[tuple[float, float], ...]
"""Four (x, y) points in frame pixels: top left, top right, bottom right, bottom left of the plate as it is read."""


PARKED = "parked"
"""Flag of a read whose vehicle stood still in view."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One exposure. `pixels` and `small` are read-only views that stay valid until the next frame is taken.

    `captured_ns` is monotonic and in mid-exposure. `small` is the ISP's low-resolution plane of the same exposure,
    the whole field of view; the detector looks at it first.
    """

    sequence: int
    captured_ns: int
    exposure_us: int
    gain: float
    illuminated: bool
    pixels: Plane
    small: Plane


@dataclass(frozen=True, slots=True)
class PlateBox:
    """A detection: four corners in frame pixels and the detector's score 0..1."""

    corners: Corners
    score: float

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """The upright rectangle x1, y1, x2, y2 around the corners."""
        xs, ys = zip(*self.corners, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def width_px(self) -> float:
        """Mean length of the upper and lower edge."""
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = self.corners
        return (math.hypot(bx - ax, by - ay) + math.hypot(cx - dx, cy - dy)) / 2

    @property
    def height_px(self) -> float:
        """Mean length of the left and right edge."""
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = self.corners
        return (math.hypot(dx - ax, dy - ay) + math.hypot(cx - bx, cy - by)) / 2

    def overlap(self, other: PlateBox) -> float:
        """Intersection over union of the upright rectangles, 0..1."""
        ax1, ay1, ax2, ay2 = self.bounds
        bx1, by1, bx2, by2 = other.bounds
        width, height = min(ax2, bx2) - max(ax1, bx1), min(ay2, by2) - max(ay1, by1)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / ((ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - shared)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One text the plate may carry and its probability 0..1."""

    text: str
    score: float


@dataclass(frozen=True, slots=True)
class PlateText:
    """What the recogniser makes of one patch. `candidates` are best first and include `text`.

    `legibility` 0..1 is the decoder's chance that the plate carries one of the candidates: near 1 with two of them says
    O or 0, near 0 says that reading is hopeless.
    """

    text: str
    char_scores: tuple[float, ...]
    candidates: tuple[Candidate, ...]
    country: str | None
    country_score: float
    legibility: float = 0.0

    @property
    def score(self) -> float:
        """Calibrated probability that `text` is right, 0 when nothing was read."""
        return self.candidates[0].score if self.candidates else 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """The text of one plate in one frame."""

    frame_sequence: int
    captured_ns: int
    box: PlateBox
    plate: PlateText


@dataclass(frozen=True, slots=True)
class ClockState:
    """How good the clock was: `source` is gps, ntp or free; `offset_ms` its last known error, `age_s` how long ago."""

    source: str
    offset_ms: float
    age_s: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """The pictures behind a read, still as pixels: the rectified patch, and the frame that very text was read from."""

    patch: Plane
    overview: Plane


@dataclass(frozen=True, slots=True)
class PlateRead:
    """One passage of one vehicle. Times are UTC nanoseconds; `vrm` is A-Z0-9; `confidence` is the vote's, 0..1.

    `last_seen_ns` is the last sighting before publication: a read goes out while its vehicle is still in view, which
    may last longer. `corrects` names the read that this one replaces: a correction is a new row, the old one stays.
    """

    read_id: str
    node_id: str
    vrm: str
    country: str | None
    confidence: float
    candidates: tuple[Candidate, ...]
    votes: int
    first_seen_ns: int
    last_seen_ns: int
    clock: ClockState
    lane: str
    direction: str
    box: PlateBox
    plate_width_px: int
    exposure_us: int
    model_id: str
    software_version: str
    flags: tuple[str, ...] = ()
    corrects: str | None = None


@dataclass(frozen=True, slots=True)
class HotlistEntry:
    """One watched vehicle. Times are UTC nanoseconds, None means open; `actions` says what a hit does here.

    In `vrm` of a wildcard entry `?` is one character and `*` any. `exact_only` entries never match loosely, whatever
    their list allows.
    """

    list_id: str
    vrm: str
    country: str | None
    category: str
    priority: int
    reason: str
    issuer: str
    valid_from_ns: int | None
    valid_to_ns: int | None
    actions: tuple[str, ...]
    exact_only: bool = False

    @property
    def is_wildcard(self) -> bool:
        """Whether `vrm` is a pattern."""
        return "?" in self.vrm or "*" in self.vrm

    @property
    def is_silent(self) -> bool:
        """Whether nobody at the roadside may notice."""
        return "silent" in self.actions


@dataclass(frozen=True, slots=True)
class Hit:
    """A read that is on a list. Unverified until a person has compared the picture.

    `match` is exact, near, wildcard or retrospective. `held_back` says why it was not signalled: `repeat` of the same
    vehicle, or the `rate` limit; it is stored and sent all the same.
    """

    hit_id: str
    read_id: str
    entry: HotlistEntry
    match: str
    raised_at_ns: int
    held_back: str | None = None
