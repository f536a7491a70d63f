"""How reflectances become grey values: sun, strobe, exposure and gain. One linear response, clipped at both ends.

The strobe lights a scene only while the shutter is open and only when the illuminator is enabled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

LightName = Literal["night", "day"]

REFERENCE_EXPOSURE_US = 300
REFERENCE_DISTANCE_M = 13.5
PEDESTAL = 13.0
LEVEL_MIN, LEVEL_MAX = 11, 244
"""Room for sensor noise: it is added in wrapping uint8, so no level may come nearer to 0 or 255 than the noise does."""

STROBE_DIFFUSE = 17.0
STROBE_RETRO = 47.0
FALLOFF_POWER = 0.8
"""Less than the 2 of a point source: the beam is aimed at the far end of the readable stretch."""


@dataclass(frozen=True, slots=True)
class Light:
    """Grey values at unit reflectance, unit gain and the reference exposure."""

    name: LightName
    ambient: float
    gain: float
    lamps: float
    noise_sigma: float


LIGHTS: dict[LightName, Light] = {
    "night": Light("night", ambient=0.2, gain=4.0, lamps=1.0, noise_sigma=3.0),
    "day": Light("day", ambient=205.0, gain=1.0, lamps=0.15, noise_sigma=2.0),
}


@dataclass(frozen=True, slots=True)
class Exposure:
    """One setting of light, strobe and shutter; everything prerendered is kept per exposure."""

    light: Light
    illuminated: bool
    exposure_us: int

    @property
    def _sensitivity(self) -> float:
        return float(self.light.gain * self.exposure_us / REFERENCE_EXPOSURE_US)

    @property
    def ambient(self) -> float:
        """Grey value of a white surface in ambient light."""
        return self.light.ambient * self._sensitivity

    @property
    def strobe_diffuse(self) -> float:
        """Grey value the strobe adds to a white surface at the reference distance."""
        return STROBE_DIFFUSE * self._sensitivity if self.illuminated else 0.0

    @property
    def strobe_retro(self) -> float:
        """Grey value the strobe adds to a new reflective sheet at the reference distance."""
        return STROBE_RETRO * self._sensitivity if self.illuminated else 0.0

    @property
    def lamp_level(self) -> float:
        """Grey value of a headlight's glare at its centre."""
        opening = min(2.0, self.exposure_us / REFERENCE_EXPOSURE_US)
        return 230.0 * self.light.lamps * math.sqrt(opening)

    def level(self, albedo: float, distance_m: float) -> int:
        """Grey value of a dull surface."""
        value = PEDESTAL + albedo * (self.ambient + self.strobe_diffuse * falloff(distance_m))
        return int(np.clip(value, LEVEL_MIN, LEVEL_MAX))

    def mix(self, albedo: Image.Image, retro: Image.Image) -> Image.Image:
        """Both reflectances weighted as they are lit here, still linear and unclipped: `curve` makes it grey values."""
        return Image.blend(albedo, retro, self.strobe_retro / self._white)

    def curve(self, distance_m: float, shade: float = 1.0) -> Sequence[int]:
        """The lookup table from a mixed picture to grey values at a distance; `shade` dims the ambient part."""
        near = falloff(distance_m)
        white = shade * self.ambient + near * (self.strobe_diffuse + self.strobe_retro)
        table = PEDESTAL + np.arange(256) / 255 * white
        return [int(value) for value in np.clip(table, LEVEL_MIN, LEVEL_MAX)]

    @property
    def _white(self) -> float:
        return self.ambient + self.strobe_diffuse + self.strobe_retro


def falloff(distance_m: float) -> float:
    """How much of the strobe arrives, 1 at the reference distance."""
    return float((REFERENCE_DISTANCE_M / max(distance_m, 3.0)) ** FALLOFF_POWER)
