"""Gathers what the running node shows, second by second, into the values that are judged.

It keeps the sightings of the last while and forgets older ones; whoever turned something calls `forget`.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from anpr_node.calibration.hints import Site, hint_for
from anpr_node.calibration.motion import MotionMeasures, measure_motions, passages
from anpr_node.calibration.path import Optics
from anpr_node.calibration.plate import PlateMeasures, measure_plate
from anpr_node.calibration.plausible import is_plausible, without_lettering
from anpr_node.calibration.verdicts import Judged, judge
from anpr_node.config import Settings
from anpr_node.records import Plane, PlateBox
from anpr_node.tap import Taken
from anpr_node.units import NS_PER_S

SIGHTINGS_KEPT = 64
SAMPLED_FPS = 15
MIDDLE_SHARE = 0.25
"""Sightings this near to the middle line of the picture speak for the place where plates are read."""
MIDDLE_MIN = 3
NUMBERS_KEPT = 60
VEHICLES_MIN = 3
BURNT_SHARE = 0.25
"""A plate burnt out so far has no characters left to tell it by; it tells about the light alone."""

Look = Callable[[Plane, PlateBox], PlateBox | None]


class Eye(Protocol):
    """Where frames come from."""

    def frames(self, count: int, plates: bool, wait_s: float, dark: bool = False, every: int = 1) -> list[Taken]:
        """Copies of the next frames."""
        ...


def site_of(settings: Settings) -> Site:
    """What the hints are computed from."""
    site = settings.site
    share = settings.sensor.region[2] - settings.sensor.region[0] if settings.camera.kind == "csi" else 1.0
    columns = settings.sensor.width if settings.camera.kind in {"csi", "gstreamer"} else site.sensor_columns
    return Site(
        lens_mm=site.lens_mm,
        distance_m=site.distance_m,
        height_m=site.height_m,
        speed_limit_kmh=site.speed_limit_kmh,
        exposure_us=float(settings.camera.exposure_us),
        focal_px=site.lens_mm * 1000 / site.pixel_um * columns / (site.sensor_columns * share),
        columns=columns,
        rows=settings.sensor.height,
        fps=settings.camera.fps,
    )


class Survey:
    """One technician's measurements of one node."""

    def __init__(self, settings: Settings, eye: Eye, look: Look) -> None:
        """`look` finds a plate's sharp corners near a rough box."""
        self._settings, self._eye, self._look = settings, eye, look
        self._plates: deque[PlateMeasures] = deque(maxlen=SIGHTINGS_KEPT)
        self._burnt: deque[PlateMeasures] = deque(maxlen=SIGHTINGS_KEPT)
        self._numbers: deque[dict[str, Any]] = deque(maxlen=NUMBERS_KEPT)
        self._recent: list[dict[str, Any]] = []
        self._size = (0, 0)
        self._strobe: float | None = None
        self._since_ns = 0
        self.scene_sharpness = self.sharpest = self.scene_level = 0.0
        self.best_edge_px: float | None = None

    @property
    def sightings(self) -> int:
        """How many are kept."""
        return len(self._plates)

    @property
    def burnt(self) -> int:
        """How many plates were seen that are too burnt out to be measured."""
        return len(self._burnt)

    @property
    def reads_seen(self) -> int:
        """Vehicles read since measuring began."""
        return len(self._recent)

    def spans(self) -> tuple[float, float, float, float] | None:
        """Where plates were seen: x1, y1, x2, y2 as shares of the picture."""
        columns, rows = self._size
        if not self._plates or not columns:
            return None
        points = [point for plate in self._plates for point in plate.corners]
        xs, ys = [x / columns for x, _ in points], [y / rows for _, y in points]
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def site(self) -> Site:
        """What the hints are computed from now."""
        return site_of(self._settings)

    def forget(self) -> None:
        """Something was turned: what was seen before counts no more. The sharpest focus is remembered."""
        self._plates.clear()
        self._burnt.clear()
        self._numbers.clear()
        self._recent, self._since_ns, self._strobe = [], 0, None

    def use(self, settings: Settings) -> None:
        """Go on with other settings."""
        if settings != self._settings:
            self._settings = settings
            self.forget()

    def see(self, wait_s: float) -> None:
        """Take some frames and measure the plates in them; without any, measure the scene."""
        every = max(1, round(self._settings.camera.fps / SAMPLED_FPS))
        taken = self._eye.frames(6, True, wait_s, every=every)
        for frame in taken:
            self._take(frame)
        if not taken:
            for frame in self._eye.frames(1, False, 1.0):
                self._take(frame)

    def _take(self, frame: Taken) -> None:
        rows, columns = frame.pixels.shape
        self._size = (columns, rows)
        self.scene_sharpness = sharpness(frame.pixels)
        self.scene_level = float(frame.pixels[::16, ::16].mean())
        self.sharpest = max(self.sharpest, self.scene_sharpness)
        found = [box for box in (self._look(frame.pixels, rough) for rough in frame.boxes) if box is not None]
        for box in without_lettering(found):
            measured = measure_plate(frame.pixels, box, frame.captured_ns)
            if not is_plausible(measured):
                if measured.saturated_share > BURNT_SHARE:
                    self._burnt.append(measured)
                continue
            self._plates.append(measured)
            best = self.best_edge_px
            self.best_edge_px = measured.edge_px if best is None else min(best, measured.edge_px)

    def note(self, numbers: dict[str, Any], recent: Sequence[dict[str, Any]]) -> None:
        """The node's own counters, and its last reads."""
        self._since_ns = self._since_ns or int(numbers["utc_ns"])
        self._numbers.append(numbers)
        self._recent = [row for row in recent if row["last_seen_ns"] >= self._since_ns and row["corrects"] is None]

    def probe_strobe(self, wait_s: float) -> float | None:
        """What the strobe adds to the picture, in grey values: frames with it and without are compared."""
        taken = self._eye.frames(6, False, wait_s, dark=True)
        lit = [frame for frame in taken if frame.illuminated]
        dark = [frame for frame in taken if not frame.illuminated]
        if lit and dark:
            with_it = np.median([_coarse(frame.pixels) for frame in lit], axis=0)
            without = np.median([_coarse(frame.pixels) for frame in dark], axis=0)
            self._strobe = float(np.median(with_it - without))
        elif taken and not lit:
            self._strobe = 0.0
        return self._strobe

    def motions(self) -> list[MotionMeasures]:
        """Every passage that was seen for long enough."""
        columns, rows = self._size
        if not columns:
            return []
        optics = Optics(self.site.focal_px * columns / self.site.columns, columns, rows)
        return measure_motions(passages(list(self._plates)), optics)

    def values(self) -> dict[str, float | None]:
        """Everything that is judged, None where it is not known."""
        plates, motions, site = self._middle(), self.motions(), self.site
        lit = [*plates, *self._burnt]
        columns, rows = self._size
        return {
            "plate_width_px": _median(m.width_px for m in plates if m.one_line),
            "char_height_px": _median(m.char_height_px for m in plates),
            "roll_deg": _median(m.roll_deg for m in plates),
            "tilt_deg": _median(m.tilt_deg for m in motions),
            "side_deg": _median(m.side_deg for m in motions),
            "centre_x": _middle_of([m.centre[0] / columns for m in self._plates]),
            "centre_y": _middle_of([m.centre[1] / rows for m in self._plates]),
            "blur_px": _median(m.blur_px(site.judged_kmh, site.exposure_us) for m in motions),
            "edge_px": _median(m.edge_px for m in plates),
            "contrast": _median(m.contrast for m in plates),
            "ground_level": _median(m.ground_level for m in lit),
            "saturated_share": _median(m.saturated_share for m in lit),
            "strobe_levels": self._strobe,
            "outside_share": self._outside_share(),
            **self._of_the_node(),
        }

    def judged(self, names: Sequence[str]) -> list[Judged]:
        """Values with verdicts and hints."""
        values, site = self.values(), self.site
        rows = []
        for name in names:
            verdict = judge(name, values.get(name))
            rows.append(
                Judged(name, values.get(name), verdict, "" if verdict == "OK" else hint_for(name, values, site))
            )
        return rows

    def _outside_share(self) -> float | None:
        """Share of sightings whose plate touches the rim of what the sensor hands out."""
        columns, rows = self._size
        if not self._plates:
            return None
        cut = sum(
            any(not (2 <= x <= columns - 2 and 2 <= y <= rows - 2) for x, y in plate.corners) for plate in self._plates
        )
        return cut / len(self._plates)

    def _middle(self) -> list[PlateMeasures]:
        """Sightings near the middle of the picture, all where there are too few."""
        rows = self._size[1]
        near = [m for m in self._plates if abs(m.centre[1] / max(rows, 1) - 0.5) < MIDDLE_SHARE]
        return near if len(near) >= MIDDLE_MIN else list(self._plates)

    def _of_the_node(self) -> dict[str, float | None]:
        """Rates between the first and the last of the counters that were noted."""
        names = ("fps_share", "lost_share", "timeouts", "reads_per_vehicle", "confidence", "clock_offset_ms")
        if len(self._numbers) < 2:
            return dict.fromkeys(names)
        first, last = self._numbers[0], self._numbers[-1]

        def grown(name: str) -> int:
            return int(last[name]) - int(first[name])

        seconds = (last["at_ns"] - first["at_ns"]) / NS_PER_S
        pulses, vehicles = grown("frames") + grown("frames_lost"), grown("reads") + grown("unread")
        return {
            "fps_share": pulses / seconds / self._settings.camera.fps if seconds > 1 else None,
            "lost_share": grown("frames_lost") / pulses if pulses else None,
            "timeouts": float(grown("timeouts")),
            "reads_per_vehicle": grown("reads") / vehicles if vehicles >= VEHICLES_MIN else None,
            "confidence": _median(row["confidence"] for row in self._recent),
            "clock_offset_ms": last["clock"]["offset_ms"] if last["clock"]["source"] != "free" else None,
        }


def sharpness(pixels: Plane) -> float:
    """How steep the steepest hundredth of the picture is: for turning a focus ring while no plate is there."""
    part = pixels[::2, ::2].astype(np.int16)
    steps = np.abs(np.diff(part, axis=1)).ravel()
    count = max(1, steps.size // 100)
    return float(np.partition(steps, -count)[-count:].mean())


def _coarse(pixels: Plane) -> Plane:
    rows, columns = (side // 16 * 16 for side in pixels.shape)
    blocks = pixels[:rows, :columns].reshape(rows // 16, 16, columns // 16, 16)
    coarse: Plane = blocks.mean(axis=(1, 3))
    return coarse


def _middle_of(places: Sequence[float]) -> float | None:
    """Middle of the stretch on which plates were seen, without the outermost tenth."""
    if not places:
        return None
    low, high = np.quantile(np.array(places), [0.1, 0.9])
    return float(low + high) / 2


def _median(values: Iterator[float | None] | Any) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
