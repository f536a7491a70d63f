"""What to do about a value that is not OK, in one line a person on a ladder can follow, with numbers from the geometry.

Directions are those of somebody who stands behind the camera and looks where it looks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from anpr_node.policy import calibration_limits

WIDTH_WANTED_PX = 216
"""A plate on a lane of 3.5 m that fills the picture."""
BLUR_WANTED_PX = 1.0
LENSES_MM = (6, 8, 10, 12, 16, 18, 25, 35, 50, 75)
EXPOSURE_MIN_US = 50
FPS_MIN = 5
TILT_WANTED_DEG = 20.0
SPEED_FACTOR = 1.3


@dataclass(frozen=True, slots=True)
class Site:
    """What the hints are computed from."""

    lens_mm: float
    distance_m: float
    height_m: float
    speed_limit_kmh: float
    exposure_us: float
    focal_px: float
    columns: int
    rows: int
    fps: float = 30.0

    @property
    def judged_kmh(self) -> float:
        """Blur is judged at this speed."""
        return self.speed_limit_kmh * SPEED_FACTOR


Values = Mapping[str, float | None]


def hint_for(name: str, values: Values, site: Site) -> str:
    """The hint for one value; empty where there is nothing to say."""
    value, maker = values.get(name), _MAKERS.get(name)
    if value is None:
        return _missing(name, values)
    return maker(value, values, site) if maker else _WORDS.get(name, "")


def _missing(name: str, values: Values) -> str:
    if name in {"plate_width_px", "char_height_px", "tilt_deg", "contrast", "edge_px"}:
        return "no plate seen: wait for a vehicle, or aim at the lane; by night look at `install illumination`"
    return "not measured yet"


def lens_for(width_px: float, lens_mm: float) -> int:
    """The lens on sale that brings the plate nearest to the width wanted, within what is OK where one does."""
    low, high = calibration_limits()["plate_width_px"].ok

    def off(lens: int) -> tuple[bool, float]:
        width = width_px * lens / lens_mm
        return not low <= width <= high, abs(math.log(width / WIDTH_WANTED_PX))

    return min(LENSES_MM, key=off)


def _width(value: float, _: Values, site: Site) -> str:
    lens = lens_for(value, site.lens_mm)
    gives = value * lens / site.lens_mm
    distance = site.distance_m * value / WIDTH_WANTED_PX
    which = "longer lens or nearer" if value < WIDTH_WANTED_PX else "shorter lens or farther"
    exact = site.lens_mm * WIDTH_WANTED_PX / value
    return (
        f"plate {value:.0f} px wide: {which}; {exact:.0f} mm at {site.distance_m:g} m gives {WIDTH_WANTED_PX}, "
        f"so does {site.lens_mm:g} mm at {distance:.1f} m. On sale: {lens} mm, gives {gives:.0f}; "
        f"once fitted: set site.lens_mm {lens}"
    )


def _char(value: float, values: Values, site: Site) -> str:
    width = values.get("plate_width_px")
    if width is not None and width < calibration_limits()["plate_width_px"].ok[0]:
        return "characters grow with the plate: see plate width"
    return "characters are low for this width: the camera looks down too steeply, see tilt"


def _roll(value: float, _: Values, __: Site) -> str:
    # the picture's right end lies lower: the camera is turned against the clock, seen from behind it
    way = "clockwise" if value > 0 else "counter-clockwise"
    return f"turn the camera {abs(value):.1f} deg {way} about its lens, seen from behind it"


def _tilt(value: float, _: Values, site: Site) -> str:
    if value < calibration_limits()["tilt_deg"].ok[0]:
        return "the camera looks along the road: mount it higher, or headlights dazzle it and vehicles hide the next"
    sine = math.sin(math.radians(TILT_WANTED_DEG))
    farther, lower = site.height_m / sine, site.distance_m * sine
    return f"it looks down too steeply: aim {farther:.0f} m away, or mount it {lower:.1f} m high"


def _side(value: float, _: Values, site: Site) -> str:
    return f"it looks from {abs(value):.0f} deg beside: nearer to the lane's own line, or aim farther along the road"


def _centre_x(value: float, _: Values, site: Site) -> str:
    angle = math.degrees(math.atan((value - 0.5) * site.columns / site.focal_px))
    where = "right" if angle > 0 else "left"
    return f"plates pass at the {where}: turn the camera {abs(angle):.1f} deg to the {where}"


def _centre_y(value: float, _: Values, site: Site) -> str:
    angle = math.degrees(math.atan((value - 0.5) * site.rows / site.focal_px))
    where, way = ("low", "down") if angle > 0 else ("high", "up")
    return f"plates pass {where} in the picture: turn the camera {abs(angle):.1f} deg {way}"


def exposure_for(blur_px: float, exposure_us: float) -> int:
    """The exposure that smears a plate no more than wanted, rounded down to 10 us."""
    return max(EXPOSURE_MIN_US, int(exposure_us * BLUR_WANTED_PX / blur_px) // 10 * 10)


def _blur(value: float, _: Values, site: Site) -> str:
    wanted = exposure_for(value, site.exposure_us)
    return (
        f"{site.exposure_us:.0f} us smear a plate {value:.1f} px at {site.judged_kmh:.0f} km/h "
        f"(limit x {SPEED_FACTOR}): set camera.exposure_us {wanted}"
    )


def _contrast(value: float, values: Values, __: Site) -> str:
    ground = values.get("ground_level")
    if ground is not None and ground < calibration_limits()["ground_level"].ok[0]:
        return "the plate is too dark for contrast: see plate grey"
    return "characters nearly join the ground: other wavelength (white or 940 nm), or ambient light by day (daynight)"


def _ground(value: float, values: Values, site: Site) -> str:
    if value < calibration_limits()["ground_level"].ok[0]:
        strobe = values.get("strobe_levels")
        if strobe is not None and strobe < calibration_limits()["strobe_levels"].ok[0]:
            return "the plate is dark because the strobe is: see strobe"
        return "plate too dark: aim the illuminator at the plate's place, raise sensor.gain, or fit a brighter one"
    return "plate too bright: lower sensor.gain, then camera.exposure_us"


def _saturated(_: float, values: Values, site: Site) -> str:
    blur_px, most_px = values.get("blur_px"), calibration_limits()["blur_px"].ok[1]
    if blur_px is not None and blur_px > most_px:
        return "plate burnt out: shorten the exposure as the blur wants it, then look again"
    if blur_px is None and (expected_px := expected_blur_px(site)) > most_px:
        wanted = exposure_for(expected_px, site.exposure_us)
        return f"plate burnt out, and at {site.judged_kmh:.0f} km/h smeared: set camera.exposure_us {wanted}"
    half = max(EXPOSURE_MIN_US, int(site.exposure_us / 2) // 10 * 10)
    return f"plate burnt out: set camera.exposure_us {half}, or lower sensor.gain"


def _lost(value: float, _: Values, site: Site) -> str:
    wanted = max(FPS_MIN, math.floor(site.fps * (1 - value) * 0.95))
    return f"the board does not keep up: look for heat and other programs, or set camera.fps {wanted}"


def expected_blur_px(site: Site) -> float:
    """The smear at the judged speed as the lengths that were typed in have it, where none could be measured."""
    travel_m = site.judged_kmh / 3.6 * site.exposure_us * 1e-6
    return site.focal_px * travel_m * site.height_m / site.distance_m**2


_WORDS: dict[str, str] = {
    "edge_px": "turn the focus ring a little and look again: go on while `focus` falls, turn back when it rises",
    "strobe_levels": "the strobe gives no light: check its supply, fuse and cable, then repeat `install illumination`",
    "fps_share": "frames come too slowly: check the trigger's wire, the board's heat, and camera.fps",
    "timeouts": "pulses bring no frame: check the trigger's wire and the camera's cable; see hw/README.md",
    "reads_per_vehicle": "vehicles pass unread: put the steps before this one right, then repeat `install region`",
    "confidence": "readings are unsure: plate width, focus, blur and contrast come first",
    "outside_share": "plates are cut off by sensor.region: widen it as shown, or set it to the whole picture",
    "list_age_h": "no fresh list: is the link up? then: anpr-node hotlist update",
    "clock_offset_ms": "the clock is off: check the link, or the GPS antenna",
}
"""What to do where no number decides it."""

_MAKERS: dict[str, Callable[[float, Values, Site], str]] = {
    "plate_width_px": _width,
    "char_height_px": _char,
    "roll_deg": _roll,
    "tilt_deg": _tilt,
    "side_deg": _side,
    "centre_x": _centre_x,
    "centre_y": _centre_y,
    "blur_px": _blur,
    "contrast": _contrast,
    "ground_level": _ground,
    "saturated_share": _saturated,
    "lost_share": _lost,
}
