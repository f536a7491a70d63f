"""Every threshold and every stated time of the supervision, in one table; docs/failures.md shows the same one.

A stated time runs from the moment the fault begins (or ends) and includes the waits between looks. Nothing is measured
here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Stage = Literal["stream", "driver", "process", "power"]
STAGES: tuple[Stage, ...] = ("stream", "driver", "process", "power")

LOOK_PERIOD_S = 0.5
"""How often the small plane is measured."""

STALL_S, STALL_PERIODS = 1.0, 2.5
START_S = 5.0
RATE_WINDOW_S = 5.0
RATE_OFF_SHARE = 0.05
EVENTS_MAX = 1
EVENT_WINDOW_S = 5.0
AGE_MIN_S, AGE_MAX_S = -0.05, 0.5
FINGERPRINTS_KEPT = 8

PROBE_PERIOD_S, PROBE_AGAIN_S = 5.0, 0.5
PROBE_BELOW_LEVEL = 60.0
PROBES_FAILED, PROBES_PASSED = 3, 2
STROBE_LEVELS_MIN, STROBE_SHARE_MIN = 1.0, 0.1
FADING_S = 4.5

DARK_LEVEL = 18.0
GLARE_LEVEL, GLARE_SHARE = 235, 0.12
COVERED_CONTRAST_SHARE, COVERED_LIKENESS = 0.25, 0.3
BLURRED_SHARE = 0.55
MOVED_SHARE_OF_WIDTH = 0.01
DIM_BELOW_LEVEL = 45.0

HOT_C, COOL_C = 80.0, 75.0
SILENCE_MIN_S, SILENCE_READS = 600.0, 30.0


@dataclass(frozen=True, slots=True)
class Limit:
    """One alarm: its rule in words, how long it must hold, and what is promised and advised."""

    kind: str
    rule: str
    hold_s: float
    free_s: float
    found_s: float
    cleared_s: float
    recovery: Stage | None
    advice: str


_TABLE = (
    Limit("camera_stalled", f"no frame for {STALL_S:g} s; for {START_S:g} s after a start",
          0, 2, 2, 5, "power", "check the trigger and the camera cable"),
    Limit("trigger_lost", f"over {RATE_OFF_SHARE:.0%} too few pulses in {RATE_WINDOW_S:g} s",
          1, 5, 8, 15, "stream", "check the trigger's wire and its level"),
    Limit("trigger_doubled", f"over {RATE_OFF_SHARE:.0%} too many pulses in {RATE_WINDOW_S:g} s",
          1, 5, 8, 15, "stream", "check the trigger's wire for reflections; is another source connected?"),
    Limit("frames_disordered", f"over {EVENTS_MAX} frame with an older number in {EVENT_WINDOW_S:g} s",
          0, 5, 5, 15, "process", "a driver fault: note its version"),
    Limit("timestamps_jump",
          f"over {EVENTS_MAX} frame in {EVENT_WINDOW_S:g} s whose time runs back or is not {AGE_MIN_S:g} to "
          f"{AGE_MAX_S:g} s old",
          0, 5, 5, 15, "process", "a driver fault: times of reads are in doubt"),
    Limit("same_buffer", f"a look equals one of the last {FINGERPRINTS_KEPT}",
          2, 2, 5, 8, "power", "the camera repeats old frames; it is restarted"),
    Limit("strobe_dead",
          f"lit frames less than {STROBE_LEVELS_MIN:g} grey level or {STROBE_SHARE_MIN:.0%} of the usual above dark "
          f"ones, {PROBES_FAILED} times, and whole in the {FADING_S:g} s before",
          0, 0, 10, 10, None, "check the illuminator's supply, fuse and enable line; is the lens covered?"),
    Limit("lens_covered",
          f"contrast below {COVERED_CONTRAST_SHARE:.0%} of the reference, likeness below {COVERED_LIKENESS:g}",
          5, 5, 20, 15, None, "look at the window of the housing: paint, snow, tape"),
    Limit("lens_glaring", f"over {GLARE_SHARE:.0%} of the picture at {GLARE_LEVEL} or more",
          8, 8, 15, 15, None, "low sun or a lamp in the lens: fit a hood or turn the camera"),
    Limit("picture_dark", f"mean grey below {DARK_LEVEL:g}",
          9, 6, 15, 12, None, "check exposure, gain, aperture and illuminator"),
    Limit("lens_blurred", f"sharpness below {BLURRED_SHARE:.0%} of the reference",
          20, 20, 35, 35, None, "clean the window, then check the focus"),
    Limit("mount_moved", f"over {MOVED_SHARE_OF_WIDTH:.0%} of the width away from the reference picture",
          12, 20, 25, 35, None, "fix the mount and aim again; then delete view-*.npz in the state folder"),
    Limit("overheating", f"{HOT_C:g} °C or more; ends below {COOL_C:g} °C",
          10, 10, 30, 30, None, "check fan, filter and sunshield"),
    Limit("throttled", "the board lowers its clock",
          5, 10, 30, 30, None, "check cooling and supply"),
    Limit("undervoltage", "the board reports less than its voltage",
          0, 10, 30, 30, None, "check supply and cable"),
    Limit("no_reads",
          f"no read for {SILENCE_MIN_S / 60:g} min and for as long as usually brings {SILENCE_READS:g}",
          0, 0, 60, 60, None, "look at a live picture: is the road closed, the view blocked?"),
)  # fmt: skip
"""In order of rank: while one is suspected, those below that it explains are not judged. `found_s` of no_reads counts
from the moment its rule is met."""

LIMITS = {limit.kind: limit for limit in _TABLE}

PICTURE_KINDS = ("strobe_dead", "lens_covered", "lens_glaring", "picture_dark", "lens_blurred", "mount_moved")
