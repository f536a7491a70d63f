"""What kind of plate, and in what light: Belgian kinds by syntax, and the bounds of width, light, blur and contrast.

A kind is guessed from the text alone, for counting; nothing is read or rejected by it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from anpr_node import pictures
from anpr_node.records import Plane

TWO_LINES_BELOW = 2.2
"""Plates less wide than this, in heights, have two lines where the label does not say."""

MEASURED_HEIGHT_PX = 32
"""Blur is measured at the height at which the recogniser reads, whatever size the patch has."""

_BELGIAN = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"1M[A-Z]{2}\d{3}|M[A-Z]{3}\d{3}|[MW][A-Z]{2}\d{3}", "motorcycle"),
        (r"1Q[A-Z]{2}\d{3}|Q[A-Z]{3}\d{3}|Q[A-Z]{2}\d{3}", "trailer"),
        (r"1?TX[A-Z]{1,2}\d{3}|1?TL[A-Z]{1,2}\d{3}|T[A-Z]{2}\d{3}", "taxi or hire car"),
        (r"1O[A-Z]{2}\d{3}|O[A-Z]{3}\d{3}|O[A-Z]{2}\d{3}", "old-timer"),
        (r"1Z[A-Z]{2}\d{3}|[ZYVUWX][A-Z]{3}\d{3}|Z[A-Z]{2}\d{3}", "dealer, test, professional, temporary"),
        (r"9(?:[A-Z]{3}\d{3}|\d{3}[A-Z]{3})", "personalised"),
        (r"[1-7][A-Z]{3}\d{3}|\d{4}[A-Z]{3}", "car"),
        (r"8[A-Z]{3}\d{3}", "international body"),
        (r"S[A-Z]{3}\d{3}", "moped or light quad"),
        (r"G[A-Z]{3}\d{3}", "tractor"),
        (r"CD[A-Z]{2}\d{3}", "diplomatic"),
        (r"EUR\d{4}|\d{3}EURO|\d{6}", "EU institution"),
        (r"[A-Z]{3}\d{3}|\d{3}[A-Z]{3}", "car, 1973 to 2010"),
        (r"[AEP]?\d{1,3}", "court, government, parliament"),
        (r"1\d{6}", "transit"),
        (r"(?=(?:\d*[A-Z]){1,2}\d*$)[A-Z\d]{5}", "car, before 1973"),
        (r"(?=.*[A-Z])[A-Z\d]{1,8}", "personalised"),
    )
)


def belgian_kind(text: str) -> str:
    """The kind whose syntax a Belgian text has; a personalised plate may look like any of them."""
    return next((kind for pattern, kind in _BELGIAN if pattern.fullmatch(text)), "other")


def line_count(width: float, height: float) -> int:
    """One or two, by the shape of the plate."""
    return 2 if width < TWO_LINES_BELOW * height else 1


@dataclass(frozen=True, slots=True)
class Scale:
    """Named steps of something measured: value < bounds[0] is names[0], and so on."""

    bounds: tuple[float, ...]
    names: tuple[str, ...]

    def bucket(self, value: float) -> str:
        """The name of the step that holds the value; a bound belongs to the step above it."""
        return self.names[sum(value >= bound for bound in self.bounds)]


def in_steps(bounds: Sequence[int], unit: str) -> Scale:
    """A scale named by its own bounds."""
    between = [f"{low} to {high} {unit}" for low, high in pairwise(bounds)]
    return Scale(tuple(bounds), (f"under {bounds[0]} {unit}", *between, f"{bounds[-1]} {unit} and more"))


WIDTH = in_steps((60, 80, 100, 130, 160, 200, 300), "px")
LIGHT = Scale((60, 110, 190), ("dark, under 60", "dim, 60 to 110", "medium, 110 to 190", "bright, 190 and more"))
BLUR = Scale((1.7, 2.2, 3.0), ("sharp, under 1.7", "soft, 1.7 to 2.2", "blurred, 2.2 to 3", "very blurred, 3 and more"))
CONTRAST = Scale((60, 110, 170), ("faint, under 60", "low, 60 to 110", "medium, 110 to 170", "strong, 170 and more"))
SPEED = in_steps((50, 70, 90, 110), "km/h")


@dataclass(frozen=True, slots=True)
class Look:
    """How a patch looks: mean grey and contrast in grey levels, and the width of its edges (blur) in pixels."""

    grey: float
    contrast: float
    edge_px: float


def look_of(patch: Plane, lines: int = 1) -> Look:
    """Measure a patch. An edge is as wide as the contrast is high, over the steepest slopes (the upper 2 %)."""
    height = MEASURED_HEIGHT_PX * lines
    width = max(8, round(patch.shape[1] * height / patch.shape[0]))
    grey = pictures.resize(patch, width, height).astype(np.float64)
    dark, light = np.percentile(grey, [5, 95])
    slope = np.percentile(np.abs(np.diff(grey, axis=1)), 98)
    return Look(float(grey.mean()), float(light - dark), float((light - dark) / max(slope, 1.0)))
